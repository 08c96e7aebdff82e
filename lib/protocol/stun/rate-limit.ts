/** How much each source may do. `Infinity` for `ratePerS` means no limit. */
export interface RateLimitOptions {
  /** Tokens that come back each second. */
  readonly ratePerS: number
  /** Tokens that a source can have saved, and starts with. */
  readonly burst: number
  /** Sources remembered at once. */
  readonly maxSources: number
}

interface Bucket {
  // Mutable: one update for each request of a hot source.
  tokens: number
  updatedAtMs: number
}

/**
 * A token bucket for each source, in bounded memory.
 *
 * A bucket that rests for `burst / ratePerS` seconds is full again, so it can be forgotten without anybody noticing.
 * Hence two generations of buckets, each at least that old before it is dropped: forgetting never helps an attacker.
 * When both together hold `maxSources`, sources not seen lately share one bucket until there is room: a flood from many
 * addresses can keep newcomers out, but it neither takes memory nor refills anybody's bucket.
 */
export class SourceRateLimit {
  readonly #options: RateLimitOptions
  readonly #refillMs: number
  readonly #newcomers: Bucket
  #current = new Map<string, Bucket>()
  #previous = new Map<string, Bucket>()
  #generationAtMs = -Infinity

  /** @throws {RangeError} when a number is negative or no number */
  constructor(options: RateLimitOptions) {
    for (const value of [options.ratePerS, options.burst, options.maxSources]) {
      if (!(value >= 0)) throw new RangeError(`a rate limit can't be ${value}`)
    }
    this.#options = options
    this.#refillMs = options.ratePerS === 0 ? Infinity : (options.burst / options.ratePerS) * 1000
    this.#newcomers = { tokens: options.burst, updatedAtMs: 0 }
  }

  /** Sources remembered now. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  /** Takes one token of the source; false when it has none left. */
  take(source: string, nowMs: number): boolean {
    if (this.#options.ratePerS === Infinity) return true
    if (nowMs - this.#generationAtMs >= this.#refillMs) this.#turn(nowMs)
    const bucket = this.#current.get(source) ?? this.#enter(source, nowMs)
    const { burst, ratePerS } = this.#options
    const elapsedMs = Math.max(0, nowMs - bucket.updatedAtMs)
    bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs * ratePerS) / 1000)
    bucket.updatedAtMs = nowMs
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  /** Starts a generation; what the one before last held has not been used for `#refillMs`, so it is full. */
  #turn(nowMs: number): void {
    this.#previous = this.#current
    this.#current = new Map()
    this.#generationAtMs = nowMs
  }

  #enter(source: string, nowMs: number): Bucket {
    const known = this.#previous.get(source)
    if (known !== undefined) {
      this.#previous.delete(source)
      this.#current.set(source, known)
      return known
    }
    if (this.size >= this.#options.maxSources) return this.#newcomers
    const fresh = { tokens: this.#options.burst, updatedAtMs: nowMs }
    this.#current.set(source, fresh)
    return fresh
  }
}
