import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { liveness } from '../../../../lib/protocol/link/path-liveness.ts'
import { forSeeds } from '../../../sim/for-seeds.ts'
import { LinkPair } from './link-pair.ts'
import type { PathCharacter } from './simulated-path.ts'

const RELAY: PathCharacter = { latencyMs: 40, jitterMs: 2, bufferLength: 500_000, maxPiece: 16_384 }
const DIRECT: PathCharacter = { latencyMs: 5, jitterMs: 1, bufferLength: 500_000, maxPiece: 16_384 }
const TOTALS = { a: 12_000_000, b: 12_000_000 }

test('an upgrade and the way back lose nothing of a running transfer, and the relay stays on standby', (t) => {
  forSeeds(5, (seed) => {
    const pair = new LinkPair({ seed, totals: TOTALS })
    const relay = pair.dial('a', RELAY)
    pair.runTo(pair.nowMs + 200)
    const direct = pair.dial('b', DIRECT)
    pair.runTo(pair.nowMs + 50)
    t.true(pair.activate('a', direct))
    t.true(pair.activate('b', direct))
    pair.runTo(pair.nowMs + 30)
    t.true(pair.a.app.received < TOTALS.b, 'the transfer still runs')
    t.deepEqual([pair.closedPaths('a'), pair.closedPaths('b')], [[], []])
    t.true(pair.activate('a', relay))
    pair.runToEnd(60_000)
    t.deepEqual([pair.a.app.received, pair.b.app.received], [TOTALS.b, TOTALS.a])
    t.deepEqual([pair.end('a'), pair.end('b')], [{ kind: 'finished' }, { kind: 'finished' }])
  })
})

test('when the active path dies in silence, the standby carries on within the time of one busy ping', (t) => {
  forSeeds(5, (seed) => {
    const pair = new LinkPair({ seed, totals: TOTALS })
    pair.dial('a', RELAY)
    pair.runTo(pair.nowMs + 100)
    const direct = pair.dial('a', DIRECT)
    pair.runTo(pair.nowMs + 50)
    pair.activate('a', direct)
    pair.activate('b', direct)
    pair.runTo(pair.nowMs + 20)
    direct.die('silent', pair.nowMs)
    const diedMs = pair.nowMs
    const worstMs = liveness.busyPingIntervalMs + liveness.replyTimeoutMs + 2 * RELAY.latencyMs + 10
    pair.runTo(diedMs + worstMs)
    t.deepEqual([pair.a.link?.activePath, pair.b.link?.activePath], [0, 0])
    const why = [...pair.closedPaths('a'), ...pair.closedPaths('b')].toSorted()
    t.true(why.includes('silent'), why.join())
    pair.runToEnd(60_000)
    t.deepEqual([pair.a.app.received, pair.b.app.received], [TOTALS.b, TOTALS.a])
  })
})

test('a session without any path is resumed by whoever dials', (t) => {
  for (const dialler of ['a', 'b'] as const) {
    forSeeds(3, (seed) => {
      const pair = new LinkPair({ seed, totals: TOTALS })
      const first = pair.dial('a', RELAY)
      pair.runTo(pair.nowMs + 150)
      first.die('loud', pair.nowMs)
      pair.runTo(pair.nowMs + 30_000)
      t.is(pair.effectsOf('a', 'path-needed').length, 1)
      t.is(pair.effectsOf('b', 'path-needed').length, 1)
      pair.dial(dialler, DIRECT)
      pair.runToEnd(60_000)
      t.deepEqual([pair.a.app.received, pair.b.app.received], [TOTALS.b, TOTALS.a])
      t.deepEqual([pair.end('a'), pair.end('b')], [{ kind: 'finished' }, { kind: 'finished' }])
    })
  }
})

test('when no path comes back, what arrived is a prefix, both sides end, and nothing is held', (t) => {
  forSeeds(5, (seed) => {
    const pair = new LinkPair({ seed, totals: TOTALS })
    const first = pair.dial('a', RELAY)
    pair.runTo(pair.nowMs + 150)
    first.die('silent', pair.nowMs)
    pair.runToEnd(120_000)
    for (const side of [pair.a, pair.b]) {
      const end = pair.end(side.name)
      t.true(end?.kind === 'failed' && ReachError.is(end.error, 'ERR_REACH_SESSION_LOST'))
      t.true(side.app.received > 0 && side.app.received < TOTALS.a)
      t.is(side.link?.replay.held, 0)
      t.is(side.budget.left, 64 * 1024 * 1024)
    }
  })
})

test('a fat and long path is filled: the buffer grows to what it takes, and no further than needed', (t) => {
  // 2 MB each 100 ms are 20 MB/s; a buffer of 256 KiB would carry 2.6.
  const path: PathCharacter = { latencyMs: 50, jitterMs: 0, bufferLength: 1_000_000, maxPiece: 65_536 }
  const pair = new LinkPair({ seed: 1, totals: { a: 40_000_000, b: 0 }, maxChunk: 65_536 })
  pair.dial('a', path)
  pair.runTo(pair.nowMs + 1_500)
  const { capacity } = pair.a.link?.replay ?? { capacity: 0 }
  t.true(capacity > 1_500_000, `${capacity} bytes`)
  t.true(capacity < 8_000_000, `${capacity} bytes`)
})
