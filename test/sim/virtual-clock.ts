import type { Clock, Timer } from '../../lib/base/runtime.ts'
import { EventHeap } from './virtual-event-heap.ts'
import type { VirtualEvent } from './virtual-event-heap.ts'

/** 2026-01-01T00:00:00Z: some day, always the same. */
const WALL_START_MS = 1_767_225_600_000
/**
 * Moments lie on a grid of 1/1024 ms. Sums and differences of such numbers are exact, so a timer that is set for
 * `deadline - now` never rings a rounding error before its deadline (as real ones don't: Node rounds up, too).
 */
const TICKS_PER_MS = 1024
/** Cancelled timers stay in the heap until there are this many, and more of them than of the living. */
const SWEEP_MIN_CANCELLED = 256
/** More events than this without time moving are an endless loop of zero delays. */
const MAX_EVENTS_AT_ONE_MOMENT = 2_000_000

/**
 * Time that moves only when told to. `runUntil`, `advance` and `runUntilIdle` are synchronous, for code that lives on
 * callbacks; `settle` and `runUntilSettled` also let promises and streams run between events.
 */
export class VirtualClock implements Clock {
  readonly #heap = new EventHeap()
  #nowMs = 0
  #wallOffsetMs = WALL_START_MS
  #isRunning = false
  #userCodeRan = false
  #pending = 0
  #cancelled = 0
  #eventCount = 0
  #eventsAtThisMoment = 0

  nowMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#wallOffsetMs + this.#nowMs
  }

  /** Sets the calendar forwards or back, as an NTP step or a person does. Timers don't notice. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Timers that have neither fired nor been cancelled: what code under test left running. */
  get pendingTimers(): number {
    return this.#pending
  }

  /** Events carried out so far, for measuring the simulator itself. */
  get eventCount(): number {
    return this.#eventCount
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    if (Number.isNaN(delayMs)) throw new RangeError('a timer needs a delay in milliseconds, not NaN')
    const timer = new VirtualTimer(this, callback)
    this.#pending++
    this.schedule(this.#nowMs + Math.max(0, delayMs), timer)
    return timer
  }

  /** Puts an event of the world itself into the calendar: a packet's arrival, say. */
  schedule(atMs: number, event: VirtualEvent): void {
    this.#heap.push(Math.ceil(atMs * TICKS_PER_MS) / TICKS_PER_MS, event)
  }

  /** Tells that code under test was called, so that its promises get their turn before the next event. */
  noteUserCode(): void {
    this.#userCodeRan = true
  }

  /** Runs all that is due until then, and leaves the clock there. */
  runUntil(untilMs: number): void {
    this.#run(untilMs, () => false)
    if (untilMs > this.#nowMs) this.#nowMs = Math.floor(untilMs * TICKS_PER_MS) / TICKS_PER_MS
  }

  /** Runs all that is due in the next `byMs` milliseconds. */
  advance(byMs: number): void {
    this.runUntil(this.#nowMs + byMs)
  }

  /** Runs until nothing is left to happen; false when something still is after `limitMs`. */
  runUntilIdle(limitMs: number): boolean {
    const untilMs = this.#nowMs + limitMs
    this.#run(untilMs, () => false)
    if (this.#nextMs() === Infinity) return true
    this.runUntil(untilMs)
    return false
  }

  /** Lets promises, `nextTick`s and streams run until they rest, with all that is due at this very moment. */
  async settle(): Promise<void> {
    await turn()
    while (this.#nextMs() <= this.#nowMs) {
      this.#runUntilUserCode(this.#nowMs)
      await turn()
    }
  }

  /**
   * Runs the world, in turns with the promises of the code under test, until `promise` settles; answers what it does.
   * Throws when that has not happened after `limitMs`, or can't any more because nothing is left to happen.
   */
  async runUntilSettled<T>(promise: Promise<T>, limitMs: number): Promise<T> {
    const untilMs = this.#nowMs + limitMs
    let isSettled = false
    const settle = () => {
      isSettled = true
    }
    promise.then(settle, settle)
    await turn()
    while (!this.#isTrue(isSettled)) {
      if (this.#nextMs() > untilMs) {
        const why = this.#nextMs() === Infinity ? 'nothing is left to happen' : `${limitMs} ms have passed`
        throw new Error(`the promise has not settled and ${why} (at ${this.#nowMs} ms)`)
      }
      this.#runUntilUserCode(untilMs)
      await turn()
    }
    return promise
  }

  /** @internal */
  timerEnded(how: 'fired' | 'cancelled'): void {
    this.#pending--
    if (how === 'fired') {
      this.#userCodeRan = true
      return
    }
    this.#cancelled++
    if (this.#cancelled < SWEEP_MIN_CANCELLED || this.#cancelled * 2 < this.#heap.size) return
    this.#cancelled = 0
    this.#heap.sweep()
  }

  #runUntilUserCode(untilMs: number): void {
    this.#userCodeRan = false
    this.#run(untilMs, () => this.#userCodeRan)
  }

  #run(untilMs: number, isEnough: () => boolean): void {
    if (this.#isRunning)
      throw new Error('the virtual clock is already running: it was driven from a callback')
    this.#isRunning = true
    try {
      while (!isEnough()) {
        const nextMs = this.#nextMs()
        if (nextMs > untilMs) break
        this.#count(nextMs)
        this.#heap.pop()?.run()
      }
    } finally {
      this.#isRunning = false
    }
  }

  #count(atMs: number): void {
    this.#eventCount++
    if (atMs > this.#nowMs) {
      this.#nowMs = atMs
      this.#eventsAtThisMoment = 0
    } else if (++this.#eventsAtThisMoment > MAX_EVENTS_AT_ONE_MOMENT) {
      throw new Error(
        `virtual time stands still at ${this.#nowMs} ms: something reschedules itself without delay`,
      )
    }
  }

  /** When the next event that is not cancelled is due; Infinity when there is none. */
  #nextMs(): number {
    while (this.#heap.peek()?.isOver === true) {
      this.#heap.pop()
      if (this.#cancelled > 0) this.#cancelled--
    }
    return this.#heap.nextMs
  }

  /** Reads a flag that callbacks set, which the compiler can't see. */
  #isTrue(flag: boolean): boolean {
    return flag
  }
}

class VirtualTimer implements Timer, VirtualEvent {
  // Over once fired or cancelled: then there is nothing to call.
  readonly #clock: VirtualClock
  #callback: (() => void) | undefined

  constructor(clock: VirtualClock, callback: () => void) {
    this.#clock = clock
    this.#callback = callback
  }

  get isOver(): boolean {
    return this.#callback === undefined
  }

  run(): void {
    const callback = this.#callback
    if (callback === undefined) return
    this.#callback = undefined
    this.#clock.timerEnded('fired')
    callback()
  }

  cancel(): void {
    if (this.#callback === undefined) return
    this.#callback = undefined
    this.#clock.timerEnded('cancelled')
  }
}

/** One turn of the real event loop: before it ends, Node has run all `nextTick`s and promise jobs. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
