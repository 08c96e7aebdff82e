import { INITIAL_WINDOW } from './frame.ts'
import type { ReceiveBudget } from './receive-budget.ts'

/**
 * Ours: credit is given back when this part of the window was consumed. A smaller part keeps a sender from waiting on a
 * long path (window ≥ 4/3 bandwidth × delay is enough, with a half it would be 2); a frame each 64 KiB costs nothing.
 */
const GRANT_FRACTION = 1 / 4

/**
 * Ours: a window doubles when the part above was consumed in less than half a round trip; so it grows to at least twice
 * bandwidth × delay, and no further. Readers slower than the path are its measure, too: they never make it grow.
 */
const GROWTH_ROUND_TRIPS = GRANT_FRACTION * 2

/** How much the peer may send on one stream: counts it, gives it back as it is consumed, and grows by itself. */
export class ReceiveWindow {
  readonly #budget: ReceiveBudget
  readonly #maxSize: number
  #size = INITIAL_WINDOW
  /** What the peer may still announce. */
  #available = INITIAL_WINDOW
  /** Announced by the header of a frame, and not come in yet. */
  #announced = 0
  #held = 0
  #epochMs: number
  #isGrantDue = false
  #isEnded = false
  /** It wants more than its initial size, whether or not it got that. */
  #isGrower = false

  /** @param maxSize at least {@link INITIAL_WINDOW} */
  constructor(budget: ReceiveBudget, maxSize: number, nowMs: number) {
    this.#budget = budget
    this.#maxSize = maxSize
    this.#epochMs = nowMs
  }

  /** What it is now, in bytes. */
  get size(): number {
    return this.#size
  }

  /** What the peer may still announce. */
  get available(): number {
    return this.#available
  }

  /** Received and not consumed. */
  get held(): number {
    return this.#held
  }

  /** A frame says that so many bytes follow; false when they are more than was granted, and nothing is changed. */
  announce(length: number): boolean {
    if (length > this.#available) return false
    this.#available -= length
    this.#announced += length
    return true
  }

  /** Announced bytes come in: only now do they take memory, and can be consumed. */
  receive(length: number): void {
    this.#announced -= length
    this.#held += length
    this.#budget.hold(length)
  }

  /**
   * Bytes have been read by whom they are for.
   * @param rttMs undefined while it is not known: then the window does not grow
   * @returns true when a `grant` is due that was not before
   * @throws {RangeError} when there are not so many
   */
  consume(length: number, rttMs: number | undefined, nowMs: number): boolean {
    if (!Number.isInteger(length) || length < 0 || length > this.#held) {
      throw new RangeError(`${length} bytes can't be consumed: ${this.#held} are held`)
    }
    this.#held -= length
    this.#budget.release(length)
    if (this.#isEnded || this.#isGrantDue || this.#owed() < this.#size * GRANT_FRACTION) return false
    this.#tune(rttMs, nowMs)
    this.#isGrantDue = this.#owed() > 0
    return this.#isGrantDue
  }

  /** What to grant the peer now: the delta of a window update, 0 for none. It counts as granted from here on. */
  grant(nowMs: number): number {
    if (this.#isEnded) return 0
    this.#isGrantDue = false
    const delta = Math.max(0, this.#owed())
    this.#available += delta
    this.#epochMs = nowMs
    return delta
  }

  /** The stream is over for its reader: returns everything to the budget. Harmless when repeated. */
  close(): void {
    this.#budget.release(this.#held)
    this.#held = 0
    this.end()
  }

  /** Nothing more will be received: no more grants, no growth. What is held stays until it is consumed. */
  end(): void {
    this.#isEnded = true
    this.#budget.shrink(this.#grown())
    this.#size = INITIAL_WINDOW
    if (this.#isGrower) this.#budget.countGrower(-1)
    this.#isGrower = false
  }

  #owed(): number {
    return this.#size - this.#available - this.#announced - this.#held
  }

  #grown(): number {
    return this.#size - INITIAL_WINDOW
  }

  #tune(rttMs: number | undefined, nowMs: number): void {
    const isFast = rttMs !== undefined && nowMs - this.#epochMs < rttMs * GROWTH_ROUND_TRIPS
    if (isFast && !this.#isGrower) {
      this.#isGrower = true
      this.#budget.countGrower(1)
    }
    // When there is not enough for all, each gets its share, and nobody more.
    const limit = this.#budget.isContended ? Math.floor(this.#budget.growthShare) : this.#maxSize
    if (this.#grown() > limit) {
      // What is over the share is not granted again: the window shrinks as the peer uses it.
      const surplus = this.#grown() - limit
      this.#budget.shrink(surplus)
      this.#size -= surplus
    } else if (isFast) {
      const wanted = Math.min(this.#size, this.#maxSize - this.#size, limit - this.#grown())
      if (wanted > 0) this.#size += this.#budget.grow(wanted)
    }
  }
}
