import { ipToBytes } from './transport-address.ts'

/** A network: an IP in it, and the length of its prefix in bits. */
export interface IpNetwork {
  readonly ip: string
  readonly prefixLength: number
}

/** Whether an IP is of the network's family and prefix. Zones don't count. @throws {ReachError} ERR_REACH_ADDRESS */
export function networkContains({ ip, prefixLength }: IpNetwork, candidate: string): boolean {
  const network = bytesOf(ip)
  const bytes = bytesOf(candidate)
  return (
    bytes.length === network.length &&
    bytes.every((byte, at) => matches(byte, network[at] ?? 0, bitsAt(at, prefixLength)))
  )
}

/**
 * Whether an IPv4 address is its network's broadcast address, or the all-zeros one that was that once (RFC 1122
 * §3.2.1.3). Networks of one or two addresses have neither (RFC 3021).
 */
export function isBroadcastOf({ ip, prefixLength }: IpNetwork, candidate: string): boolean {
  if (ip.includes(':') || prefixLength > 30 || !networkContains({ ip, prefixLength }, candidate)) return false
  const host = [...bytesOf(candidate)].map((byte, at) => byte & (0xff >> bitsAt(at, prefixLength)))
  const ones = [0, 1, 2, 3].map((at) => 0xff >> bitsAt(at, prefixLength))
  return host.every((bits) => bits === 0) || host.every((bits, at) => bits === ones[at])
}

/** How many bits of a byte belong to the prefix. */
function bitsAt(at: number, prefixLength: number): number {
  return Math.min(8, Math.max(0, prefixLength - at * 8))
}

function matches(a: number, b: number, bits: number): boolean {
  return ((a ^ b) & ~(0xff >> bits) & 0xff) === 0
}

function bytesOf(ip: string): Uint8Array {
  return ipToBytes(ip.replace(/%.*$/u, ''))
}
