import { ReachError } from '../base/errors.ts'

/** RFC 9000 §14: 1200 bytes fit every path; what is in a datagram must fit with what seals it. */
export const MAX_DATAGRAM_LENGTH = 1200
/** u16, big-endian. */
export const DATAGRAM_HEADER_LENGTH = 2

/** Takes datagrams out of a stream: each with its length before it. Holds at most one. */
export class DatagramReader {
  #held: Uint8Array = new Uint8Array(0)

  /** Bytes of a datagram that is not whole yet. */
  get held(): number {
    return this.#held.length
  }

  /**
   * The datagrams that are whole now; each is a copy.
   * @throws {ReachError} ERR_REACH_DECODE for one that is too long: the stream is of no use any more
   */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    let at = 0
    while (bytes.length - at >= DATAGRAM_HEADER_LENGTH) {
      const length = (bytes[at] ?? 0) * 0x100 + (bytes[at + 1] ?? 0)
      if (length > MAX_DATAGRAM_LENGTH) {
        throw new ReachError('ERR_REACH_DECODE', `a datagram of ${length} bytes`, { details: { length } })
      }
      const end = at + DATAGRAM_HEADER_LENGTH + length
      if (end > bytes.length) break
      yield Uint8Array.from(bytes.subarray(at + DATAGRAM_HEADER_LENGTH, end))
      at = end
    }
    this.#held = Uint8Array.from(bytes.subarray(at))
  }
}
