/** A prime length: no power of two, and hence no chunk or record, repeats it in step. */
const PERIOD = 65_521

/** Three periods, so that any piece up to two periods long is one view. */
const PATTERN = Uint8Array.from({ length: 3 * PERIOD }, (_, i) => {
  const at = i % PERIOD
  return (at * 167 + (at >> 8) * 59) & 0xff
})

/** The bytes of the test stream from an offset on, up to two periods; a view of bytes that never change. */
export function patternAt(offset: number, length: number): Uint8Array {
  if (length > 2 * PERIOD) throw new RangeError(`${length} bytes of the pattern`)
  const start = offset % PERIOD
  return PATTERN.subarray(start, start + length)
}

/** True when bytes are those of the test stream at an offset. */
export function isPattern(offset: number, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += PERIOD) {
    const piece = bytes.subarray(at, at + PERIOD)
    if (Buffer.compare(piece, patternAt(offset + at, piece.length)) !== 0) return false
  }
  return true
}
