import { ByteWriter } from '../../base/byte-writer.ts'
import { unreachable } from '../../base/exhaustive.ts'
import { encodeAddressValue } from './address-value.ts'
import type { XorMask } from './address-value.ts'
import { ATTRIBUTE_NUMBERS } from './attribute-numbers.ts'
import type { PasswordAlgorithm, StunAttribute } from './attributes.ts'

/** RFC 8489 §14.3: fewer than 509 bytes. */
export const MAX_USERNAME_LENGTH = 508
/** RFC 8489 §14.8, §14.9, §14.10, §14.14: 128 characters, at most 763 bytes. */
export const MAX_TEXT_LENGTH = 763
/** RFC 8489 §14.16: a domain name, at most 255 bytes. */
const MAX_DOMAIN_LENGTH = 255

/** The flags of CHANGE-REQUEST (RFC 5780 §7.2). */
export const CHANGE_IP = 0x4
export const CHANGE_PORT = 0x2

const utf8 = new TextEncoder()

/** The number of an attribute on the wire. */
export function attributeNumber(attribute: StunAttribute): number {
  return attribute.type === 'unknown' ? attribute.number : ATTRIBUTE_NUMBERS[attribute.type]
}

/**
 * The value of an attribute, without header and padding.
 * @throws {RangeError} when a field does not fit: the caller's mistake
 */
export function encodeAttributeValue(attribute: StunAttribute, mask: XorMask): Uint8Array {
  switch (attribute.type) {
    case 'mapped-address':
    case 'other-address':
    case 'response-origin':
    case 'alternate-server':
    case 'changed-address':
    case 'source-address':
      return encodeAddressValue(attribute.address)
    case 'xor-mapped-address':
      return encodeAddressValue(attribute.address, mask)
    case 'username':
      return encodeText(attribute.value, MAX_USERNAME_LENGTH)
    case 'realm':
    case 'nonce':
    case 'software':
      return encodeText(attribute.value, MAX_TEXT_LENGTH)
    case 'alternate-domain':
      return encodeText(attribute.value, MAX_DOMAIN_LENGTH)
    case 'userhash':
    case 'message-integrity':
    case 'message-integrity-sha256':
    case 'unknown':
      return attribute.value
    case 'padding':
      return new Uint8Array(attribute.length)
    case 'use-candidate':
      return new Uint8Array(0)
    case 'change-request':
    case 'response-port':
    case 'other-port':
    case 'error-code':
    case 'unknown-attributes':
    case 'password-algorithm':
    case 'password-algorithms':
    case 'priority':
    case 'fingerprint':
    case 'ice-controlled':
    case 'ice-controlling':
      return encodeFields(attribute)
    default:
      return unreachable(attribute)
  }
}

/** The attributes made of numbers. */
type FieldsAttribute = Extract<
  StunAttribute,
  {
    type:
      | 'change-request'
      | 'response-port'
      | 'other-port'
      | 'error-code'
      | 'unknown-attributes'
      | 'password-algorithm'
      | 'password-algorithms'
      | 'priority'
      | 'fingerprint'
      | 'ice-controlled'
      | 'ice-controlling'
  }
>

function encodeFields(attribute: FieldsAttribute): Uint8Array {
  switch (attribute.type) {
    case 'change-request':
      return fourBytes((attribute.changeIp ? CHANGE_IP : 0) | (attribute.changePort ? CHANGE_PORT : 0))
    case 'response-port':
    case 'other-port':
      return new ByteWriter(4).u16(attribute.port).u16(0).finish()
    case 'error-code':
      return encodeErrorCode(attribute.code, attribute.reason)
    case 'unknown-attributes':
      return encodeNumbers(attribute.numbers)
    case 'password-algorithm':
      return encodeAlgorithms([attribute])
    case 'password-algorithms':
      return encodeAlgorithms(attribute.algorithms)
    case 'priority':
    case 'fingerprint':
      return fourBytes(attribute.value)
    case 'ice-controlled':
    case 'ice-controlling':
      return new ByteWriter(8).u64(attribute.tieBreaker).finish()
    default:
      return unreachable(attribute)
  }
}

function fourBytes(value: number): Uint8Array {
  return new ByteWriter(4).u32(value).finish()
}

function encodeText(text: string, limit: number): Uint8Array {
  const bytes = utf8.encode(text)
  if (bytes.length > limit) throw new RangeError(`text of ${bytes.length} bytes is longer than ${limit}`)
  return bytes
}

function encodeNumbers(numbers: readonly number[]): Uint8Array {
  const writer = new ByteWriter(2 * numbers.length)
  for (const number of numbers) writer.u16(number)
  return writer.finish()
}

/** RFC 8489 §14.8: 2 B zero · 1 B class (hundreds) · 1 B number (the rest) · reason phrase. */
function encodeErrorCode(code: number, reason: string): Uint8Array {
  const hundreds = Math.floor(code / 100)
  if (!Number.isInteger(code) || hundreds < 3 || hundreds > 6)
    throw new RangeError(`${code} is no STUN error code`)
  const phrase = encodeText(reason, MAX_TEXT_LENGTH)
  return new ByteWriter(4 + phrase.length)
    .u16(0)
    .u8(hundreds)
    .u8(code % 100)
    .bytes(phrase)
    .finish()
}

/** RFC 8489 §14.11, for each: 2 B algorithm · 2 B length of the parameters · parameters, padded to a multiple of 4. */
function encodeAlgorithms(algorithms: readonly PasswordAlgorithm[]): Uint8Array {
  const writer = new ByteWriter(
    algorithms.reduce((sum, { parameters }) => sum + 4 + padded(parameters.length), 0),
  )
  for (const { algorithm, parameters } of algorithms) {
    writer.u16(algorithm).u16(parameters.length)
    writer.bytes(parameters).zeros(padded(parameters.length) - parameters.length)
  }
  return writer.finish()
}

/** The next multiple of 4 (RFC 8489 §14). */
export function padded(length: number): number {
  return (length + 3) & ~3
}
