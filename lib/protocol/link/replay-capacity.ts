import type { ReplayBudget } from './replay-budget.ts'

/** Design §5: what a link takes when it has something to send. */
export const MIN_CAPACITY = 256 * 1024
/** Design §5: enough for 160 MB/s over 100 ms. */
export const MAX_CAPACITY = 16 * 1024 * 1024
/** Ours: what a link may hold without the budget: when that is empty it would stand still, and idle it needs none of it. */
export const FLOOR_CAPACITY = 32 * 1024
/**
 * Ours: delays below count as this long. An acknowledgement waits for an event loop on each side, so a round trip of
 * 0.1 ms between two processes says nothing of how long bytes stay unacknowledged.
 */
export const MIN_DELAY_MS = 4
/** Ours: a rate is measured over this long at least; bursts of one event loop turn would give any rate. */
export const MIN_ROUND_MS = 10
/** Ours: what the last such time did not need is given back. */
export const REVIEW_INTERVAL_MS = 10_000
/** Ours: twice bandwidth × delay, so that it can find out that there is more bandwidth. */
const HEADROOM = 2

/** What one acknowledgement says about the path. */
export interface CapacitySample {
  /** Bytes that it newly acknowledged. */
  readonly acked: number
  /** The path's shortest round trip so far, in ms. */
  readonly rttMs: number
  /** The link held as much as it could since the last sample: it may have been what slowed the stream down. */
  readonly isLimited: boolean
}

/**
 * How much a link may hold for replay: bandwidth × delay as measured, out of the common budget. It grows when it was
 * itself the limit, and shrinks by what has not been used for a while.
 */
export class ReplayCapacity {
  readonly #budget: ReplayBudget
  readonly #max: number
  #granted = 0
  #roundStartMs: number
  #roundAcked = 0
  #wasLimited = false
  #reviewAtMs: number
  /** Since the last review: the most that was held, and the most that the measured path asks for. */
  #peak = 0
  #need = 0

  /** @param maxBytes default {@link MAX_CAPACITY} */
  constructor(budget: ReplayBudget, nowMs: number, maxBytes = MAX_CAPACITY) {
    this.#budget = budget
    this.#max = maxBytes
    this.#roundStartMs = nowMs
    this.#reviewAtMs = nowMs + REVIEW_INTERVAL_MS
  }

  /** Bytes that may be held now. */
  get bytes(): number {
    return Math.max(FLOOR_CAPACITY, this.#granted)
  }

  /** When `handleTimeout` is due; undefined while there is nothing to give back. */
  get deadlineMs(): number | undefined {
    return this.#granted > 0 ? this.#reviewAtMs : undefined
  }

  /** Tells how much is held, after more was taken. The first bytes take the least capacity there is. */
  held(bytes: number): void {
    if (bytes > this.#peak) this.#peak = bytes
    if (this.#granted < MIN_CAPACITY) this.#grow(MIN_CAPACITY)
  }

  /** Takes a sample in; grows at the end of a round when this was the limit. */
  sample(sample: CapacitySample, nowMs: number): void {
    this.#roundAcked += sample.acked
    this.#wasLimited ||= sample.isLimited
    const elapsedMs = nowMs - this.#roundStartMs
    if (elapsedMs < Math.max(MIN_ROUND_MS, sample.rttMs)) return
    const inFlight = (this.#roundAcked / elapsedMs) * Math.max(MIN_DELAY_MS, sample.rttMs)
    if (this.#wasLimited) this.#aim(Math.ceil(HEADROOM * inFlight))
    this.#roundStartMs = nowMs
    this.#roundAcked = 0
    this.#wasLimited = false
  }

  /**
   * Gives back what was not needed since the last review, and is not in use: without a path, nothing is written and
   * everything is held.
   * @param heldNow bytes that are held at this moment
   */
  handleTimeout(nowMs: number, heldNow: number): void {
    if (nowMs < this.#reviewAtMs) return
    const need = this.#need === 0 ? Infinity : this.#need
    const ahead = Math.max(MIN_CAPACITY, heldNow, Math.min(HEADROOM * this.#peak, need))
    const wanted = this.#peak === 0 ? 0 : ahead
    if (wanted < this.#granted) {
      this.#budget.give(this.#granted - wanted)
      this.#granted = wanted
    }
    this.#peak = heldNow
    this.#need = 0
    this.#reviewAtMs = nowMs + REVIEW_INTERVAL_MS
  }

  /** Gives everything back, for good. */
  release(): void {
    this.#budget.give(this.#granted)
    this.#granted = 0
  }

  #aim(target: number): void {
    this.#need = Math.max(this.#need, target)
    this.#grow(target)
  }

  #grow(target: number): void {
    const wanted = Math.min(this.#max, target)
    if (wanted > this.#granted) this.#granted += this.#budget.take(wanted - this.#granted)
  }
}
