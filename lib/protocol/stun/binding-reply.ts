import { FAMILY_IPV4, FAMILY_IPV6 } from './address-value.ts'
import { ATTRIBUTE_NUMBERS } from './attribute-numbers.ts'
import { crc32 } from './crc32.ts'
import { HEADER_LENGTH } from './header.ts'
import { FINGERPRINT_XOR } from './message.ts'

const BINDING_SUCCESS = 0x0101
const BINDING_ERROR = 0x0111

/** FINGERPRINT with its header. */
export const FINGERPRINT_LENGTH = 8

/** Ours: replies are cut from slabs of this size; none is ever written twice, so the kernel may read it at leisure. */
const SLAB_LENGTH = 65_536

/** What a success reply consists of, in wire order. Lengths must add up to `length`. */
export interface SuccessParts {
  readonly length: number
  /** RFC 3489: MAPPED-ADDRESS in place of XOR-MAPPED-ADDRESS. */
  readonly isLegacy: boolean
  /** The client's IP, 4 or 16 bytes, and port. */
  readonly ip: Uint8Array
  readonly port: number
  /** Encoded attributes, see replyTail(). */
  readonly tail: Uint8Array
  /** MAPPED-ADDRESS beside XOR-MAPPED-ADDRESS. */
  readonly withMapped: boolean
  /** Encoded SOFTWARE attribute, or nothing. */
  readonly software: Uint8Array
  /** Length of a PADDING attribute with its header; 0 for none. */
  readonly paddingLength: number
  readonly withFingerprint: boolean
}

/** What an error reply consists of. */
export interface ErrorParts {
  readonly length: number
  readonly code: number
  /** Encoded reason phrase; may be empty. */
  readonly reason: Uint8Array
  /** For UNKNOWN-ATTRIBUTES; empty for none. */
  readonly unknown: readonly number[]
  readonly withFingerprint: boolean
}

/** The length of an address attribute with its header. */
export function addressAttributeLength(ip: Uint8Array): number {
  return 8 + ip.length
}

/** The length of UNKNOWN-ATTRIBUTES with its header and padding; 0 without numbers. */
export function unknownAttributesLength(unknown: readonly number[]): number {
  return unknown.length === 0 ? 0 : 4 + ((2 * unknown.length + 3) & ~3)
}

/** Writes Binding replies straight into bytes: the encoder of the server's hot path. message.ts has the general one. */
export class BindingReplyEncoder {
  #slab = new Uint8Array(SLAB_LENGTH)
  #used = 0

  success(request: Uint8Array, parts: SuccessParts): Uint8Array {
    const out = this.#start(BINDING_SUCCESS, request, parts.length)
    let at = parts.isLegacy
      ? writeAddress(out, HEADER_LENGTH, ATTRIBUTE_NUMBERS['mapped-address'], parts.ip, parts.port)
      : writeXorAddress(out, HEADER_LENGTH, parts.ip, parts.port)
    out.set(parts.tail, at)
    at += parts.tail.length
    if (parts.withMapped)
      at = writeAddress(out, at, ATTRIBUTE_NUMBERS['mapped-address'], parts.ip, parts.port)
    out.set(parts.software, at)
    at += parts.software.length
    if (parts.paddingLength > 0) {
      writeHeader(out, at, ATTRIBUTE_NUMBERS.padding, parts.paddingLength - 4)
      at += parts.paddingLength
    }
    if (parts.withFingerprint) writeFingerprint(out, at)
    return out
  }

  error(request: Uint8Array, parts: ErrorParts): Uint8Array {
    const out = this.#start(BINDING_ERROR, request, parts.length)
    let at = writeHeader(out, HEADER_LENGTH, ATTRIBUTE_NUMBERS['error-code'], 4 + parts.reason.length)
    out[at + 2] = Math.floor(parts.code / 100)
    out[at + 3] = parts.code % 100
    out.set(parts.reason, at + 4)
    at += 4 + ((parts.reason.length + 3) & ~3)
    if (parts.unknown.length > 0) {
      const value = writeHeader(out, at, ATTRIBUTE_NUMBERS['unknown-attributes'], 2 * parts.unknown.length)
      for (const [index, number] of parts.unknown.entries()) writeU16(out, value + 2 * index, number)
      at += unknownAttributesLength(parts.unknown)
    }
    if (parts.withFingerprint) writeFingerprint(out, at)
    return out
  }

  /** Fresh zero bytes with the header: type, length, and the request's own cookie and transaction id. */
  #start(type: number, request: Uint8Array, length: number): Uint8Array {
    const out = this.#take(length)
    writeU16(out, 0, type)
    writeU16(out, 2, length - HEADER_LENGTH)
    for (let i = 4; i < HEADER_LENGTH; i++) out[i] = request[i] ?? 0
    return out
  }

  #take(length: number): Uint8Array {
    if (length > SLAB_LENGTH / 16) return new Uint8Array(length)
    if (this.#used + length > SLAB_LENGTH) {
      this.#slab = new Uint8Array(SLAB_LENGTH)
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    return this.#slab.subarray(start, start + length)
  }
}

function writeAddress(out: Uint8Array, at: number, number: number, ip: Uint8Array, port: number): number {
  const value = writeHeader(out, at, number, 4 + ip.length)
  out[value + 1] = ip.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6
  writeU16(out, value + 2, port)
  for (let i = 0; i < ip.length; i++) out[value + 4 + i] = ip[i] ?? 0
  return value + 4 + ip.length
}

/** RFC 8489 §14.2: XORed with cookie and transaction id, which `out` already has from byte 4 on. */
function writeXorAddress(out: Uint8Array, at: number, ip: Uint8Array, port: number): number {
  const value = writeHeader(out, at, ATTRIBUTE_NUMBERS['xor-mapped-address'], 4 + ip.length)
  out[value + 1] = ip.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6
  out[value + 2] = (port >> 8) ^ (out[4] ?? 0)
  out[value + 3] = (port & 0xff) ^ (out[5] ?? 0)
  for (let i = 0; i < ip.length; i++) out[value + 4 + i] = (ip[i] ?? 0) ^ (out[4 + i] ?? 0)
  return value + 4 + ip.length
}

function writeFingerprint(out: Uint8Array, at: number): void {
  const value = writeHeader(out, at, ATTRIBUTE_NUMBERS.fingerprint, 4)
  const crc = (crc32(out, 0, at) ^ FINGERPRINT_XOR) >>> 0
  writeU16(out, value, crc >>> 16)
  writeU16(out, value + 2, crc & 0xffff)
}

/** Gives the offset of the value. */
function writeHeader(out: Uint8Array, at: number, number: number, valueLength: number): number {
  writeU16(out, at, number)
  writeU16(out, at + 2, valueLength)
  return at + 4
}

function writeU16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >> 8
  out[at + 1] = value & 0xff
}
