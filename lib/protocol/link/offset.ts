import { ReachError } from '../../base/errors.ts'
import type { ByteReader } from '../../base/byte-reader.ts'

/**
 * The largest offset on the wire and in memory: 2^53 - 1, above which a JavaScript number skips integers. At 10 GB/s a
 * direction of a session reaches it after ten days; it then fails loudly instead of losing count.
 */
export const MAX_OFFSET = Number.MAX_SAFE_INTEGER

const TWO_TO_32 = 0x1_0000_0000

/** Reads an offset of 64 bits. @throws {ReachError} ERR_REACH_DECODE above {@link MAX_OFFSET} */
export function readOffset(reader: ByteReader, field: string): number {
  return join(reader.u32(field), reader.u32(field), field)
}

/** As {@link readOffset}, of eight bytes and without a reader: each DATA record has one. */
export function offsetIn(bytes: Uint8Array, field: string, at = 0): number {
  return join(u32In(bytes, at), u32In(bytes, at + 4), field)
}

/** Three bytes as a number; bytes that are not there count as 0. */
export function u24In(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
}

/** Four bytes as a number; bytes that are not there count as 0. */
function u32In(bytes: Uint8Array, at: number): number {
  const upper = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const lower = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
  return upper * 0x1_0000 + lower
}

function join(upper: number, lower: number, field: string): number {
  const offset = upper * TWO_TO_32 + lower
  if (offset <= MAX_OFFSET) return offset
  throw new ReachError('ERR_REACH_DECODE', `${field} is above 2^53 - 1`, { details: { field } })
}

/** The upper 32 bits of an offset. */
export function upperHalf(offset: number): number {
  return Math.floor(offset / TWO_TO_32)
}

/** The lower 32 bits of an offset. */
export function lowerHalf(offset: number): number {
  return offset % TWO_TO_32
}
