import { canonicalIp, isIp } from '../base/transport-address.ts'

/** What the answer to one ping with a limited TTL says. */
export type PingAnswer =
  /** The destination answered. */
  | { readonly kind: 'reached'; readonly ip: string }
  /** A router's TTL ran out: it is the hop. */
  | { readonly kind: 'expired'; readonly ip: string }
  /** A router answered; a translated text does not tell whether the TTL ran out or there was no way on. */
  | { readonly kind: 'unclear'; readonly ip: string }
  | { readonly kind: 'silent' }

const SILENT: PingAnswer = { kind: 'silent' }

/** `64 bytes from 192.0.2.1: icmp_seq=1 ttl=62`: iputils; `seq=` busybox, `, icmp_seq=0 hlim=` ping6 of macOS. */
const ECHO_REPLY = /^[0-9]+ bytes from (?<ip>\S+?)[:,]? .*seq=/

/**
 * iputils: `From 10.0.0.2 icmp_seq=1 Time to live exceeded`, with `Time exceeded: Hop limit` for IPv6. macOS:
 * `36 bytes from 10.0.0.2: Time to live exceeded`. "Unreachable" answers say nothing about this hop: a router nearer
 * by may send them whatever the TTL.
 */
const TTL_EXCEEDED =
  /^(?:From|[0-9]+ bytes from) (?<ip>\S+?)[:,]? .*(?:Time to live exceeded|Time exceeded: Hop limit)/

/** Ours: no line of any ping comes near it, and a longer one could keep the patterns busy. */
const MAX_LINE_CHARS = 256

/** What `ping` of iputils, busybox, toybox or macOS printed so far. busybox never names a router whose TTL ran out. */
export function parseUnixPing(text: string): PingAnswer {
  for (const line of text.split('\n').filter((each) => each.length <= MAX_LINE_CHARS)) {
    const reply = ECHO_REPLY.exec(line)?.groups?.['ip']
    if (reply !== undefined && isIp(reply)) return { kind: 'reached', ip: canonicalIp(reply) }
    const router = TTL_EXCEEDED.exec(line)?.groups?.['ip']
    if (router !== undefined && isIp(router)) return { kind: 'expired', ip: canonicalIp(router) }
  }
  return SILENT
}

/**
 * What `ping.exe` printed so far, in any language: a heading, then one line for the one ping. Only an IP in that line is
 * read; the statistics after the next blank line name the destination again. `ownIps`: this host itself answers
 * "unreachable" when the first router does not exist.
 */
export function parseWindowsPing(text: string, destination: string, ownIps: readonly string[]): PingAnswer {
  const lines = text.split('\n').slice(0, -1) // the last one may be incomplete
  const heading = lines.findIndex((line) => line.trim() !== '')
  const ip = heading < 0 ? undefined : ipIn(lines[heading + 1] ?? '')
  if (ip === undefined) return SILENT
  if (withoutZone(ip) === withoutZone(canonicalIp(destination))) return { kind: 'reached', ip }
  return ownIps.some((own) => withoutZone(own) === withoutZone(ip)) ? SILENT : { kind: 'unclear', ip }
}

/** Anything that may be an IP; what follows it may be a letter of any script, so word borders don't help. */
const IP_LIKE = /(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*(?:%[0-9]+)?/g

function ipIn(line: string): string | undefined {
  if (line.length > MAX_LINE_CHARS) return undefined
  const ip = [...line.matchAll(IP_LIKE)].map(([text]) => text.replace(/(?<!:):$/, '')).find(isIp)
  return ip === undefined ? undefined : canonicalIp(ip)
}

function withoutZone(ip: string): string {
  return ip.split('%')[0] ?? ip
}

/** Complaints that mean "this ping can't do it": no right to use ICMP, or options it does not know. */
const UNUSABLE =
  /not permitted|denied|privilege|usage:|(?:invalid|illegal|unknown|unrecognized|unsupported) /i

/** True when a ping's complaints say that it is of no use on this host. */
export function isUnusable(complaints: string): boolean {
  return UNUSABLE.test(complaints)
}
