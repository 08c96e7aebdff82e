/** What is left of a chunk in the array once it was handed on, so that its memory is not kept. */
const NOTHING = new Uint8Array(0)

/** Chunks that wait to be sent, by reference, in order; any part of them can be taken from the front. */
export class SendQueue {
  #chunks: Uint8Array[] = []
  #next = 0
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
    let left = length
    while (left > 0) {
      const chunk = this.#chunks[this.#next]
      if (chunk === undefined) break
      if (chunk.length <= left) {
        this.#chunks[this.#next++] = NOTHING
        left -= chunk.length
        to(chunk)
      } else {
        this.#chunks[this.#next] = chunk.subarray(left)
        to(chunk.subarray(0, left))
        left = 0
      }
    }
    this.#length -= length
    this.#compact()
  }

  clear(): void {
    this.#chunks = []
    this.#next = 0
    this.#length = 0
  }

  /** Lets go of what was sent, when it is all or most of the array. */
  #compact(): void {
    if (this.#length === 0) {
      this.clear()
    } else if (this.#next >= 64 && this.#next * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#next)
      this.#next = 0
    }
  }
}
