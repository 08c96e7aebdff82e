import { ByteReader } from '../../base/byte-reader.ts'
import { readOffset } from './offset.ts'
import { OFFSET_LENGTH, RECORD_TYPES } from './record-type.ts'
import type { RecordWriter } from './record-writer.ts'

/** Ours: what a CLOSE says at most, in bytes of UTF-8; the rest is cut off. */
export const MAX_REASON_LENGTH = 256

/** Close codes of the link itself; callers use those from {@link FIRST_CALLER_CODE} on. */
export const CLOSE_CODES = {
  /** Both directions ended and were received. */
  finished: 0,
  /** The other side broke the protocol. */
  protocol: 1,
} as const

/** Close codes below are the link's own. */
export const FIRST_CALLER_CODE = 16

const BY_INITIATOR = 1
const ALL_OTHERS = 2

/** ACK (0x12): `received u64`, the offset that the sender wants next. */
export function writeAck(writer: RecordWriter, received: number): void {
  writer.header(RECORD_TYPES.ack, OFFSET_LENGTH).offset(received)
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function decodeAck(body: Uint8Array): number {
  return readOffset(new ByteReader(body), 'received')
}

/** PING (0x13) and PONG (0x14): `id u32 · received u64`. A PONG repeats the id of its PING. */
export interface Ping {
  readonly id: number
  /** As in ACK: pings mend acknowledgements that a lost path took along. */
  readonly received: number
}

export function writePing(writer: RecordWriter, type: 'ping' | 'pong', ping: Ping): void {
  writer
    .header(RECORD_TYPES[type], 4 + OFFSET_LENGTH)
    .u32(ping.id)
    .offset(ping.received)
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function decodePing(body: Uint8Array): Ping {
  const reader = new ByteReader(body)
  return { id: reader.u32('ping id'), received: readOffset(reader, 'received') }
}

/** FIN (0x15): `offset u64`, the number of bytes in the stream. Acknowledged by that number plus one. */
export function writeFin(writer: RecordWriter, offset: number): void {
  writer.header(RECORD_TYPES.fin, OFFSET_LENGTH).offset(offset)
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function decodeFin(body: Uint8Array): number {
  return readOffset(new ByteReader(body), 'final offset')
}

/** CLOSE (0x16): `code u16 · reason`, UTF-8. */
export interface Close {
  readonly code: number
  readonly reason: string
}

export function writeClose(writer: RecordWriter, close: Close): void {
  const reason = new TextEncoder().encode(close.reason).subarray(0, MAX_REASON_LENGTH)
  writer
    .header(RECORD_TYPES.close, 2 + reason.length)
    .u16(close.code)
    .bytes(reason)
}

/** @throws {ReachError} ERR_REACH_DECODE. A reason that is no UTF-8 is read with replacement characters. */
export function decodeClose(body: Uint8Array): Close {
  const reader = new ByteReader(body)
  const code = reader.u16('close code')
  const reason = reader.bytes(Math.min(reader.remaining, MAX_REASON_LENGTH), 'reason')
  return { code, reason: new TextDecoder().decode(reason) }
}

/**
 * GONE (0x17): `flags u8 (1 the initiator dialled it, 2 all but this path) · generation u32`. A path is named by who
 * dialled it and the generation of its ATTACH. One that is not known is ignored: it may be gone on both sides.
 */
export type Gone =
  | { readonly kind: 'path'; readonly byInitiator: boolean; readonly generation: number }
  | { readonly kind: 'others' }

export function writeGone(writer: RecordWriter, gone: Gone): void {
  const isPath = gone.kind === 'path'
  const flags = isPath ? (gone.byInitiator ? BY_INITIATOR : 0) : ALL_OTHERS
  writer
    .header(RECORD_TYPES.gone, 5)
    .u8(flags)
    .u32(isPath ? gone.generation : 0)
}

/** @throws {ReachError} ERR_REACH_DECODE */
export function decodeGone(body: Uint8Array): Gone {
  const reader = new ByteReader(body)
  const flags = reader.u8('flags')
  const generation = reader.u32('generation')
  if ((flags & ALL_OTHERS) !== 0) return { kind: 'others' }
  return { kind: 'path', byInitiator: (flags & BY_INITIATOR) !== 0, generation }
}
