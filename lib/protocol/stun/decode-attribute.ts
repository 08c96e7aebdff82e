import { ByteReader } from '../../base/byte-reader.ts'
import { ReachError } from '../../base/errors.ts'
import { unreachable } from '../../base/exhaustive.ts'
import type { Transport } from '../../base/transport-address.ts'
import { decodeAddressValue } from './address-value.ts'
import type { XorMask } from './address-value.ts'
import { attributeTypeOf } from './attribute-numbers.ts'
import type { KnownAttributeType } from './attribute-numbers.ts'
import type { PasswordAlgorithm, StunAttribute } from './attributes.ts'
import { CHANGE_IP, CHANGE_PORT, MAX_TEXT_LENGTH, MAX_USERNAME_LENGTH, padded } from './encode-attribute.ts'

/** What an attribute's value depends on besides itself. */
export interface AttributeContext {
  readonly mask: XorMask
  /** Given to decoded addresses, which do not say it. */
  readonly transport: Transport
}

/** RFC 8489 §14.5, §14.6, §14.4. */
const HMAC_SHA1_LENGTH = 20
const SHA256_LENGTH = 32
const MIN_TRUNCATED_SHA256_LENGTH = 16

// A BOM is kept: what goes back to the server (NONCE) must be what it sent.
const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const anyText = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Reads one attribute's value.
 * @throws {ReachError} ERR_REACH_DECODE when a known attribute is malformed
 */
export function decodeAttributeValue(
  number: number,
  value: Uint8Array,
  context: AttributeContext,
): StunAttribute {
  const type = attributeTypeOf(number)
  if (type === undefined) return { type: 'unknown', number, value: Uint8Array.from(value) }
  const reader = new ByteReader(value)
  const attribute = decodeKnown(type, reader, context)
  if (reader.remaining > 0) throw malformed(type, `${reader.remaining} bytes too many`)
  return attribute
}

function decodeKnown(type: KnownAttributeType, reader: ByteReader, context: AttributeContext): StunAttribute {
  switch (type) {
    case 'mapped-address':
    case 'other-address':
    case 'response-origin':
    case 'alternate-server':
    case 'changed-address':
    case 'source-address':
      return { type, address: decodeAddressValue(reader, context.transport) }
    case 'xor-mapped-address':
      return { type, address: decodeAddressValue(reader, context.transport, context.mask) }
    case 'username':
      return { type, value: decodeStrictText(type, reader.rest(), MAX_USERNAME_LENGTH) }
    case 'realm':
    case 'nonce':
      return { type, value: decodeStrictText(type, reader.rest(), MAX_TEXT_LENGTH) }
    case 'software':
    case 'alternate-domain':
      return { type, value: decodeAnyText(reader.rest()) }
    case 'userhash':
      return { type, value: Uint8Array.from(reader.bytes(SHA256_LENGTH, type)) }
    case 'message-integrity':
      return { type, value: Uint8Array.from(reader.bytes(HMAC_SHA1_LENGTH, type)) }
    case 'message-integrity-sha256':
      return { type, value: decodeSha256(reader) }
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
    case 'padding':
    case 'use-candidate':
      return decodeFields(type, reader)
    default:
      return unreachable(type)
  }
}

type FieldsType =
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
  | 'padding'
  | 'use-candidate'

function decodeFields(type: FieldsType, reader: ByteReader): StunAttribute {
  switch (type) {
    case 'change-request': {
      const flags = reader.u32(type)
      return { type, changeIp: (flags & CHANGE_IP) !== 0, changePort: (flags & CHANGE_PORT) !== 0 }
    }
    case 'response-port':
    case 'other-port':
      return { type, port: decodePort(type, reader) }
    case 'padding':
      return { type, length: reader.rest().length }
    case 'error-code':
      return decodeErrorCode(reader)
    case 'unknown-attributes':
      return { type, numbers: decodeNumbers(reader) }
    case 'password-algorithm':
      return { type, ...readAlgorithm(reader) }
    case 'password-algorithms':
      return { type, algorithms: readAlgorithms(reader) }
    case 'priority':
    case 'fingerprint':
      return { type, value: reader.u32(type) }
    case 'use-candidate':
      return { type }
    case 'ice-controlled':
    case 'ice-controlling':
      return { type, tieBreaker: reader.u64(type) }
    default:
      return unreachable(type)
  }
}

/** Text that goes into a hash or back to the server, so it must be exactly what was sent, and not too long to send. */
function decodeStrictText(type: KnownAttributeType, bytes: Uint8Array, maxLength: number): string {
  if (bytes.length > maxLength) throw malformed(type, `${bytes.length} bytes, more than ${maxLength}`)
  try {
    return strictText.decode(bytes)
  } catch (cause) {
    throw malformed(type, 'not UTF-8', cause)
  }
}

/** Text for people. Servers of RFC 3489 and coturn count their zero padding into the length: those zeros go. */
function decodeAnyText(bytes: Uint8Array): string {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return anyText.decode(bytes.subarray(0, end))
}

function decodeErrorCode(reader: ByteReader): StunAttribute {
  reader.skip(2, 'error-code reserved')
  const hundreds = reader.u8('error-code class') & 0x7
  const rest = reader.u8('error-code number')
  if (hundreds < 3 || hundreds > 6 || rest > 99)
    throw malformed('error-code', `class ${hundreds}, number ${rest}`)
  return { type: 'error-code', code: hundreds * 100 + rest, reason: decodeAnyText(reader.rest()) }
}

/** RFC 5780 §7.5: a port "followed by 2 bytes of padding", which some count into the length and some do not. */
function decodePort(type: KnownAttributeType, reader: ByteReader): number {
  const port = reader.u16(type)
  if (reader.remaining === 2) reader.skip(2, type)
  return port
}

function decodeNumbers(reader: ByteReader): number[] {
  const numbers: number[] = []
  while (reader.remaining > 0) numbers.push(reader.u16('unknown-attributes'))
  return numbers
}

/** RFC 8489 §14.6: 16 to 32 bytes, a multiple of 4. */
function decodeSha256(reader: ByteReader): Uint8Array {
  const value = Uint8Array.from(reader.rest())
  if (value.length % 4 !== 0 || value.length < MIN_TRUNCATED_SHA256_LENGTH || value.length > SHA256_LENGTH) {
    throw malformed('message-integrity-sha256', `${value.length} bytes`)
  }
  return value
}

function readAlgorithm(reader: ByteReader): PasswordAlgorithm {
  const algorithm = reader.u16('password algorithm')
  const parameters = Uint8Array.from(reader.bytes(reader.u16('parameters length'), 'parameters'))
  // The last one's padding may be the attribute's own, and so lie outside the value.
  reader.skip(Math.min(padded(parameters.length) - parameters.length, reader.remaining), 'parameters padding')
  return { algorithm, parameters }
}

function readAlgorithms(reader: ByteReader): PasswordAlgorithm[] {
  const algorithms: PasswordAlgorithm[] = []
  while (reader.remaining > 0) algorithms.push(readAlgorithm(reader))
  return algorithms
}

function malformed(type: KnownAttributeType, what: string, cause?: unknown): ReachError {
  return new ReachError('ERR_REACH_DECODE', `malformed ${type} attribute: ${what}`, {
    cause,
    details: { type },
  })
}
