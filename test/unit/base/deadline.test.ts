import test from 'ava'
import { deadlineSignal, delay } from '../../../lib/base/deadline.ts'
import { ReachError } from '../../../lib/base/errors.ts'
import type { Clock, Timer } from '../../../lib/base/runtime.ts'

/** A clock that stands still until it is told to go on. */
class ManualClock implements Clock {
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()
  #nowMs = 1000

  get pending(): number {
    return this.#timers.size
  }

  nowMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  advance(ms: number): void {
    this.#nowMs += ms
    for (const timer of [...this.#timers]) {
      if (timer.atMs > this.#nowMs || !this.#timers.delete(timer)) continue
      timer.callback()
    }
  }
}

test('a deadline fires when its time is up, with ERR_REACH_TIMEOUT and the time', (t) => {
  const clock = new ManualClock()
  using deadline = deadlineSignal(clock, 500)
  clock.advance(499)
  t.false(deadline.signal.aborted)
  clock.advance(1)
  t.true(deadline.signal.aborted)
  const reason: unknown = deadline.signal.reason
  if (!ReachError.is(reason, 'ERR_REACH_TIMEOUT')) return t.fail(String(reason))
  t.deepEqual(reason.details, { timeoutMs: 500 })
})

test('a deadline fires with its parent, for the parent’s reason', (t) => {
  const clock = new ManualClock()
  const parent = new AbortController()
  using deadline = deadlineSignal(clock, 500, parent.signal)
  const reason = new Error('the user pressed Ctrl-C')
  parent.abort(reason)
  t.is(deadline.signal.reason, reason)
})

test('a deadline of a parent that fired before has fired, and leaves no timer', (t) => {
  const clock = new ManualClock()
  const reason = new Error('too late')
  using deadline = deadlineSignal(clock, 500, AbortSignal.abort(reason))
  t.is(deadline.signal.reason, reason)
  t.is(clock.pending, 0)
})

test('the first reason stays when the other comes later', (t) => {
  const clock = new ManualClock()
  const parent = new AbortController()
  using deadline = deadlineSignal(clock, 500, parent.signal)
  clock.advance(500)
  parent.abort(new Error('later'))
  t.true(ReachError.is(deadline.signal.reason, 'ERR_REACH_TIMEOUT'))
})

test('a disposed deadline never fires, and leaves neither timer nor listener', (t) => {
  const clock = new ManualClock()
  const parent = new CountingSignal()
  const deadline = deadlineSignal(clock, 500, parent.signal)
  t.is(parent.listeners, 1)
  deadline[Symbol.dispose]()
  t.is(clock.pending, 0)
  t.is(parent.listeners, 0)
  clock.advance(500)
  parent.abort()
  t.false(deadline.signal.aborted)
  t.notThrows(() => deadline[Symbol.dispose]())
})

test('a deadline that its parent ended leaves no timer', (t) => {
  const clock = new ManualClock()
  const parent = new AbortController()
  using deadline = deadlineSignal(clock, 500, parent.signal)
  parent.abort()
  t.true(deadline.signal.aborted)
  t.is(clock.pending, 0)
})

test('delay resolves when its time is up, and takes its listener away', async (t) => {
  const clock = new ManualClock()
  const parent = new CountingSignal()
  const waiting = delay(clock, 500, parent.signal)
  t.is(clock.pending, 1)
  clock.advance(500)
  await t.notThrowsAsync(waiting)
  t.is(parent.listeners, 0)
})

test('delay rejects with the reason of its signal, and cancels its timer', async (t) => {
  const clock = new ManualClock()
  const controller = new AbortController()
  const waiting = delay(clock, 500, controller.signal)
  const reason = new Error('closed')
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  t.is(clock.pending, 0)
})

test('delay with a signal that fired before rejects at once and arms nothing', async (t) => {
  const clock = new ManualClock()
  const reason = new Error('too late')
  t.is(await t.throwsAsync(delay(clock, 500, AbortSignal.abort(reason))), reason)
  t.is(clock.pending, 0)
})

test('delay without a signal resolves when its time is up', async (t) => {
  const clock = new ManualClock()
  const waiting = delay(clock, 0)
  clock.advance(0)
  await t.notThrowsAsync(waiting)
})

/** An AbortController that counts who listens to it. */
class CountingSignal extends AbortController {
  listeners = 0

  constructor() {
    super()
    const { signal } = this
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      this.listeners++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      this.listeners--
      remove(...args)
    }
  }
}
