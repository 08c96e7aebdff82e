import { bytesToIp, canonicalIp, ipToBytes, isIp } from '../lib/base/transport-address.ts'

/** A source without the bits that one host can choose at will: an IPv4 address, or the /64 of an IPv6 one. */
export function sourceOf(address: string | undefined): string {
  if (address === undefined || !isIp(address)) return 'unknown'
  const bytes = ipToBytes(canonicalIp(address.replace(/%.*$/, '')))
  return bytes.length === 4
    ? bytesToIp(bytes)
    : `${bytesToIp(bytes.map((byte, at) => (at < 8 ? byte : 0)))}/64`
}
