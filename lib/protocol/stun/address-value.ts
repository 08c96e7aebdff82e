import type { ByteReader } from '../../base/byte-reader.ts'
import { ReachError } from '../../base/errors.ts'
import { bytesToIp, ipToBytes, transportAddress } from '../../base/transport-address.ts'
import type { Transport, TransportAddress } from '../../base/transport-address.ts'

/** RFC 8489 §14.1. */
export const FAMILY_IPV4 = 0x01
export const FAMILY_IPV6 = 0x02

/** What XOR-MAPPED-ADDRESS is XORed with (RFC 8489 §14.2): the 16 bytes of cookie and transaction id. */
export type XorMask = Uint8Array

/**
 * The value of MAPPED-ADDRESS and its kin (RFC 8489 §14.1): 1 B zero · 1 B family · 2 B port · 4 or 16 B IP; with a
 * mask, port and IP are XORed. A zone has no meaning elsewhere and is left out.
 */
export function encodeAddressValue(address: TransportAddress, mask?: XorMask): Uint8Array {
  const ip = ipToBytes(address.ip.split('%')[0] ?? address.ip)
  const value = new Uint8Array(4 + ip.length)
  value[1] = ip.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6
  value[2] = address.port >> 8
  value[3] = address.port & 0xff
  value.set(ip, 4)
  if (mask !== undefined) applyMask(value, mask)
  return value
}

/** @throws {ReachError} ERR_REACH_DECODE when the family is unknown or the length is not the family's. */
export function decodeAddressValue(
  reader: ByteReader,
  transport: Transport,
  mask?: XorMask,
): TransportAddress {
  const value = Uint8Array.from(reader.rest())
  const expected = value[1] === FAMILY_IPV4 ? 8 : 20
  if ((value[1] !== FAMILY_IPV4 && value[1] !== FAMILY_IPV6) || value.length !== expected) {
    throw new ReachError('ERR_REACH_DECODE', `no address of a known family in ${value.length} bytes`, {
      details: { family: value[1], length: value.length },
    })
  }
  if (mask !== undefined) applyMask(value, mask)
  const port = ((value[2] ?? 0) << 8) | (value[3] ?? 0)
  return transportAddress(bytesToIp(value.subarray(4)), port, transport)
}

/** XOR is its own inverse: the port with the mask's first two bytes, the IP with as many as it has. */
function applyMask(value: Uint8Array, mask: XorMask): void {
  value[2] = (value[2] ?? 0) ^ (mask[0] ?? 0)
  value[3] = (value[3] ?? 0) ^ (mask[1] ?? 0)
  for (let i = 4; i < value.length; i++) value[i] = (value[i] ?? 0) ^ (mask[i - 4] ?? 0)
}
