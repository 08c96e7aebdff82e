import { ReachError } from './errors.ts'

/** z-base-32 (P. O'Whielacronx, 2002): no letters that people mix up; the alphabet of pkarr's and iroh's keys. */
const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769'
const VALUES: ReadonlyMap<string, number> = new Map(Array.from(ALPHABET, (letter, value) => [letter, value]))
const BITS = 5

/** Bytes as z-base-32, five bits a letter, the last one padded with zero bits. */
export function encodeZBase32(bytes: Uint8Array): string {
  let text = ''
  let pending = 0
  let bits = 0
  for (const byte of bytes) {
    pending = (pending << 8) | byte
    bits += 8
    while (bits >= BITS) {
      bits -= BITS
      text += ALPHABET.charAt((pending >> bits) & 31)
    }
    pending &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + ALPHABET.charAt((pending << (BITS - bits)) & 31)
}

/**
 * The bytes of a z-base-32 text. Each bytes have one spelling only: capitals, a surplus letter and padding bits that
 * are not zero are refused.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeZBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * BITS) / 8))
  let pending = 0
  let bits = 0
  let length = 0
  for (const letter of text) {
    const value = VALUES.get(letter)
    if (value === undefined) throw undecodable(`${JSON.stringify(letter)} is no letter of z-base-32`)
    pending = (pending << BITS) | value
    bits += BITS
    if (bits < 8) continue
    bits -= 8
    bytes[length++] = (pending >> bits) & 0xff
    pending &= (1 << bits) - 1
  }
  if (bits >= BITS || pending !== 0) throw undecodable('the last letter of a z-base-32 text is wrong')
  return bytes
}

function undecodable(message: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', message)
}
