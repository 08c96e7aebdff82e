import { Readable } from 'node:stream'
import test from 'ava'
import fc from 'fast-check'
import { delay } from '../../lib/base/deadline.ts'
import { VirtualClock } from './virtual-clock.ts'

test('time stands still until it is told to go on', (t) => {
  const clock = new VirtualClock()
  let isDone = false
  clock.setTimer(10, () => (isDone = true))
  t.is(clock.nowMs(), 0)
  clock.advance(9)
  t.false(isDone)
  clock.advance(1)
  t.true(isDone)
  t.is(clock.nowMs(), 10)
})

test('timers fire in order of time, and of two at one moment the first one first', (t) => {
  const clock = new VirtualClock()
  const order: string[] = []
  clock.setTimer(2, () => order.push('late'))
  clock.setTimer(1, () => order.push('first'))
  clock.setTimer(1, () => order.push('second'))
  clock.setTimer(0, () => order.push('now'))
  clock.advance(5)
  t.deepEqual(order, ['now', 'first', 'second', 'late'])
})

test('for any delays, timers fire sorted by time and then by insertion', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ delayMs: fc.nat(20), isCancelled: fc.boolean() }), { maxLength: 600 }),
        (plans) => {
          const clock = new VirtualClock()
          const fired: number[] = []
          const timers = plans.map(({ delayMs }, i) => clock.setTimer(delayMs, () => fired.push(i)))
          for (const [i, timer] of timers.entries()) if (plans[i]?.isCancelled === true) timer.cancel()
          clock.advance(20)
          const expected = plans
            .map((plan, i) => ({ ...plan, i }))
            .filter(({ isCancelled }) => !isCancelled)
            .sort((a, b) => a.delayMs - b.delayMs || a.i - b.i)
            .map(({ i }) => i)
          return fired.join() === expected.join() && clock.pendingTimers === 0
        },
      ),
    ),
  )
})

test('a callback sees the moment that it asked for, and may set timers that still belong to the run', (t) => {
  const clock = new VirtualClock()
  const moments: number[] = []
  const again = () => {
    moments.push(clock.nowMs())
    if (moments.length < 3) clock.setTimer(5, again)
  }
  clock.setTimer(5, again)
  clock.runUntil(100)
  t.deepEqual(moments, [5, 10, 15])
  t.is(clock.nowMs(), 100)
})

test('a timer for a deadline never rings before it, however crooked the numbers', (t) => {
  // Without the clock's grid, `now + (deadline - now)` is less than the deadline for some percent of all pairs.
  const firstMs = fc.double({ min: 0, max: 300, noNaN: true })
  const deadlineMs = fc.double({ min: 301, max: 2000, noNaN: true })
  const property = fc.property(firstMs, deadlineMs, (first, deadline) => {
    const clock = new VirtualClock()
    let firedAtMs = -1
    clock.setTimer(first, () => {
      clock.setTimer(deadline - clock.nowMs(), () => (firedAtMs = clock.nowMs()))
    })
    clock.runUntilIdle(3000)
    return firedAtMs >= deadline && firedAtMs - deadline < 0.002
  })
  t.notThrows(() => fc.assert(property, { numRuns: 2000 }))
})

test('a cancelled timer does not fire, costs no time and is not pending', (t) => {
  const clock = new VirtualClock()
  const timer = clock.setTimer(1000, () => t.fail())
  t.is(clock.pendingTimers, 1)
  timer.cancel()
  timer.cancel()
  t.is(clock.pendingTimers, 0)
  t.true(clock.runUntilIdle(10_000))
  t.is(clock.nowMs(), 0)
})

test('runUntilIdle stops at its limit and says that something is left', (t) => {
  const clock = new VirtualClock()
  const tick = () => void clock.setTimer(10, tick)
  tick()
  t.false(clock.runUntilIdle(100))
  t.is(clock.nowMs(), 100)
})

test('a delay that is no number is refused, a negative one is none, an infinite one never ends', (t) => {
  const clock = new VirtualClock()
  t.throws(() => clock.setTimer(Number.NaN, () => undefined), { instanceOf: RangeError })
  let isDone = false
  clock.setTimer(-5, () => (isDone = true))
  clock.setTimer(Infinity, () => t.fail())
  clock.advance(0)
  t.true(isDone)
  t.true(clock.runUntilIdle(1e9))
})

test('the wall clock jumps without any timer noticing', (t) => {
  const clock = new VirtualClock()
  let isDone = false
  clock.setTimer(10, () => (isDone = true))
  const before = clock.wallMs()
  clock.jumpWall(-3_600_000)
  t.is(clock.wallMs() - before, -3_600_000)
  t.is(clock.nowMs(), 0)
  clock.advance(9)
  t.false(isDone)
  t.is(clock.wallMs() - before, -3_599_991)
})

test('driving the clock from one of its own callbacks is an error', (t) => {
  const clock = new VirtualClock()
  clock.setTimer(1, () => clock.advance(1))
  t.throws(() => clock.advance(2), { message: /already running/ })
})

test('what reschedules itself without delay for ever is found out', (t) => {
  const clock = new VirtualClock()
  const again = () => void clock.setTimer(0, again)
  again()
  t.throws(() => clock.advance(1), { message: /stands still/ })
})

test('promise-based code runs to its end in virtual time, without any real waiting', async (t) => {
  const clock = new VirtualClock()
  const program = async () => {
    for (let i = 0; i < 5; i++) await delay(clock, 60_000)
    return clock.nowMs()
  }
  t.is(await clock.runUntilSettled(program(), 1e6), 300_000)
})

test('promises that wait for each other run between two events at one moment', async (t) => {
  const clock = new VirtualClock()
  const order: string[] = []
  const first = delay(clock, 10).then(async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
    order.push('continuation of the first')
  })
  const second = delay(clock, 10).then(() => order.push('second'))
  await clock.runUntilSettled(Promise.all([first, second]), 100)
  t.deepEqual(order, ['continuation of the first', 'second'])
})

test('streams, which live on nextTick, run under virtual time', async (t) => {
  const clock = new VirtualClock()
  const stream = new Readable({
    read() {
      clock.setTimer(10, () => this.push(clock.nowMs() > 30 ? null : 'x'))
    },
  })
  const read = async () => {
    let length = 0
    for await (const chunk of stream) length += String(chunk).length
    return length
  }
  t.is(await clock.runUntilSettled(read(), 1000), 3)
})

test('runUntilSettled answers with the rejection, too', async (t) => {
  const clock = new VirtualClock()
  const program = delay(clock, 5).then(() => Promise.reject(new Error('told you')))
  await t.throwsAsync(clock.runUntilSettled(program, 10), { message: 'told you' })
})

test('runUntilSettled says when its limit has passed, and when nothing can happen any more', async (t) => {
  const clock = new VirtualClock()
  await t.throwsAsync(clock.runUntilSettled(delay(clock, 1000), 100), { message: /100 ms have passed/ })
  clock.runUntilIdle(10_000)
  await t.throwsAsync(clock.runUntilSettled(new Promise(() => undefined), 100), {
    message: /nothing is left to happen/,
  })
})

test('settle runs what is due now, and no more', async (t) => {
  const clock = new VirtualClock()
  const order: string[] = []
  void delay(clock, 0).then(async () => {
    order.push('now')
    await delay(clock, 0)
    order.push('then')
    await delay(clock, 1)
    order.push('later')
  })
  await clock.settle()
  t.deepEqual(order, ['now', 'then'])
  t.is(clock.nowMs(), 0)
})
