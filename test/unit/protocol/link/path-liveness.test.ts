import test from 'ava'
import { GENERATION_WINDOW, GenerationWindow } from '../../../../lib/protocol/link/generation-window.ts'
import { liveness, PathLiveness } from '../../../../lib/protocol/link/path-liveness.ts'

const IDLE = false
const BUSY = true

/** A path whose first ping was answered after 20 ms, at 20. */
function aPath(): PathLiveness {
  const path = new PathLiveness(liveness, 0)
  path.pong(path.pingSent(0), 20)
  path.heard(20)
  return path
}

test('pings at once, and measures the round trip', (t) => {
  const path = new PathLiveness(liveness, 0)
  t.true(path.isPingDue)
  const id = path.pingSent(5)
  t.false(path.isPingDue)
  path.pong(id + 1, 10)
  t.is(path.rttMs, undefined, 'a pong that nobody waits for')
  path.pong(id, 30)
  t.is(path.rttMs, 25)
  t.is(path.minRttMs, 25)
  path.pong(id, 500)
  t.is(path.rttMs, 25, 'the same pong again')
})

test('pings rarely when idle and often when bytes are unacknowledged', (t) => {
  const path = aPath()
  t.is(path.deadlineMs(IDLE), liveness.idlePingIntervalMs)
  t.is(path.deadlineMs(BUSY), liveness.busyPingIntervalMs)
  t.true(path.check(BUSY, liveness.busyPingIntervalMs - 1))
  t.false(path.isPingDue)
  t.true(path.check(BUSY, liveness.busyPingIntervalMs))
  t.true(path.isPingDue)
})

test('is dead when a ping is not answered in time, also when the path never took it', (t) => {
  const path = aPath()
  const dueMs = liveness.busyPingIntervalMs
  path.check(BUSY, dueMs)
  const deadMs = dueMs + liveness.replyTimeoutMs
  t.is(path.deadlineMs(BUSY), deadMs)
  t.true(path.check(BUSY, deadMs - 1))
  t.false(path.check(BUSY, deadMs))
})

test('waits longer while bytes come in, but not for ever', (t) => {
  const path = aPath()
  const dueMs = liveness.busyPingIntervalMs
  path.check(BUSY, dueMs)
  path.pingSent(dueMs)
  const lastMs = dueMs + liveness.maxReplyMs
  for (let nowMs = dueMs; nowMs < lastMs; nowMs += 1000) {
    path.heard(nowMs)
    t.true(path.check(BUSY, nowMs))
  }
  t.is(path.deadlineMs(BUSY), lastMs)
  t.false(path.check(BUSY, lastMs))
})

test('allows a far peer four round trips', (t) => {
  const path = new PathLiveness(liveness, 0)
  path.pong(path.pingSent(0), 2000)
  path.wantPing()
  path.check(IDLE, 2000)
  t.is(path.deadlineMs(IDLE), 2000 + 4 * 2000)
})

test('a process that stood still gives answers a moment to be read, once', (t) => {
  const path = aPath()
  path.check(BUSY, 1000)
  path.pingSent(1000)
  const lateMs = 60_000
  t.true(path.check(BUSY, lateMs))
  const graceMs = path.deadlineMs(BUSY)
  t.is(graceMs, lateMs + 1000)
  t.false(path.check(BUSY, graceMs + 10_000))
})

test('each attempt is let in once, in any order within the window', (t) => {
  const seen = new GenerationWindow()
  t.deepEqual(
    [
      3,
      1,
      2,
      3,
      1,
      0,
      40,
      40,
      40 - GENERATION_WINDOW,
      41 - GENERATION_WINDOW,
      2 ** 32 - 1,
      2 ** 32 - 1,
      39,
    ].map((generation) => seen.admit(generation)),
    [true, true, true, false, false, false, true, false, false, true, true, false, false],
  )
})

test('the window remembers each of its attempts', (t) => {
  const seen = new GenerationWindow()
  const some = Array.from({ length: GENERATION_WINDOW }, (_, i) => 2 * i + 1)
  for (const generation of some) t.true(seen.admit(generation))
  const highest = some.at(-1) ?? 0
  for (const generation of some) t.false(seen.admit(generation), `attempt ${generation} of ${highest}`)
})
