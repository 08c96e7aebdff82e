import type { Machine } from '../base/machine.ts'
import type { Clock, Timer } from '../base/runtime.ts'
import { unreachable } from '../base/exhaustive.ts'

type Step<Input> =
  | { readonly kind: 'input'; readonly input: Input }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'start' }

/**
 * The only loop that runs a {@link Machine}: feed, drain `poll()`, arm one timer at `deadlineMs`.
 *
 * `perform` may call `feed` at once (a local answer, a synchronous failure): that input waits until the effects at hand
 * are drained, so effects are always performed in the order in which the machine gave them. What `perform` or the
 * machine throws stops the driver and goes to `onError`; without one it is thrown on, never swallowed.
 */
export class Driver<Input, Effect> implements Disposable {
  readonly #machine: Machine<Input, Effect>
  readonly #clock: Clock
  readonly #perform: (effect: Effect) => void
  readonly #onError: ((error: unknown) => void) | undefined
  readonly #steps: Step<Input>[] = []
  #isRunning = false
  #isStopped = false
  #armed: { readonly dueMs: number; readonly timer: Timer } | undefined

  constructor(
    machine: Machine<Input, Effect>,
    clock: Clock,
    perform: (effect: Effect) => void,
    onError?: (error: unknown) => void,
  ) {
    this.#machine = machine
    this.#clock = clock
    this.#perform = perform
    this.#onError = onError
  }

  /** True once stopped, by `stop()` or by an exception. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Performs what the machine wants from birth on, and arms its timer. Not needed where an input comes first. */
  start(): void {
    this.#take({ kind: 'start' })
  }

  /** Gives the machine an input and performs what follows. Does nothing once stopped. */
  feed(input: Input): void {
    this.#take({ kind: 'input', input })
  }

  /** Cancels the timer; nothing is fed or performed any more. Harmless when repeated. */
  stop(): void {
    this.#isStopped = true
    this.#steps.length = 0
    this.#disarm()
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  #take(step: Step<Input>): void {
    if (this.#isStopped) return
    this.#steps.push(step)
    if (!this.#isRunning) this.#run()
  }

  #run(): void {
    this.#isRunning = true
    try {
      for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) {
        this.#apply(step)
        this.#drain()
      }
      this.#rearm()
    } catch (error) {
      this.stop()
      if (this.#onError === undefined) throw error
      this.#onError(error)
    } finally {
      this.#isRunning = false
    }
  }

  #apply(step: Step<Input>): void {
    switch (step.kind) {
      case 'input':
        return this.#machine.handle(step.input, this.#clock.nowMs())
      case 'timeout':
        return this.#machine.handleTimeout(this.#clock.nowMs())
      case 'start':
        return
      default:
        return unreachable(step)
    }
  }

  #drain(): void {
    for (let effect = this.#machine.poll(); effect !== undefined; effect = this.#machine.poll()) {
      this.#perform(effect)
      if (this.#isStopped) return
    }
  }

  #rearm(): void {
    const dueMs = this.#machine.deadlineMs
    // Most inputs leave the deadline alone: then the timer stays, too.
    if (this.#isStopped || dueMs === this.#armed?.dueMs) return
    this.#disarm()
    if (dueMs === undefined) return
    const timer = this.#clock.setTimer(Math.max(0, dueMs - this.#clock.nowMs()), () => {
      this.#armed = undefined
      this.#take({ kind: 'timeout' })
    })
    this.#armed = { dueMs, timer }
  }

  #disarm(): void {
    this.#armed?.timer.cancel()
    this.#armed = undefined
  }
}
