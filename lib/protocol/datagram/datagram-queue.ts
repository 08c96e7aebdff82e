/** How much may wait in a {@link DatagramQueue}. */
export interface DatagramQueueLimits {
  readonly maxBytes: number
  /** `Infinity`: however long. */
  readonly maxAgeMs: number
}

/** Ours: what a datagram costs beside its bytes, so that empty ones are bounded, too. */
const OVERHEAD = 64

interface Waiting {
  readonly bytes: Uint8Array
  readonly sinceMs: number
}

/** Datagrams that wait, in order. When there are too many or they have waited too long, the oldest go: news is worth more. */
export class DatagramQueue {
  readonly #limits: DatagramQueueLimits
  #waiting: Waiting[] = []
  #first = 0
  #cost = 0
  #dropped = 0

  constructor(limits: DatagramQueueLimits) {
    this.#limits = limits
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.length - this.#first
  }

  /** How many went because they were too many or too old. */
  get dropped(): number {
    return this.#dropped
  }

  /** Takes one; it is the queue's from now on. One alone is kept whatever its length. */
  push(bytes: Uint8Array, nowMs: number): void {
    this.#waiting.push({ bytes, sinceMs: nowMs })
    this.#cost += bytes.length + OVERHEAD
    while (this.#cost > this.#limits.maxBytes && this.size > 1) this.#drop()
  }

  /** The oldest that is not too old; undefined when there is none. */
  shift(nowMs: number): Uint8Array | undefined {
    for (;;) {
      const next = this.#waiting[this.#first]
      if (next === undefined) return undefined
      if (nowMs - next.sinceMs > this.#limits.maxAgeMs) {
        this.#drop()
        continue
      }
      this.#remove(next)
      return next.bytes
    }
  }

  #drop(): void {
    const oldest = this.#waiting[this.#first]
    if (oldest === undefined) return
    this.#remove(oldest)
    this.#dropped++
  }

  #remove({ bytes }: Waiting): void {
    this.#cost -= bytes.length + OVERHEAD
    this.#waiting[this.#first++] = GONE
    if (this.#first < 64 || this.#first * 2 < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#first)
    this.#first = 0
  }
}

/** In the place of what was handed on, so that its memory is not kept. */
const GONE: Waiting = { bytes: new Uint8Array(0), sinceMs: 0 }
