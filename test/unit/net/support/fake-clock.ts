import type { Clock, Timer } from '../../../../lib/base/runtime.ts'

interface FakeTimer {
  readonly dueMs: number
  readonly callback: () => void
}

/** A clock that moves only when told; its wall clock can be made to differ. */
export class FakeClock implements Clock {
  #nowMs = 1_000
  #wallOffsetMs = 1_700_000_000_000
  readonly #timers = new Set<FakeTimer>()

  nowMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Due times of all timers, relative to now. */
  get pendingDelaysMs(): readonly number[] {
    return [...this.#timers].map((timer) => timer.dueMs - this.#nowMs)
  }

  /** Lets time pass and fires what is due, in order. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      this.#timers.delete(next)
      next.callback()
    }
    this.#nowMs = endMs
  }

  /** Only calendar time moves: the host sleeps with its monotonic clock stopped, or somebody sets the clock. */
  shiftWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Both clocks move, but no timer fires yet: the host sleeps with its monotonic clock running. */
  stall(byMs: number): void {
    this.#nowMs += byMs
  }

  #next(endMs: number): FakeTimer | undefined {
    return [...this.#timers].filter((timer) => timer.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0]
  }
}
