import { ReachError } from '../../base/errors.ts'

/** The most that UDP carries over IPv4: 65,535 less the headers of IP and UDP (RFC 768, RFC 791). */
export const MAX_UDP_LENGTH = 65_507

/** u16, big-endian. */
export const DATAGRAM_HEADER_LENGTH = 2

/** Ours: what is allocated for a datagram before its bytes come; it doubles as they do. */
const FIRST_CAPACITY = 2048

/**
 * A datagram as it stands in a stream: `length u16 · bytes`.
 * @throws {RangeError} for more than {@link MAX_UDP_LENGTH} bytes
 */
export function frameDatagram(bytes: Uint8Array): Uint8Array {
  if (bytes.length > MAX_UDP_LENGTH) throw new RangeError(`a datagram of ${bytes.length} bytes`)
  const framed = new Uint8Array(DATAGRAM_HEADER_LENGTH + bytes.length)
  framed[0] = bytes.length >> 8
  framed[1] = bytes.length & 0xff
  framed.set(bytes, DATAGRAM_HEADER_LENGTH)
  return framed
}

/** Takes datagrams out of a stream, however it is cut. Holds at most one, and no more memory than twice what came of it. */
export class DatagramReader {
  readonly #maxLength: number
  /** The first byte of a length whose second has not come. */
  #high: number | undefined
  #wanted: number | undefined
  #held = NOTHING
  #filled = 0

  /** @param maxLength of one datagram, in bytes */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** Bytes of a datagram that is not whole yet. */
  get held(): number {
    return this.#filled
  }

  /**
   * The datagrams that are whole now; each is a copy.
   * @throws {ReachError} ERR_REACH_DECODE for one that is too long: the stream is of no use any more
   */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0
    for (;;) {
      if (this.#wanted === undefined) at = this.#readLength(chunk, at)
      const wanted = this.#wanted
      if (wanted === undefined) return
      const piece = chunk.subarray(at, at + wanted - this.#filled)
      at += piece.length
      if (this.#filled + piece.length < wanted) {
        this.#hold(piece)
        return
      }
      yield this.#whole(piece)
    }
  }

  #readLength(chunk: Uint8Array, from: number): number {
    let at = from
    this.#high ??= chunk[at++]
    const low = chunk[at]
    if (this.#high === undefined || low === undefined) return at
    const length = this.#high * 0x100 + low
    if (length > this.#maxLength) {
      throw new ReachError('ERR_REACH_DECODE', `a datagram of ${length} bytes`, { details: { length } })
    }
    this.#high = undefined
    this.#wanted = length
    return at + 1
  }

  #hold(piece: Uint8Array): void {
    const length = this.#filled + piece.length
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(length, this.#held.length * 2, FIRST_CAPACITY))
      grown.set(this.#held.subarray(0, this.#filled))
      this.#held = grown
    }
    this.#held.set(piece, this.#filled)
    this.#filled = length
  }

  #whole(last: Uint8Array): Uint8Array {
    const datagram = new Uint8Array(this.#filled + last.length)
    datagram.set(this.#held.subarray(0, this.#filled))
    datagram.set(last, this.#filled)
    this.#held = NOTHING
    this.#filled = 0
    this.#wanted = undefined
    return datagram
  }
}

const NOTHING = new Uint8Array(0)
