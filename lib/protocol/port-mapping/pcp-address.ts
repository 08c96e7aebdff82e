import { ipToBytes } from '../../base/transport-address.ts'

/** RFC 6887 §5: addresses have 16 bytes, IPv4 ones as ::ffff:a.b.c.d. A zone is left out: it means nothing elsewhere. */
export function pcpAddressBytes(ip: string): Uint8Array {
  const bytes = ipToBytes(ip.split('%')[0] ?? ip)
  if (bytes.length === 16) return bytes
  const mapped = new Uint8Array(16)
  mapped.set([0xff, 0xff], 10)
  mapped.set(bytes, 12)
  return mapped
}

/** RFC 6887 §5: "any address" of the family that an address belongs to. */
export function anyAddressLike(ip: string): string {
  return ip.includes(':') ? '::' : '0.0.0.0'
}
