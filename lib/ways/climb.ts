import { ReachError } from '../base/errors.ts'
import type { Clock, Timer } from '../base/runtime.ts'

/** What an attempt over one rung may say while it runs. */
export interface Attempt {
  readonly signal: AbortSignal
  /** It got somewhere: the next rung may wait a bit longer. */
  readonly onConnected: (afterMs: number) => void
}

/** How rungs are tried. */
export interface ClimbOptions<R, T> {
  readonly clock: Clock
  /** In the order in which they begin, each once. */
  readonly rungs: readonly R[]
  readonly attempt: (rung: R, attempt: Attempt) => Promise<T>
  /** How long the next rung waits at least. Default {@link RUNG_DELAY_MS}. */
  readonly delayMs?: number
  /** For what comes after another one has won. */
  readonly discard: (value: T) => void
  readonly signal: AbortSignal
}

/** How it went: which rung was the first to do, or why each did not, in the order of the rungs. */
export type ClimbOutcome<R, T> =
  | { readonly kind: 'up'; readonly rung: R; readonly value: T }
  | { readonly kind: 'failed'; readonly failures: readonly RungFailure<R>[] }

export interface RungFailure<R> {
  readonly rung: R
  readonly error: unknown
}

/** RFC 8305 §5 recommends 250 ms between addresses; a way is worth a little more patience than an address. */
export const RUNG_DELAY_MS = 300
/** Ours: TLS and the proof take four round trips more than the connection: nobody else begins while they go well. */
const CONNECTED_FACTOR = 5
const MAX_PATIENCE_MS = 3000

/**
 * Tries rungs beside each other: each begins a while after the one before, or when that has failed. The first that comes
 * through wins, the others are given up; its own signal does not fire: what it began may listen to it for a while yet. When
 * the signal fires, those that run have failed with its reason. Never rejects.
 */
export function climb<R, T>(options: ClimbOptions<R, T>): Promise<ClimbOutcome<R, T>> {
  return new Promise((resolve) => new Climb(options, resolve).begin())
}

class Climb<R, T> {
  readonly #options: ClimbOptions<R, T>
  readonly #resolve: (outcome: ClimbOutcome<R, T>) => void
  readonly #failures = new Map<R, unknown>()
  readonly #running = new Map<R, AbortController>()
  readonly #delayMs: number
  #begun = 0
  #timer: Timer | undefined
  #isOver = false

  constructor(options: ClimbOptions<R, T>, resolve: (outcome: ClimbOutcome<R, T>) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#delayMs = options.delayMs ?? RUNG_DELAY_MS
  }

  begin(): void {
    const { signal } = this.#options
    if (signal.aborted) return this.#onAbort()
    signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#next()
  }

  #next(): void {
    this.#timer?.cancel()
    const { rungs } = this.#options
    const rung = rungs[this.#begun]
    if (rung === undefined) {
      if (this.#failures.size === rungs.length) this.#end(this.#failed(), undefined)
      return
    }
    this.#begun++
    this.#wait(this.#delayMs)
    void this.#try(rung)
  }

  async #try(rung: R): Promise<void> {
    const { attempt, discard } = this.#options
    const number = this.#begun
    const onConnected = (afterMs: number) => {
      const patienceMs = Math.min(MAX_PATIENCE_MS, Math.max(this.#delayMs, CONNECTED_FACTOR * afterMs))
      if (this.#begun === number && !this.#isOver) this.#wait(patienceMs)
    }
    const stop = new AbortController()
    this.#running.set(rung, stop)
    try {
      const value = await attempt(rung, { signal: stop.signal, onConnected })
      if (this.#isOver) discard(value)
      else {
        this.#running.delete(rung)
        this.#end({ kind: 'up', rung, value }, new ReachError('ERR_REACH_ABORTED', 'another way was faster'))
      }
    } catch (error) {
      if (this.#isOver) return
      this.#running.delete(rung)
      this.#failures.set(rung, error)
      this.#next()
    }
  }

  #wait(ms: number): void {
    this.#timer?.cancel()
    if (this.#begun < this.#options.rungs.length)
      this.#timer = this.#options.clock.setTimer(ms, () => this.#next())
  }

  #failed(): ClimbOutcome<R, T> {
    const failures = this.#options.rungs.map((rung) => ({ rung, error: this.#failures.get(rung) }))
    return { kind: 'failed', failures }
  }

  /** What is not known by then has failed with the signal's reason. */
  readonly #onAbort = (): void => {
    for (const rung of this.#options.rungs)
      if (!this.#failures.has(rung)) this.#failures.set(rung, this.#options.signal.reason)
    this.#end(this.#failed(), this.#options.signal.reason)
  }

  /** @param why those that still run are told to stop */
  #end(outcome: ClimbOutcome<R, T>, why: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#resolve(outcome)
    for (const stop of this.#running.values()) stop.abort(why)
  }
}
