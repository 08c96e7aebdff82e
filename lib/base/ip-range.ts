import { canonicalIp, ipToBytes } from './transport-address.ts'

/**
 * What kind of address an IP is, by the IANA special-purpose registries (RFC 6890). `shared` is 100.64.0.0/10, which
 * carriers use between their NAT and their customers (RFC 6598); `unique-local` is fc00::/7 (RFC 4193).
 */
export type IpScope =
  | 'unspecified'
  | 'loopback'
  | 'link-local'
  | 'private'
  | 'shared'
  | 'unique-local'
  | 'multicast'
  | 'reserved'
  | 'global'

interface Range {
  readonly prefix: readonly number[]
  readonly bits: number
  readonly scope: IpScope
}

// Documentation ranges count as global: tests and examples play the public internet with them.
const IPV4_RANGES: readonly Range[] = [
  { prefix: [0, 0, 0, 0], bits: 32, scope: 'unspecified' },
  { prefix: [0], bits: 8, scope: 'reserved' },
  { prefix: [127], bits: 8, scope: 'loopback' },
  { prefix: [169, 254], bits: 16, scope: 'link-local' },
  { prefix: [10], bits: 8, scope: 'private' },
  { prefix: [172, 16], bits: 12, scope: 'private' },
  { prefix: [192, 168], bits: 16, scope: 'private' },
  { prefix: [100, 64], bits: 10, scope: 'shared' },
  // RFC 7335: what a CLAT (464XLAT) gives its own host.
  { prefix: [192, 0, 0, 0], bits: 24, scope: 'private' },
  // RFC 2544: benchmarks; some proxies answer DNS with it.
  { prefix: [198, 18], bits: 15, scope: 'reserved' },
  { prefix: [224], bits: 4, scope: 'multicast' },
  { prefix: [240], bits: 4, scope: 'reserved' },
]

const IPV6_RANGES: readonly Range[] = [
  { prefix: Array.from({ length: 16 }, () => 0), bits: 128, scope: 'unspecified' },
  { prefix: [...Array.from({ length: 15 }, () => 0), 1], bits: 128, scope: 'loopback' },
  // RFC 8215: NAT64 within one network; the well-known 64:ff9b::/96 is global.
  { prefix: [0, 0x64, 0xff, 0x9b, 0, 1], bits: 48, scope: 'private' },
  // RFC 6666: discard only.
  { prefix: [0x01], bits: 64, scope: 'reserved' },
  { prefix: [0xfe, 0x80], bits: 10, scope: 'link-local' },
  { prefix: [0xfc], bits: 7, scope: 'unique-local' },
  { prefix: [0xff], bits: 8, scope: 'multicast' },
]

/** The scope of an IP in any written form, a zone allowed. @throws {ReachError} ERR_REACH_ADDRESS */
export function ipScope(ip: string): IpScope {
  const bytes = ipToBytes(canonicalIp(ip).replace(/%.*$/u, ''))
  const ranges = bytes.length === 4 ? IPV4_RANGES : IPV6_RANGES
  return ranges.find((range) => matches(bytes, range))?.scope ?? 'global'
}

/** True when anybody on the internet could, filters aside, send a packet to this IP. */
export function isGlobalIp(ip: string): boolean {
  return ipScope(ip) === 'global'
}

function matches(bytes: Uint8Array, range: Range): boolean {
  for (let bit = 0; bit < range.bits; bit += 8) {
    const mask = range.bits - bit >= 8 ? 0xff : (0xff << (8 - (range.bits - bit))) & 0xff
    if (((bytes[bit / 8] ?? 0) & mask) !== ((range.prefix[bit / 8] ?? 0) & mask)) return false
  }
  return true
}
