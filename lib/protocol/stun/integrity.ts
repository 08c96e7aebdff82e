import { createHash, timingSafeEqual } from 'node:crypto'
import { ATTRIBUTE_NUMBERS } from './attribute-numbers.ts'
import { crc32 } from './crc32.ts'
import { HEADER_LENGTH } from './header.ts'
import { messageHmac } from './hmac.ts'
import type { IntegrityKind } from './hmac.ts'
import { FINGERPRINT_XOR, findAttribute } from './message.ts'
import type { DecodedStunMessage } from './message.ts'
import { opaqueString } from './opaque-string.ts'

export interface VerifyIntegrityOptions {
  /** Which of the two attributes must be there and right. Default: the stronger of those that are there. */
  readonly kind?: IntegrityKind
  /**
   * The shortest MESSAGE-INTEGRITY-SHA256 to accept, in bytes. Default 32, the whole: RFC 8489 §14.6 allows truncation,
   * down to 16, only to usages that say so.
   */
  readonly minimumSha256Length?: number
}

/**
 * True when the message carries a MESSAGE-INTEGRITY-SHA256 or MESSAGE-INTEGRITY made with this key (RFC 8489 §14.5,
 * §14.6). Compares in constant time. False when there is none.
 */
export function verifyIntegrity(
  message: DecodedStunMessage,
  key: Uint8Array,
  options: VerifyIntegrityOptions = {},
): boolean {
  const kind = options.kind ?? (findAttribute(message, 'message-integrity-sha256') ? 'sha256' : 'sha1')
  const type = kind === 'sha256' ? 'message-integrity-sha256' : 'message-integrity'
  const claimed = findAttribute(message, type)?.value
  const offset = attributeOffset(message.raw, ATTRIBUTE_NUMBERS[type])
  if (claimed === undefined || offset === undefined) return false
  if (kind === 'sha256' && claimed.length < (options.minimumSha256Length ?? 32)) return false
  const hmac = messageHmac(kind, key, message.raw, offset, claimed.length)
  return timingSafeEqual(hmac.subarray(0, claimed.length), claimed)
}

/** `absent` is no fault unless the usage demands a FINGERPRINT (RFC 8489 §7). */
export type FingerprintCheck = 'absent' | 'valid' | 'invalid'

/** Checks FINGERPRINT (RFC 8489 §14.7): it tells STUN from other traffic on one port, and protects from nobody. */
export function checkFingerprint(message: DecodedStunMessage): FingerprintCheck {
  const claimed = findAttribute(message, 'fingerprint')
  if (claimed === undefined) return 'absent'
  const { raw } = message
  const offset = attributeOffset(raw, ATTRIBUTE_NUMBERS.fingerprint)
  // RFC 8489 §14.7: it is the last attribute.
  if (offset === undefined || offset + 8 !== raw.length) return 'invalid'
  return (crc32(raw, 0, offset) ^ FINGERPRINT_XOR) >>> 0 === claimed.value ? 'valid' : 'invalid'
}

/** The HMAC key of a short-term password (RFC 8489 §9.1.1); ICE passwords are of this kind. */
export function shortTermKey(password: string): Uint8Array {
  return new TextEncoder().encode(opaqueString(password))
}

/** How a long-term password becomes a key (RFC 8489 §18.5). */
export type PasswordHash = 'md5' | 'sha256'

/** The HMAC key of a long-term credential: the hash of `username:realm:password` (RFC 8489 §9.2.2, §18.5). */
export function longTermKey(
  username: string,
  realm: string,
  password: string,
  algorithm: PasswordHash = 'md5',
): Uint8Array {
  const text = [username, realm, password].map(opaqueString).join(':')
  return Uint8Array.from(createHash(algorithm).update(text, 'utf8').digest())
}

/** What USERHASH carries in the username's place: SHA-256 of `username:realm` (RFC 8489 §14.4). */
export function userhash(username: string, realm: string): Uint8Array {
  const text = [username, realm].map(opaqueString).join(':')
  return Uint8Array.from(createHash('sha256').update(text, 'utf8').digest())
}

/** Where the first attribute of a number starts in a message that decoded. */
function attributeOffset(raw: Uint8Array, number: number): number | undefined {
  let offset = HEADER_LENGTH
  while (offset + 4 <= raw.length) {
    if (u16(raw, offset) === number) return offset
    offset += 4 + ((u16(raw, offset + 2) + 3) & ~3)
  }
  return undefined
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)
}
