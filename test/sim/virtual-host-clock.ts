import type { Clock, Timer } from '../../lib/base/runtime.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** The clock of one host: it can stand still while the world's goes on, and tell another calendar time. */
export class HostClock implements Clock {
  readonly #world: VirtualClock
  #sleptMs = 0
  #wakeAtMs = 0
  #wallSkewMs = 0

  constructor(world: VirtualClock) {
    this.#world = world
  }

  get isAsleep(): boolean {
    return this.#world.nowMs() < this.#wakeAtMs
  }

  nowMs(): number {
    return Math.max(this.#world.nowMs(), this.#wakeAtMs) - this.#sleptMs
  }

  wallMs(): number {
    return this.#world.wallMs() + this.#wallSkewMs
  }

  /** Sets this host's calendar forwards or back. */
  jumpWall(byMs: number): void {
    this.#wallSkewMs += byMs
  }

  /** Stands still for a while (whole milliseconds), as a suspended machine: timers wait on, the calendar jumps on waking. */
  suspend(forMs: number): void {
    if (!Number.isInteger(forMs)) throw new RangeError(`${forMs} is no whole number of milliseconds`)
    this.#wakeAtMs = Math.max(this.#world.nowMs(), this.#wakeAtMs) + forMs
    this.#sleptMs += forMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return new HostTimer(this, this.#world, delayMs, callback)
  }

  /** @internal How long the world has to go on until this clock shows that time. */
  worldMsUntil(dueMs: number): number {
    const sleepMs = Math.max(0, this.#wakeAtMs - this.#world.nowMs())
    return sleepMs + Math.max(0, dueMs - this.nowMs())
  }
}

/** A timer of the world that waits on when its host has slept. */
class HostTimer implements Timer {
  readonly #clock: HostClock
  readonly #world: VirtualClock
  readonly #dueMs: number
  readonly #callback: () => void
  #timer: Timer

  constructor(clock: HostClock, world: VirtualClock, delayMs: number, callback: () => void) {
    this.#clock = clock
    this.#world = world
    this.#dueMs = clock.nowMs() + Math.max(0, delayMs)
    this.#callback = callback
    this.#timer = world.setTimer(clock.isAsleep ? clock.worldMsUntil(this.#dueMs) : delayMs, () =>
      this.#fire(),
    )
  }

  cancel(): void {
    this.#timer.cancel()
  }

  #fire(): void {
    const leftMs = this.#clock.worldMsUntil(this.#dueMs)
    if (leftMs > 0) this.#timer = this.#world.setTimer(leftMs, () => this.#fire())
    else this.#callback()
  }
}
