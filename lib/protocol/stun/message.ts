import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { ReachError } from '../../base/errors.ts'
import type { Transport, TransportAddress } from '../../base/transport-address.ts'
import { ATTRIBUTE_NUMBERS, isComprehensionRequired } from './attribute-numbers.ts'
import type { StunAttribute } from './attributes.ts'
import { crc32 } from './crc32.ts'
import { decodeAttributeValue } from './decode-attribute.ts'
import type { AttributeContext } from './decode-attribute.ts'
import { attributeNumber, encodeAttributeValue, padded } from './encode-attribute.ts'
import {
  BINDING_METHOD,
  HEADER_LENGTH,
  MAGIC_COOKIE,
  MAX_ATTRIBUTES_LENGTH,
  MAX_METHOD,
  TRANSACTION_ID_LENGTH,
  decodeMessageType,
  encodeMessageType,
} from './header.ts'
import type { StunClass } from './header.ts'
import { messageHmac } from './hmac.ts'
import type { IntegrityKind } from './hmac.ts'

export { BINDING_METHOD, MAGIC_COOKIE, TRANSACTION_ID_LENGTH, looksLikeStun } from './header.ts'
export type { StunClass } from './header.ts'
export type { IntegrityKind } from './hmac.ts'

/** A STUN message (RFC 8489 §5), or one of RFC 3489, which has no magic cookie. */
export interface StunMessage {
  readonly class: StunClass
  /** 12 bits; {@link BINDING_METHOD} is the usual one. */
  readonly method: number
  /** 12 bytes. */
  readonly transactionId: Uint8Array
  /** In wire order. Of several with one type only the first counts (RFC 8489 §14). */
  readonly attributes: readonly StunAttribute[]
  /** True for a message of RFC 3489. */
  readonly legacy?: boolean
  /** What stands in the magic cookie's place when that is not the cookie: 4 bytes of an RFC 3489 transaction id. */
  readonly cookie?: number
}

/** A message as it came in; `raw` is what integrity and fingerprint are checked against. */
export interface DecodedStunMessage extends StunMessage {
  readonly raw: Uint8Array
}

export interface EncodeStunOptions {
  /** Adds MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 or both after the attributes. */
  readonly integrity?: {
    readonly kind: IntegrityKind | 'both'
    readonly key: Uint8Array
    /** SHA-256 only: bytes kept of the 32, a multiple of 4 from 16 (RFC 8489 §14.6). */
    readonly truncateTo?: number
  }
  /** Adds FINGERPRINT as the last attribute. */
  readonly fingerprint?: boolean
}

/** RFC 8489 §14.7: tells a STUN CRC from that of another protocol which has one too. */
export const FINGERPRINT_XOR = 0x5354554e

/** MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT with their headers. */
const MAX_CLOSING_LENGTH = 24 + 36 + 8

/**
 * The bytes of a message.
 * @throws {RangeError} when a field does not fit its place
 */
export function encodeStun(message: StunMessage, options: EncodeStunOptions = {}): Uint8Array {
  const { method, transactionId } = message
  if (!Number.isInteger(method) || method < 0 || method > MAX_METHOD)
    throw new RangeError(`${method} is no method`)
  if (transactionId.length !== TRANSACTION_ID_LENGTH) {
    throw new RangeError(`a transaction id has ${TRANSACTION_ID_LENGTH} bytes, not ${transactionId.length}`)
  }
  const mask = new ByteWriter(16)
    .u32(message.cookie ?? MAGIC_COOKIE)
    .bytes(transactionId)
    .finish()
  const values = message.attributes.map((attribute) => encodeAttributeValue(attribute, mask))
  const size = values.reduce((sum, value) => sum + 4 + padded(value.length), HEADER_LENGTH)
  const writer = new ByteWriter(size + MAX_CLOSING_LENGTH)
  writer.u16(encodeMessageType(message.class, method)).u16(0).bytes(mask)
  for (const [index, attribute] of message.attributes.entries()) {
    writeAttribute(writer, attributeNumber(attribute), values[index] ?? new Uint8Array(0))
  }
  if (options.integrity !== undefined) writeIntegrity(writer, options.integrity)
  if (options.fingerprint === true) writeFingerprint(writer)
  return writer.setU16(2, attributesLength(writer)).finish()
}

function writeAttribute(writer: ByteWriter, number: number, value: Uint8Array): void {
  writer
    .u16(number)
    .u16(value.length)
    .bytes(value)
    .zeros(padded(value.length) - value.length)
  attributesLength(writer)
}

function attributesLength(writer: ByteWriter): number {
  const length = writer.length - HEADER_LENGTH
  if (length > MAX_ATTRIBUTES_LENGTH)
    throw new RangeError(`attributes of ${length} bytes do not fit a message`)
  return length
}

function writeIntegrity(writer: ByteWriter, integrity: NonNullable<EncodeStunOptions['integrity']>): void {
  const { kind, key, truncateTo = 32 } = integrity
  if (truncateTo % 4 !== 0 || truncateTo < 16 || truncateTo > 32) {
    throw new RangeError(`an HMAC can't be truncated to ${truncateTo} bytes`)
  }
  if (kind !== 'sha256') {
    const hmac = messageHmac('sha1', key, writer.peek(), writer.length, 20)
    writeAttribute(writer, ATTRIBUTE_NUMBERS['message-integrity'], hmac)
  }
  if (kind === 'sha1') return
  const hmac = messageHmac('sha256', key, writer.peek(), writer.length, truncateTo)
  writeAttribute(writer, ATTRIBUTE_NUMBERS['message-integrity-sha256'], hmac.subarray(0, truncateTo))
}

/** RFC 8489 §14.7: the CRC covers the header with its final length, which counts the FINGERPRINT's 8 bytes. */
function writeFingerprint(writer: ByteWriter): void {
  writer.setU16(2, attributesLength(writer) + 8)
  const value = (crc32(writer.peek()) ^ FINGERPRINT_XOR) >>> 0
  writer.u16(ATTRIBUTE_NUMBERS.fingerprint).u16(4).u32(value)
}

/**
 * Reads one message, the whole of `bytes`. Copies what it keeps, but `raw`, which is `bytes` itself. Attributes that
 * an agent must ignore (behind the integrity and behind the fingerprint, RFC 8489 §14.5-14.7) are left out.
 * Integrity and fingerprint are not checked here: see integrity.ts.
 * @param options.transport what decoded addresses say; default `udp`
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeStun(
  bytes: Uint8Array,
  options: { readonly transport?: Transport } = {},
): DecodedStunMessage {
  const reader = new ByteReader(bytes)
  const type = reader.u16('message type')
  const length = reader.u16('message length')
  const cookie = reader.u32('magic cookie')
  const transactionId = Uint8Array.from(reader.bytes(TRANSACTION_ID_LENGTH, 'transaction id'))
  if (type > 0x3fff || length % 4 !== 0 || length !== reader.remaining) {
    throw new ReachError('ERR_REACH_DECODE', `not a STUN message: type ${type}, length ${length}`, {
      details: { type, length, datagramLength: bytes.length },
    })
  }
  const context = { mask: bytes.subarray(4, HEADER_LENGTH), transport: options.transport ?? 'udp' }
  const message = {
    ...decodeMessageType(type),
    transactionId,
    attributes: readAttributes(reader, context),
    raw: bytes,
  }
  return cookie === MAGIC_COOKIE ? message : { ...message, legacy: true, cookie }
}

function readAttributes(reader: ByteReader, context: AttributeContext): StunAttribute[] {
  const attributes: StunAttribute[] = []
  let last = 0
  while (reader.remaining > 0) {
    const number = reader.u16('attribute type')
    const length = reader.u16('attribute length')
    const value = reader.bytes(length, 'attribute value')
    reader.skip(padded(length) - length, 'attribute padding')
    if (mustIgnoreAfter(last, number)) continue
    attributes.push(decodeAttributeValue(number, value, context))
    if (isClosing(number)) last = number
  }
  return attributes
}

function isClosing(number: number): boolean {
  return (
    number === ATTRIBUTE_NUMBERS['message-integrity'] ||
    number === ATTRIBUTE_NUMBERS['message-integrity-sha256'] ||
    number === ATTRIBUTE_NUMBERS.fingerprint
  )
}

/** RFC 8489 §14.5-14.7: MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT, in this order, and nothing after. */
export function mustIgnoreAfter(last: number, number: number): boolean {
  switch (last) {
    case ATTRIBUTE_NUMBERS['message-integrity']:
      return (
        number !== ATTRIBUTE_NUMBERS['message-integrity-sha256'] && number !== ATTRIBUTE_NUMBERS.fingerprint
      )
    case ATTRIBUTE_NUMBERS['message-integrity-sha256']:
      return number !== ATTRIBUTE_NUMBERS.fingerprint
    case ATTRIBUTE_NUMBERS.fingerprint:
      return true
    default:
      return false
  }
}

/** A Binding request (RFC 8489 §3), without credentials. */
export function bindingRequest(
  transactionId: Uint8Array,
  attributes: readonly StunAttribute[] = [],
): Uint8Array {
  return encodeStun({ class: 'request', method: BINDING_METHOD, transactionId, attributes })
}

/** A transaction id as a key for maps; not for people. */
export function transactionKey(transactionId: Uint8Array): string {
  return String.fromCharCode(...transactionId)
}

/** The first attribute of a type (RFC 8489 §14: later ones don't count). */
export function findAttribute<T extends StunAttribute['type']>(
  message: StunMessage,
  type: T,
): Extract<StunAttribute, { type: T }> | undefined {
  return message.attributes.find(
    (attribute): attribute is Extract<StunAttribute, { type: T }> => attribute.type === type,
  )
}

/** Where the server saw us: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS from servers of RFC 3489. */
export function mappedAddressOf(message: StunMessage): TransportAddress | undefined {
  return (findAttribute(message, 'xor-mapped-address') ?? findAttribute(message, 'mapped-address'))?.address
}

/**
 * The server's other address, as it advertises it: OTHER-ADDRESS (RFC 5780 §7.4), CHANGED-ADDRESS from a server of
 * RFC 3489, or, from a server of ours with one IP and two ports, `server`'s IP with that other port.
 * @param server the address that was asked
 */
export function otherAddressOf(message: StunMessage, server: TransportAddress): TransportAddress | undefined {
  const other = findAttribute(message, 'other-address') ?? findAttribute(message, 'changed-address')
  if (other !== undefined) return other.address
  const otherPort = findAttribute(message, 'other-port')
  return otherPort === undefined ? undefined : { ...server, port: otherPort.port }
}

/** Numbers of the attributes that we would have to understand and do not (RFC 8489 §6.3), each once. */
export function unknownComprehensionRequired(message: StunMessage): number[] {
  const numbers = message.attributes.flatMap((attribute) =>
    attribute.type === 'unknown' && isComprehensionRequired(attribute.number) ? [attribute.number] : [],
  )
  return [...new Set(numbers)]
}
