import test from 'ava'
import { IdleTimer } from '../../../lib/session/idle-timer.ts'
import { FakeClock } from '../net/support/fake-clock.ts'

function idleTimer() {
  const clock = new FakeClock()
  const state = { queued: 0, told: 0 }
  const around = {
    nowMs: () => clock.nowMs(),
    setTimer: (delayMs: number, callback: () => void) => clock.setTimer(delayMs, callback),
    queuedLength: () => state.queued,
  }
  return { clock, state, timer: new IdleTimer(around, () => state.told++) }
}

test('tells once when nothing happened, and again after something did', (t) => {
  const { clock, state, timer } = idleTimer()
  timer.touch()
  clock.advance(10_000)
  t.is(state.told, 0, 'nothing was set')
  timer.set(100)
  clock.advance(99)
  t.is(state.told, 0)
  clock.advance(1)
  t.is(state.told, 1)
  clock.advance(1000)
  t.is(state.told, 1)
  timer.touch()
  clock.advance(100)
  t.is(state.told, 2)
})

test('what happens puts it off, and a busy stream has one timer', (t) => {
  const { clock, state, timer } = idleTimer()
  timer.set(100)
  for (let at = 0; at < 50; at++) {
    clock.advance(30)
    timer.touch()
    t.is(clock.pendingTimers, 1)
  }
  t.is(state.told, 0)
  clock.advance(99)
  t.is(state.told, 0)
  clock.advance(1)
  t.is(state.told, 1)
})

test('a queue that moves is something that happens, one that stands is not', (t) => {
  const { clock, state, timer } = idleTimer()
  timer.set(100)
  state.queued = 1000
  timer.touch()
  for (let at = 0; at < 5; at++) {
    state.queued -= 10
    clock.advance(100)
    t.is(state.told, 0)
  }
  clock.advance(100)
  t.is(state.told, 1)
})

test('0 ends it, and so does stop; it takes spans of time only', (t) => {
  const { clock, state, timer } = idleTimer()
  timer.set(100)
  t.is(timer.idleMs, 100)
  timer.set(0)
  t.is(clock.pendingTimers, 0)
  timer.set(100)
  timer.stop()
  timer.touch()
  t.is(clock.pendingTimers, 0)
  clock.advance(1000)
  t.is(state.told, 0)
  for (const bad of [-1, NaN, Infinity]) t.throws(() => timer.set(bad), { instanceOf: RangeError })
})
