/** How much of something is allowed. `Infinity` for either means no limit. */
export interface TokenRate {
  /** Tokens that come back each second. */
  readonly ratePerS: number
  /** Tokens that can be saved, and that there are at the start. */
  readonly burst: number
}

/** Allows a burst of something, then a rate. */
export class TokenBucket {
  readonly #rate: TokenRate
  #tokens: number
  #updatedAtMs: number

  constructor(rate: TokenRate, nowMs: number) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#updatedAtMs = nowMs
  }

  /** Takes a token; false when there is none. */
  take(nowMs: number): boolean {
    const { ratePerS, burst } = this.#rate
    if (burst === Infinity || ratePerS === Infinity) return true
    const elapsedMs = Math.max(0, nowMs - this.#updatedAtMs)
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs * ratePerS) / 1000)
    this.#updatedAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
