import { ATTRIBUTE_NUMBERS, attributeTypeOf } from './attribute-numbers.ts'
import { crc32 } from './crc32.ts'
import { HEADER_LENGTH } from './header.ts'
import { FINGERPRINT_XOR, mustIgnoreAfter } from './message.ts'

/** Ours: how many attributes an UNKNOWN-ATTRIBUTES lists at most; a request could name 16,000. */
export const MAX_UNKNOWN_LISTED = 8

const CHANGE_REQUEST = ATTRIBUTE_NUMBERS['change-request']
const RESPONSE_PORT = ATTRIBUTE_NUMBERS['response-port']
const PADDING = ATTRIBUTE_NUMBERS.padding
const SOFTWARE = ATTRIBUTE_NUMBERS.software
const FINGERPRINT = ATTRIBUTE_NUMBERS.fingerprint
const MESSAGE_INTEGRITY = ATTRIBUTE_NUMBERS['message-integrity']
const MESSAGE_INTEGRITY_SHA256 = ATTRIBUTE_NUMBERS['message-integrity-sha256']

/**
 * Says by the header alone whether this can be a Binding request, of RFC 8489 (with magic cookie) or RFC 3489 (without).
 * Everything else (indications, responses, other methods, noise) gets no answer.
 */
export function isBindingRequest(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_LENGTH || bytes[0] !== 0 || bytes[1] !== 1) return false
  const length = u16(bytes, 2)
  return (length & 3) === 0 && bytes.length === HEADER_LENGTH + length
}

/**
 * What a server needs to know of a Binding request, read by offset without making an object for each attribute: the
 * server reads 50,000 a second on one core. One scan is used again for each request.
 */
export class BindingScan {
  /** RFC 3489: no magic cookie. */
  isLegacy = false
  /** CHANGE-REQUEST's flags shifted right by one (1 other port, 2 other IP); -1 without the attribute. */
  change = -1
  /** RESPONSE-PORT; -1 without the attribute. */
  responsePort = -1
  hasPadding = false
  hasFingerprint = false
  /** Comprehension-required attributes that we don't know, each once, at most {@link MAX_UNKNOWN_LISTED}. */
  readonly unknown: number[] = []

  /** Reads a message that {@link isBindingRequest} accepts. False when it is malformed: then it gets no answer. */
  read(bytes: Uint8Array): boolean {
    this.isLegacy = !(bytes[4] === 0x21 && bytes[5] === 0x12 && bytes[6] === 0xa4 && bytes[7] === 0x42)
    this.change = -1
    this.responsePort = -1
    this.hasPadding = false
    this.hasFingerprint = false
    this.unknown.length = 0
    let last = 0
    let offset = HEADER_LENGTH
    while (offset < bytes.length) {
      const number = u16(bytes, offset)
      const length = u16(bytes, offset + 2)
      const next = offset + 4 + ((length + 3) & ~3)
      if (next > bytes.length) return false
      if (number !== SOFTWARE && !mustIgnoreAfter(last, number)) {
        if (!this.#readAttribute(bytes, number, offset, length)) return false
        if (number === MESSAGE_INTEGRITY || number === MESSAGE_INTEGRITY_SHA256 || number === FINGERPRINT)
          last = number
      }
      offset = next
    }
    return true
  }

  #readAttribute(bytes: Uint8Array, number: number, offset: number, length: number): boolean {
    switch (number) {
      case CHANGE_REQUEST:
        if (length !== 4) return false
        if (this.change < 0) this.change = ((bytes[offset + 7] ?? 0) >> 1) & 3
        return true
      case RESPONSE_PORT:
        if (length !== 2 && length !== 4) return false
        if (this.responsePort < 0) this.responsePort = u16(bytes, offset + 4)
        return true
      case PADDING:
        this.hasPadding = true
        return true
      case FINGERPRINT:
        return this.isLegacy || this.#checkFingerprint(bytes, offset, length)
      default:
        if (number < 0x8000 && attributeTypeOf(number) === undefined) this.#addUnknown(number)
        return true
    }
  }

  /** RFC 8489 §6.3, §7: who sends a wrong FINGERPRINT speaks another protocol. */
  #checkFingerprint(bytes: Uint8Array, offset: number, length: number): boolean {
    if (length !== 4 || offset + 8 !== bytes.length) return false
    const claimed = ((u16(bytes, offset + 4) << 16) | u16(bytes, offset + 6)) >>> 0
    this.hasFingerprint = true
    return (crc32(bytes, 0, offset) ^ FINGERPRINT_XOR) >>> 0 === claimed
  }

  #addUnknown(number: number): void {
    if (this.unknown.length < MAX_UNKNOWN_LISTED && !this.unknown.includes(number)) this.unknown.push(number)
  }
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)
}
