import { Fifo } from '../../base/fifo.ts'

/** Chunks that wait to be sent, by reference, in order; any part of them can be taken from the front. */
export class SendQueue {
  readonly #chunks = new Fifo<Uint8Array>()
  #length = 0

  /** Bytes that wait. */
  get length(): number {
    return this.#length
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** Hands the first `length` bytes on, as views. @throws {RangeError} when there are not so many */
  take(length: number, to: (piece: Uint8Array) => void): void {
    if (length > this.#length) throw new RangeError(`${length} bytes of ${this.#length}`)
    this.#length -= length
    let left = length
    while (left > 0) {
      const chunk = this.#chunks.first
      if (chunk === undefined) break
      if (chunk.length <= left) {
        this.#chunks.shift()
        left -= chunk.length
        to(chunk)
      } else {
        this.#chunks.replaceFirst(chunk.subarray(left))
        to(chunk.subarray(0, left))
        left = 0
      }
    }
  }

  clear(): void {
    this.#chunks.clear()
    this.#length = 0
  }
}
