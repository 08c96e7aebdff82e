/** ITU V.42, as FINGERPRINT wants it (RFC 8489 §14.7): reflected polynomial 0x04c11db7. */
const POLYNOMIAL = 0xedb88320

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  return crc
})

/**
 * CRC-32 of `bytes[start, end)`, unsigned. Pass the result as `crc` to go on with what follows.
 */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length, crc = 0): number {
  let value = ~crc
  for (let i = start; i < end; i++) value = (value >>> 8) ^ (TABLE[(value ^ (bytes[i] ?? 0)) & 0xff] ?? 0)
  return ~value >>> 0
}
