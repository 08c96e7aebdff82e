/**
 * The 20 bytes before the attributes (RFC 8489 §5):
 * 2 B type (two zero bits, then method and class interleaved) · 2 B length of the attributes, a multiple of 4 ·
 * 4 B magic cookie · 12 B transaction id.
 */
export const HEADER_LENGTH = 20

/** RFC 8489 §5: marks a message of RFC 5389 or later. In RFC 3489 these bytes belong to the transaction id. */
export const MAGIC_COOKIE = 0x2112a442

/** RFC 8489 §5. */
export const TRANSACTION_ID_LENGTH = 12

/** The only method of RFC 8489 (§18.2). */
export const BINDING_METHOD = 0x001

/** RFC 8489 §5: 12 bits. */
export const MAX_METHOD = 0xfff

/** The largest multiple of 4 that the length field holds. */
export const MAX_ATTRIBUTES_LENGTH = 65_532

export type StunClass = 'request' | 'indication' | 'success' | 'error'

const CLASSES = ['request', 'indication', 'success', 'error'] as const

/** Class and method as the message type's 14 bits: M11-M7 C1 M6-M4 C0 M3-M0 (RFC 8489 §5). */
export function encodeMessageType(stunClass: StunClass, method: number): number {
  const bits = CLASSES.indexOf(stunClass)
  const methodBits = ((method & 0xf80) << 2) | ((method & 0x070) << 1) | (method & 0x00f)
  return methodBits | ((bits & 0b10) << 7) | ((bits & 0b01) << 4)
}

/** The reverse of {@link encodeMessageType}; the two upper bits must be zero. */
export function decodeMessageType(type: number): { readonly class: StunClass; readonly method: number } {
  const bits = ((type >> 7) & 0b10) | ((type >> 4) & 0b01)
  const method = ((type >> 2) & 0xf80) | ((type >> 1) & 0x070) | (type & 0x00f)
  return { class: CLASSES[bits] ?? 'request', method }
}

/**
 * True when a datagram can only be STUN of RFC 5389 or later: first byte 0 to 3 (RFC 7983 §7), the magic cookie, and
 * a length that is the datagram's own (RFC 8489 §5). Messages of RFC 3489, without the cookie, are not recognised.
 */
export function looksLikeStun(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_LENGTH || (bytes[0] ?? 0xff) > 3) return false
  if (bytes[4] !== 0x21 || bytes[5] !== 0x12 || bytes[6] !== 0xa4 || bytes[7] !== 0x42) return false
  const length = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)
  return length % 4 === 0 && bytes.length === HEADER_LENGTH + length
}
