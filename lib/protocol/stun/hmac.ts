import { createHmac } from 'node:crypto'

/** MESSAGE-INTEGRITY is HMAC-SHA1 (RFC 8489 §14.5), MESSAGE-INTEGRITY-SHA256 is HMAC-SHA256 (§14.6). */
export type IntegrityKind = 'sha1' | 'sha256'

/**
 * The HMAC of a message up to the integrity attribute that starts at `end`, with the header's length as if the message
 * stopped after that attribute, whose value has `valueLength` bytes (RFC 8489 §14.5).
 */
export function messageHmac(
  kind: IntegrityKind,
  key: Uint8Array,
  message: Uint8Array,
  end: number,
  valueLength: number,
): Uint8Array {
  // The header's 20 bytes do not count, the attribute's own 4 do.
  const length = end - 20 + 4 + valueLength
  const digest = createHmac(kind, key)
    .update(message.subarray(0, 2))
    .update(Uint8Array.of(length >> 8, length & 0xff))
    .update(message.subarray(4, end))
    .digest()
  return Uint8Array.from(digest)
}
