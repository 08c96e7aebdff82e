import type { Clock, Timer } from '../base/runtime.ts'
import { ByteRate } from './byte-rate.ts'

export interface SplicePaceOptions {
  readonly clock: Clock
  /** Infinity: never idle. */
  readonly idleTimeoutMs: number
  /** Undefined: no limit. */
  readonly maxBytesPerS: number | undefined
  /** Nothing moved for `idleTimeoutMs`. Called once. */
  readonly onIdle: () => void
  /** What `mustHold()` held back may go on. */
  readonly onRelease: () => void
  /** Nothing moved for {@link REST_MS}. Called when `watchRest()` was, once for each time. */
  readonly onRest: () => void
}

/** Ours: longer than the pauses of a transfer that goes on; short beside the life of a connection. */
export const REST_MS = 1000

/** What of a splice depends on time: its rate limit, its rests, and its end when nothing moves any more. */
export class SplicePace {
  readonly #options: SplicePaceOptions
  readonly #rate: ByteRate | undefined
  #movedAtMs: number
  #idleTimer: Timer | undefined
  #rateTimer: Timer | undefined
  #restTimer: Timer | undefined

  /** @throws {RangeError} for a rate or a time that is not positive */
  constructor(options: SplicePaceOptions) {
    const { clock, idleTimeoutMs, maxBytesPerS } = options
    if (!(idleTimeoutMs > 0)) throw new RangeError(`an idle time can't be ${idleTimeoutMs} ms`)
    this.#options = options
    this.#movedAtMs = clock.nowMs()
    this.#rate = maxBytesPerS === undefined ? undefined : new ByteRate(maxBytesPerS, this.#movedAtMs)
    if (idleTimeoutMs !== Infinity) this.#watch(idleTimeoutMs)
  }

  /** Bytes that may pass at once; Infinity without a limit. */
  get burstBytes(): number {
    return this.#rate?.burstBytes ?? Infinity
  }

  /** Notes that something moved; `count` bytes of it are charged to the rate limit. */
  onProgress(count: number): void {
    this.#movedAtMs = this.#options.clock.nowMs()
    this.#rate?.spend(count, this.#movedAtMs)
  }

  /** True when the rate limit lets nothing pass now; `onRelease` follows. */
  mustHold(): boolean {
    if (this.#rate === undefined) return false
    const waitMs = this.#rate.waitMs(this.#movedAtMs)
    if (waitMs === 0) return false
    this.#rateTimer ??= this.#options.clock.setTimer(waitMs, () => {
      this.#rateTimer = undefined
      this.#movedAtMs = this.#options.clock.nowMs()
      // The other direction may have made more debt since.
      if (!this.mustHold()) this.#options.onRelease()
    })
    return true
  }

  /** `onRest` is called as soon as nothing has moved for a while. */
  watchRest(): void {
    this.#restTimer ??= this.#options.clock.setTimer(REST_MS, () => {
      this.#restTimer = undefined
      if (this.#options.clock.nowMs() - this.#movedAtMs < REST_MS) this.watchRest()
      else this.#options.onRest()
    })
  }

  /** Cancels the timers; nothing is called any more. */
  stop(): void {
    this.#idleTimer?.cancel()
    this.#rateTimer?.cancel()
    this.#restTimer?.cancel()
  }

  /** One timer for the whole silence: it is not touched by each chunk, but looks when it fires whether one came. */
  #watch(delayMs: number): void {
    this.#idleTimer = this.#options.clock.setTimer(delayMs, () => {
      const restMs = this.#movedAtMs + this.#options.idleTimeoutMs - this.#options.clock.nowMs()
      if (restMs > 0) this.#watch(restMs)
      else this.#options.onIdle()
    })
  }
}
