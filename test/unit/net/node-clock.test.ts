import test from 'ava'
import { MAX_TIMER_MS, nodeClock } from '../../../lib/net/node-clock.ts'

const after = (delayMs: number) => new Promise<void>((resolve) => void nodeClock.setTimer(delayMs, resolve))

test('a timer fires once its delay has passed on the monotonic clock', async (t) => {
  const startMs = nodeClock.nowMs()
  await after(5)
  t.true(nodeClock.nowMs() - startMs >= 4)
})

test('a negative delay is no delay', async (t) => {
  await after(-1_000)
  t.pass()
})

test('a cancelled timer never fires, and may be cancelled again', async (t) => {
  const timer = nodeClock.setTimer(1, () => t.fail())
  timer.cancel()
  timer.cancel()
  await after(5)
  t.pass()
})

test('regression: a delay beyond 24.8 days, or without end, does not fire at once as setTimeout would', async (t) => {
  const timers = [MAX_TIMER_MS + 1, Number.POSITIVE_INFINITY].map((delayMs) =>
    nodeClock.setTimer(delayMs, () => t.fail()),
  )
  await after(10)
  for (const timer of timers) timer.cancel()
  t.pass()
})

test('NaN is a mistake of the caller', (t) => {
  t.throws(() => nodeClock.setTimer(Number.NaN, () => undefined), { instanceOf: RangeError })
})

test('the wall clock tells calendar time', (t) => {
  t.true(nodeClock.wallMs() > Date.UTC(2024, 0))
})
