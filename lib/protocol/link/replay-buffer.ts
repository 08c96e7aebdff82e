/**
 * Ours: what a chunk costs beside its bytes (its view and our places in two lists), in bytes. Counted, so that a million
 * chunks of one byte do not pass for a megabyte.
 */
export const CHUNK_COST = 128

/** Ours: released places are cut off the lists when there are this many, and more than are in use. */
const MIN_COMPACTION = 1024

const RELEASED = new Uint8Array(0)

/**
 * Bytes of a stream from the first that is not acknowledged to the last that was taken, as the caller's own chunks: by
 * reference, never copied. Whoever hands a chunk in must not overwrite it until it is released.
 */
export class ReplayBuffer {
  #chunks: Uint8Array[] = []
  /** Where in the stream each chunk ends. */
  #ends: number[] = []
  #head = 0
  #cost = 0
  #start = 0
  #end = 0

  /** Offset of the first byte that may still be needed; before it all is released. */
  get start(): number {
    return this.#start
  }

  /** Offset behind the last byte. */
  get end(): number {
    return this.#end
  }

  /** What is held, in bytes: chunks that are not wholly released, with CHUNK_COST each. */
  get cost(): number {
    return this.#cost
  }

  append(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#end += chunk.length
    this.#ends.push(this.#end)
    this.#cost += chunk.length + CHUNK_COST
  }

  /** Lets go of all chunks that end at or before an offset. */
  release(offset: number): void {
    this.#start = Math.max(this.#start, Math.min(offset, this.#end))
    while (this.#head < this.#chunks.length && (this.#ends[this.#head] ?? 0) <= this.#start) {
      this.#cost -= (this.#chunks[this.#head]?.length ?? 0) + CHUNK_COST
      this.#chunks[this.#head] = RELEASED
      this.#head++
    }
    if (this.#head >= MIN_COMPACTION && this.#head * 2 > this.#chunks.length) this.#compact()
  }

  /** Lets go of everything. Offsets stay. */
  clear(): void {
    this.#chunks = []
    this.#ends = []
    this.#head = 0
    this.#cost = 0
    this.#start = this.#end
  }

  /**
   * Appends views of the bytes from `from` on to `into`.
   * @returns how many bytes: fewer than `maxLength` at the end of the buffer, or after `maxChunks` chunks
   */
  collect(from: number, maxLength: number, maxChunks: number, into: Uint8Array[]): number {
    let at = from
    const last = Math.min(this.#end, from + maxLength)
    const first = this.#find(from)
    const stop = Math.min(this.#chunks.length, first + maxChunks)
    for (let i = first; i < stop && at < last; i++) {
      const chunk = this.#chunks[i] ?? RELEASED
      const end = this.#ends[i] ?? at
      const start = end - chunk.length
      const isWhole = start === at && end <= last
      into.push(isWhole ? chunk : chunk.subarray(at - start, Math.min(end, last) - start))
      at = Math.min(end, last)
    }
    return at - from
  }

  /** The place of the chunk that holds an offset, by halving. */
  #find(offset: number): number {
    let low = this.#head
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ends[middle] ?? 0) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #compact(): void {
    this.#chunks = this.#chunks.slice(this.#head)
    this.#ends = this.#ends.slice(this.#head)
    this.#head = 0
  }
}
