import type { Timer } from '../base/runtime.ts'

/** What an {@link IdleTimer} looks at. */
export interface IdleSurroundings {
  nowMs(): number
  setTimer(delayMs: number, callback: () => void): Timer
  /** Bytes that wait to be sent: while they become fewer, something happens. */
  queuedLength(): number
}

/**
 * The timeout of a `net.Socket`: tells when nothing has happened for a while, once, until something happens again. A busy
 * stream costs no timer per chunk: one is armed, and looks when it fires how long ago the last thing was.
 */
export class IdleTimer {
  readonly #around: IdleSurroundings
  readonly #onIdle: () => void
  #idleMs = 0
  #lastMs = 0
  #lastQueued = 0
  #timer: Timer | undefined

  constructor(around: IdleSurroundings, onIdle: () => void) {
    this.#around = around
    this.#onIdle = onIdle
  }

  /** What was set; 0 for no timeout. */
  get idleMs(): number {
    return this.#idleMs
  }

  /** Counts from now; 0 ends it. @throws {RangeError} for what is no span of time */
  set(idleMs: number): void {
    if (!Number.isFinite(idleMs) || idleMs < 0) throw new RangeError(`a timeout of ${idleMs} ms`)
    this.stop()
    this.#idleMs = idleMs
    this.touch()
  }

  /** Something happened. */
  touch(): void {
    if (this.#idleMs === 0) return
    this.#lastMs = this.#around.nowMs()
    this.#lastQueued = this.#around.queuedLength()
    if (this.#timer === undefined) this.#arm(this.#idleMs)
  }

  /** Tells nothing any more. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#idleMs = 0
  }

  #arm(delayMs: number): void {
    this.#timer = this.#around.setTimer(delayMs, () => {
      this.#timer = undefined
      const restMs = this.#lastMs + this.#idleMs - this.#around.nowMs()
      if (restMs > 0) this.#arm(restMs)
      else if (this.#around.queuedLength() !== this.#lastQueued) this.touch()
      else this.#onIdle()
    })
  }
}
