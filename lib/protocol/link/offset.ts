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
  const offset = reader.u32(field) * TWO_TO_32 + reader.u32(field)
  if (offset > MAX_OFFSET) {
    throw new ReachError('ERR_REACH_DECODE', `${field} is above 2^53 - 1`, { details: { field } })
  }
  return offset
}

/** The upper 32 bits of an offset. */
export function upperHalf(offset: number): number {
  return Math.floor(offset / TWO_TO_32)
}

/** The lower 32 bits of an offset. */
export function lowerHalf(offset: number): number {
  return offset % TWO_TO_32
}
