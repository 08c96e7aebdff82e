import { ReachError } from './errors.ts'

/** The version of the Internet Protocol. */
export type AddressFamily = 'ipv4' | 'ipv6'
/** The transport protocol that a port belongs to. */
export type Transport = 'udp' | 'tcp'

/**
 * Where a packet goes or comes from (RFC 8445's word): family, IP, port and transport. `ip` is canonical (see
 * {@link canonicalIp}), so two addresses are equal exactly when their fields are.
 */
export interface TransportAddress {
  readonly family: AddressFamily
  readonly ip: string
  readonly port: number
  readonly transport: Transport
}

/** Ports have 16 bits (RFC 768, RFC 9293 §3.1). */
export const MAX_PORT = 65_535

/**
 * Ours: names of interfaces are at most 16 characters on the systems that we know, and their numbers shorter. Spaces,
 * control characters and a second `%` are kept out of logs and command lines.
 */
const ZONE = /^[^\s%/[\]\p{C}]{1,64}$/u

/**
 * Makes a TransportAddress from an IP in any written form. IPv4-mapped IPv6 (`::ffff:192.0.2.1`) becomes IPv4, IPv6
 * gets the form of RFC 5952 and keeps its zone.
 * @throws {ReachError} ERR_REACH_ADDRESS when the IP or the port is not one.
 */
export function transportAddress(ip: string, port: number, transport: Transport = 'udp'): TransportAddress {
  if (!Number.isInteger(port) || port < 0 || port > MAX_PORT) {
    throw new ReachError('ERR_REACH_ADDRESS', `${port} is not a port`, { details: { port } })
  }
  const canonical = canonicalIp(ip)
  return { family: canonical.includes(':') ? 'ipv6' : 'ipv4', ip: canonical, port, transport }
}

/** True when both name the same family, IP, port and transport. */
export function sameAddress(a: TransportAddress, b: TransportAddress): boolean {
  return a.ip === b.ip && a.port === b.port && a.transport === b.transport
}

/** `192.0.2.1:3478` or `[2001:db8::1]:3478`, for people and logs. */
export function formatAddress(address: Pick<TransportAddress, 'ip' | 'port'>): string {
  return address.ip.includes(':') ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`
}

/**
 * One spelling per IP: IPv4 dotted decimal; IPv6 as RFC 5952 says; IPv4-mapped IPv6 as IPv4. A zone (`%eth0`) is kept.
 * @throws {ReachError} ERR_REACH_ADDRESS
 */
export function canonicalIp(text: string): string {
  const percent = text.indexOf('%')
  if (percent < 0) return bytesToIp(ipToBytes(text))
  const bytes = ipToBytes(text.slice(0, percent))
  if (bytes.length === 4 || !ZONE.test(text.slice(percent + 1))) throw notAnIp(text)
  // A zone means something for IPv6 alone (RFC 4007 §11), so IPv4-mapped loses it.
  return isV4Mapped(bytes) ? bytesToIp(bytes) : bytesToIp(bytes) + text.slice(percent)
}

/** True for text that {@link canonicalIp} accepts. */
export function isIp(text: string): boolean {
  try {
    canonicalIp(text)
    return true
  } catch {
    return false // the only question is whether it parses
  }
}

/**
 * The 4 or 16 bytes of an IP; zones are not accepted.
 * @throws {ReachError} ERR_REACH_ADDRESS
 */
export function ipToBytes(text: string): Uint8Array {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  if (bytes === undefined) throw notAnIp(text)
  return bytes
}

/** Canonical text of 4 or 16 bytes; IPv4-mapped IPv6 comes out as IPv4. */
export function bytesToIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new RangeError(`an IP has 4 or 16 bytes, not ${bytes.length}`)
  if (isV4Mapped(bytes)) return bytes.subarray(12).join('.')
  return formatIpv6(bytes)
}

function isV4Mapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
}

function notAnIp(text: string): ReachError {
  return new ReachError('ERR_REACH_ADDRESS', `${JSON.stringify(text)} is not an IP address`, {
    details: { text },
  })
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  // No leading zeros: some readers take them as octal (CVE-2021-29921 and its kin).
  if (!parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) return undefined
  return Uint8Array.from(parts, Number)
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '', true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}

/** The 16-bit groups of one side of `::`; a dotted IPv4 may end the last side. */
function groupsOf(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (mayEndInIpv4 && index === parts.length - 1 && part.includes('.')) {
      const v4 = parseIpv4(part)
      if (v4 === undefined) return undefined
      const [a = 0, b = 0, c = 0, d = 0] = v4
      groups.push((a << 8) | b, (c << 8) | d)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else {
      return undefined
    }
  }
  return groups
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`. */
function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0))
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':')
  if (best.start < 0) return hex(groups)
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`
}
