import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { FRAME_FLAGS, FRAME_TYPES, INITIAL_WINDOW } from '../../../../lib/protocol/mux/frame.ts'
import { muxDefaults } from '../../../../lib/protocol/mux/mux-options.ts'
import { MuxSession } from '../../../../lib/protocol/mux/mux-session.ts'
import { MuxPair } from './mux-pair.ts'
import { frameBytes, framesIn } from './raw-peer.ts'

const { intervalMs, timeoutMs } = muxDefaults.keepalive
const { syn: SYN, ack: ACK } = FRAME_FLAGS
const { ping: PING, windowUpdate: WINDOW } = FRAME_TYPES

function aSession(): MuxSession {
  return new MuxSession({ role: 'initiator', hasOpenHeaders: false }, 0)
}

/** The values of the pings that a session asks now. */
function pings(session: MuxSession, nowMs: number): readonly number[] {
  return framesIn(Buffer.concat(session.pull(1 << 20, nowMs)))
    .filter(({ type, flags }) => type === PING && flags === SYN)
    .map(({ length }) => length)
}

function answer(session: MuxSession, value: number, nowMs: number): void {
  session.receive(frameBytes({ type: PING, flags: ACK, streamId: 0, length: value }), nowMs)
}

test('the first ping goes at once, the next one an interval after the answer', (t) => {
  const session = aSession()
  t.deepEqual(pings(session, 0), [0])
  t.is(session.rttMs, undefined)
  answer(session, 0, 30)
  t.is(session.rttMs, 30)
  t.is(session.deadlineMs, 30 + intervalMs)
  session.handleTimeout(29 + intervalMs)
  t.deepEqual(pings(session, 29 + intervalMs), [])
  session.handleTimeout(30 + intervalMs)
  t.deepEqual(pings(session, 30 + intervalMs), [1])
})

test('a peer that answers nothing is given up after the reply deadline', (t) => {
  const session = aSession()
  pings(session, 0)
  t.is(session.deadlineMs, timeoutMs)
  session.handleTimeout(timeoutMs - 1)
  t.is(session.end, undefined)
  session.handleTimeout(timeoutMs)
  t.true(session.end?.kind === 'failed' && ReachError.is(session.end.error, 'ERR_REACH_SESSION_LOST'))
  t.is(session.deadlineMs, undefined)
  t.deepEqual(session.pull(1000, timeoutMs), [], 'there is nobody to tell')
})

test('the reply deadline runs while the link takes nothing', (t) => {
  const session = aSession()
  session.handleTimeout(timeoutMs)
  t.is(session.end?.kind, 'failed')
})

test('a peer that is busy sending has longer to answer, but not for ever', (t) => {
  const session = aSession()
  pings(session, 0)
  session.receive(frameBytes({ type: WINDOW, flags: SYN, streamId: 2 }), 0)
  for (let nowMs = 1000; nowMs < 3 * timeoutMs; nowMs += 1000) {
    session.receive(frameBytes({ type: WINDOW, streamId: 2, length: 1 }), nowMs)
    session.handleTimeout(nowMs)
    t.is(session.end, undefined, `${nowMs}`)
  }
  session.handleTimeout(3 * timeoutMs)
  t.is(session.end?.kind, 'failed')
})

test('two sessions with nothing to say keep each other alive', (t) => {
  const pair = new MuxPair({ delayMs: 100 })
  pair.runUntil(600_000)
  t.is(pair.a.session.end, undefined)
  t.is(pair.b.session.rttMs, 200)
})

test('a session whose peer falls silent notices within an interval and the reply deadline', (t) => {
  const pair = new MuxPair({ delayMs: 100 })
  pair.runUntil(20_000)
  const endedAtMs: number[] = []
  pair.a.onEvent = ({ kind }) => kind === 'ended' && endedAtMs.push(pair.nowMs)
  for (let nowMs = 20_000; nowMs < 60_000; nowMs += 10) {
    pair.b.flight.length = 0 // lost
    pair.runUntil(nowMs)
  }
  t.is(endedAtMs.length, 1)
  t.true((endedAtMs[0] ?? Infinity) <= 20_000 + intervalMs + timeoutMs + 200, endedAtMs.join())
})

test('the smallest of the last round trips counts, and an old one is forgotten', (t) => {
  const session = aSession()
  let nowMs = 0
  for (const [i, rttMs] of [50, 20, 90, 80, 70, 80, 90, 60, 75, 75].entries()) {
    session.handleTimeout(nowMs)
    t.deepEqual(pings(session, nowMs), [i])
    answer(session, i, (nowMs += rttMs))
    t.is(session.rttMs, [50, 20, 20, 20, 20, 20, 20, 20, 20, 60][i])
    nowMs = session.deadlineMs ?? NaN
  }
})

test('readers at work ask for a fresh round trip, at most once a second', (t) => {
  const session = aSession()
  pings(session, 0)
  answer(session, 0, 10)
  session.receive(frameBytes({ type: WINDOW, flags: SYN, streamId: 2 }), 10)
  const event = session.poll()
  const read = (nowMs: number): readonly number[] => {
    session.receive(frameBytes({ streamId: 2 }, new Uint8Array(INITIAL_WINDOW / 2)), nowMs)
    if (event?.kind === 'open') event.stream.consume(INITIAL_WINDOW / 2, nowMs)
    return pings(session, nowMs)
  }
  t.deepEqual([read(500), read(1009), read(1010)], [[], [], [1]])
  answer(session, 1, 1020)
  t.deepEqual([read(1500), read(2020)], [[], [2]])
})

test('without an interval there is no deadline once the first ping is answered', (t) => {
  const options = { keepalive: { intervalMs: Infinity, timeoutMs: 1000 } }
  const session = new MuxSession({ role: 'initiator', hasOpenHeaders: false, options }, 0)
  t.is(session.deadlineMs, 1000)
  pings(session, 0)
  answer(session, 0, 10)
  t.is(session.deadlineMs, undefined)
})
