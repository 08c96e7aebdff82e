import { unclearedMemory } from '../base/uncleared-memory.ts'

/** Ours: holds one TLS record or a burst of small messages; an idle connection keeps no more than this. */
export const MIN_READ_BYTES = 16 * 1024

/**
 * Ours: copying 1 GB costs 0.7 CPU seconds with reads of 64 KiB, 0.4 with 256 KiB, 0.3 with 1 MiB, and no less beyond
 * (measured on loopback, bench/splice.ts).
 */
export const MAX_READ_BYTES = 1024 * 1024

/** Ours: from the smallest to the largest in three steps. */
const GROWTH = 4

/** Ours: 256 connections at full size at once; the others go on with small buffers, only slower. */
const DEFAULT_MAX_LENT_BYTES = 256 * 1024 * 1024

/** Ours: few are in use in the same moment, since a write that the system takes at once frees its buffer at once. */
const MAX_SPARE_PER_SIZE = 8

/**
 * How large the next read should be, learnt from the last ones. A read that fills its buffer says that more is there
 * already: the next one is larger. One that leaves most of it empty makes the next one smaller, unless it only brought
 * what the read before had no room for. Who falls silent after a large read waits with a large buffer, until `rest`.
 */
export class ReadSize {
  readonly #maxBytes: number
  #bytes = MIN_READ_BYTES
  /** The last read filled its buffer. */
  #wasFull = false

  /** @param maxBytes no read is larger, but for the smallest size. Default {@link MAX_READ_BYTES}. */
  constructor(maxBytes: number = MAX_READ_BYTES) {
    this.#maxBytes = largestSize(maxBytes)
  }

  /** Size of the next read in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Learns that a read got `count` bytes into a buffer of `capacity`; returns the size of the next one. */
  next(count: number, capacity: number): number {
    const isFull = count === capacity
    if (isFull) this.#bytes = Math.min(this.#maxBytes, Math.max(this.#bytes, capacity * GROWTH))
    else if (count <= capacity / GROWTH && !this.#wasFull)
      this.#bytes = Math.max(MIN_READ_BYTES, capacity / GROWTH)
    this.#wasFull = isFull
    return this.#bytes
  }

  /** Nothing has come for a while. */
  rest(): void {
    this.#bytes = MIN_READ_BYTES
  }
}

/** The largest of the few sizes that is at most `maxBytes`: buffers of a size can be lent to one after the other. */
function largestSize(maxBytes: number): number {
  let bytes = MIN_READ_BYTES
  while (bytes < MAX_READ_BYTES && bytes * GROWTH <= maxBytes) bytes *= GROWTH
  return bytes
}

/** Limits of a {@link ReadBufferPool}. */
export interface ReadBufferPoolOptions {
  /** Bytes lent out at once; beyond it nothing is lent. Default 256 MiB. */
  readonly maxLentBytes?: number
}

/**
 * Large read buffers for whoever has much to read just now. A buffer belongs to its borrower alone until it is given
 * back, and must not be given back while anybody may still read from it or write to it.
 */
export class ReadBufferPool {
  readonly #maxLentBytes: number
  readonly #spares = new Map<number, Uint8Array[]>()
  #lentBytes = 0

  constructor(options: ReadBufferPoolOptions = {}) {
    this.#maxLentBytes = options.maxLentBytes ?? DEFAULT_MAX_LENT_BYTES
  }

  /** Bytes lent out now. */
  get lentBytes(): number {
    return this.#lentBytes
  }

  /** A buffer of just this size with anything in it; undefined when too much is lent out already. */
  borrow(bytes: number): Uint8Array | undefined {
    if (this.#lentBytes + bytes > this.#maxLentBytes) return undefined
    this.#lentBytes += bytes
    return this.#spares.get(bytes)?.pop() ?? unclearedMemory(bytes)
  }

  /** Takes a borrowed buffer back. */
  giveBack(buffer: Uint8Array): void {
    this.#lentBytes -= buffer.length
    const spares = this.#spares.get(buffer.length)
    if (spares === undefined) this.#spares.set(buffer.length, [buffer])
    else if (spares.length < MAX_SPARE_PER_SIZE) spares.push(buffer)
  }
}
