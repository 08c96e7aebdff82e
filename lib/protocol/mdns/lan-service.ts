import { createHmac } from 'node:crypto'
import type { PeerId } from '../../base/peer-id.ts'
import type { IceCredentials } from '../ice/connectivity-check.ts'
import type { DnsRecord } from './dns-message.ts'

/** RFC 6762 §3 and §5.1. */
export const MDNS_PORT = 5353
export const MDNS_GROUP = { ipv4: '224.0.0.251', ipv6: 'ff02::fb' } as const

/** Our type of service (RFC 6763 §4.1.2). */
export const SERVICE_TYPE = '_p2p-reach._tcp.local'
/** Answers with the types that there are (RFC 6763 §9). */
export const SERVICE_TYPES = '_services._dns-sd._udp.local'

/** RFC 6762 §10: for records that name a host; ours all do, and a peer that is gone should be forgotten soon. */
export const RECORD_TTL_S = 120
/** RFC 6762 §6.7: a resolver that knows no multicast can't be told of changes. */
export const LEGACY_TTL_S = 10

/** Bytes of chance in an instance's name: no two processes will ever have the same one. */
export const INSTANCE_BYTES = 8
const INSTANCE = /^[0-9a-f]{16}$/
const TAG = /^[0-9a-f]{32}$/
const DOMAIN = 'p2p-reach lan 1\0'
const KNOCK_DOMAIN = 'p2p-reach lan knock 1\0'

/** What one process announces. */
export interface LanService {
  /** Random, in hex: the name says nothing, and is another one at the next start. */
  readonly instance: string
  /** By {@link lanTag}. */
  readonly tag: string
  /** TCP. */
  readonly port: number
}

/**
 * What a peer calls itself on a LAN: who knows the network and the PeerId recognises it, others see random bytes that are
 * others at the next start.
 * @param network SHA-256 of the root's SubjectPublicKeyInfo in hex
 */
export function lanTag(network: string, peerId: PeerId, instance: string): string {
  return createHmac('sha256', Buffer.from(network, 'hex'))
    .update(`${DOMAIN}${instance}\0${peerId}`)
    .digest('hex')
    .slice(0, 32)
}

/** One knock at the door of a peer on the LAN: whose door it is, and which process there. */
export interface LanDoorName {
  /** SHA-256 of the root's SubjectPublicKeyInfo in hex. */
  readonly network: string
  /** Whose door it is. */
  readonly peerId: PeerId
  readonly instance: string
}

/**
 * Credentials of one end of a connection over the LAN; both ends derive both. Only who knows the network and the PeerId
 * can, so that nobody else gets as far as TLS, where our certificate names us.
 * @param ufrag of that end: the instance at the door, random at who knocks
 */
export function lanCredentials({ network, peerId, instance }: LanDoorName, ufrag: string): IceCredentials {
  const password = createHmac('sha256', Buffer.from(network, 'hex'))
    .update(`${KNOCK_DOMAIN}${instance}\0${peerId}\0${ufrag}`)
    .digest('hex')
  return { ufrag, password }
}

/** The parts of which answers are made. */
export type RecordKind = 'types' | 'pointer' | 'service' | 'text' | 'addresses'

/** The records of a service on one link. @param ips the host's addresses there */
export function recordsOf(
  { instance, tag, port }: LanService,
  ips: readonly string[],
): Readonly<Record<RecordKind, readonly DnsRecord[]>> {
  const name = `${instance}.${SERVICE_TYPE}`
  const host = hostName(instance)
  const shared = { ttlS: RECORD_TTL_S, isOnly: false } as const
  const own = { ttlS: RECORD_TTL_S, isOnly: true } as const
  return {
    types: [{ type: 'PTR', name: SERVICE_TYPES, target: SERVICE_TYPE, ...shared }],
    pointer: [{ type: 'PTR', name: SERVICE_TYPE, target: name, ...shared }],
    service: [{ type: 'SRV', name, port, target: host, ...own }],
    text: [{ type: 'TXT', name, texts: ['v=1', `id=${tag}`], ...own }],
    addresses: ips.map((ip) => ({ type: ip.includes(':') ? 'AAAA' : 'A', name: host, ip, ...own })),
  }
}

/** The host's name in records: as random as the instance, for the real one is nobody's business. */
export function hostName(instance: string): string {
  return `${instance}.local`
}

/** The instance that a name of our type stands for; undefined for names that we would not give. */
export function instanceOf(name: string): string | undefined {
  const lower = name.toLowerCase()
  const instance = lower.slice(0, -SERVICE_TYPE.length - 1)
  return lower === `${instance}.${SERVICE_TYPE}` && INSTANCE.test(instance) ? instance : undefined
}

/** The tag in the texts of a record (RFC 6763 §6.4: the first of a key counts); undefined when there is none of ours. */
export function tagOf(texts: readonly string[]): string | undefined {
  const tag = texts.find((text) => text.startsWith('id='))?.slice(3)
  return tag !== undefined && TAG.test(tag) ? tag : undefined
}

/** RFC 6762 §16: names are compared without regard to the case of ASCII letters. */
export function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
