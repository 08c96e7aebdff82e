/** RFC 4571 §2: each message on the stream comes behind its length. */
const LENGTH_BYTES = 2
/** Ours: a check with the longest names has some 700 bytes. */
export const MAX_CHECK_FRAME = 1500

/** A check as it stands on a TCP connection (RFC 6544 §7). @throws {RangeError} for one that is empty or too long */
export function encodeCheckFrame(check: Uint8Array): Uint8Array {
  if (check.length === 0 || check.length > MAX_CHECK_FRAME)
    throw new RangeError(`a check of ${check.length} bytes`)
  const frame = new Uint8Array(LENGTH_BYTES + check.length)
  frame[0] = check.length >> 8
  frame[1] = check.length & 0xff
  frame.set(check, LENGTH_BYTES)
  return frame
}

/**
 * Takes checks out of a stream one by one, because behind the last of them the bytes are somebody else's. Whoever takes
 * until nothing is whole makes it hold less than a frame, whatever came.
 */
export class CheckFrameReader {
  #held: Uint8Array = new Uint8Array(0)

  /** What has come and was not taken. */
  get rest(): Uint8Array {
    return this.#held
  }

  push(bytes: Uint8Array): void {
    this.#held = this.#held.length === 0 ? bytes : joined(this.#held, bytes)
  }

  /** The next check; `broken` when what stands there can be none; undefined while it is not whole. */
  take(): Uint8Array | 'broken' | undefined {
    const [high, low] = this.#held
    if (high === undefined || low === undefined) return undefined
    const end = LENGTH_BYTES + ((high << 8) | low)
    if (end === LENGTH_BYTES || end > LENGTH_BYTES + MAX_CHECK_FRAME) return 'broken'
    if (this.#held.length < end) return undefined
    const check = this.#held.subarray(LENGTH_BYTES, end)
    this.#held = this.#held.subarray(end)
    return check
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}
