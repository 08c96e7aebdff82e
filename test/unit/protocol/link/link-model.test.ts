import test from 'ava'
import fc from 'fast-check'
import { CHUNK_COST } from '../../../../lib/protocol/link/replay-buffer.ts'
import { MAX_WRITE_LENGTH } from '../../../../lib/protocol/link/send-half.ts'
import { LinkPair } from './link-pair.ts'
import type { PathCharacter, SimulatedPath } from './simulated-path.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 100)

const aCharacter = fc.record({
  latencyMs: fc.constantFrom(0, 0.2, 5, 40, 300),
  jitterMs: fc.constantFrom(0, 1, 30),
  bufferLength: fc.constantFrom(1, 2_000, 64_000, 1_000_000),
  maxPiece: fc.constantFrom(3, 100, 16_384, 1_000_000),
})

const aSide = fc.constantFrom('a' as const, 'b' as const)

const anEvent = fc.record({
  afterMs: fc.constantFrom(0, 0.5, 3, 30, 200, 1_500, 9_000),
  what: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('dial' as const), by: aSide, character: aCharacter }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('die' as const),
        which: fc.nat(9),
        how: fc.constantFrom('loud' as const, 'silent' as const, 'told-to-a' as const, 'told-to-b' as const),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('activate' as const), by: aSide, which: fc.nat(9) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('detach' as const), by: aSide, which: fc.nat(9) }),
    },
  ),
})

const aScenario = fc.record({
  seed: fc.nat(),
  totals: fc.record({ a: aTotal(), b: aTotal() }),
  budget: fc.constantFrom(0, 40_000, 300_000, 64 * 1024 * 1024),
  maxChunk: fc.constantFrom(1_000, 20_000, 130_000),
  first: aCharacter,
  events: fc.array(anEvent, { maxLength: 14 }),
})

type Event = (typeof anEvent extends fc.Arbitrary<infer T> ? T : never)['what']

test('whatever paths do, bytes arrive whole, once and in order, and all of them when a path stays', (t) => {
  fc.assert(
    fc.property(aScenario, ({ seed, totals, budget, maxChunk, first, events }) => {
      const pair = new LinkPair({ seed, totals, budget, maxChunk })
      const paths = [pair.dial('a', first)]
      for (const { afterMs, what } of events) {
        pair.runTo(pair.nowMs + afterMs)
        perform(pair, paths, what)
      }
      stayReachable(pair, paths)
      assertFinished(pair, totals)
    }),
    { numRuns: RUNS, includeErrorInReport: true },
  )
  t.pass()
})

/** Bounded replay: what is held never exceeds the capacity by more than one write. */
function assertFinished(pair: LinkPair, totals: { readonly a: number; readonly b: number }): void {
  const ends = [pair.end('a'), pair.end('b')].map((end) => end?.kind ?? 'none')
  const received = [pair.a.app.received, pair.b.app.received]
  if (received[0] !== totals.b || received[1] !== totals.a || ends.some((kind) => kind !== 'finished')) {
    throw new Error(`received ${received.join('/')} of ${totals.b}/${totals.a}, ended ${ends.join('/')}`)
  }
  if (!pair.a.app.sawEnd || !pair.b.app.sawEnd) throw new Error('the end was not told')
  const bound = MAX_WRITE_LENGTH + 4 * CHUNK_COST
  if (pair.worstExcess > bound) throw new Error(`held ${pair.worstExcess} bytes over the capacity`)
  for (const side of [pair.a, pair.b]) {
    if (side.link?.replay.held !== 0) throw new Error('something is held after the end')
  }
}

function perform(pair: LinkPair, paths: SimulatedPath[], what: Event): void {
  if (what.kind === 'dial') {
    paths.push(pair.dial(what.by, what.character))
    return
  }
  const path = paths[what.which % paths.length]
  if (path === undefined) return
  if (what.kind === 'die') {
    path.die(what.how, pair.nowMs)
  } else if (what.kind === 'activate') {
    pair.activate(what.by, path)
  } else {
    pair[what.by].link?.detach(path.id, pair.nowMs)
    pair.pump(what.by)
  }
}

/** A good path now and, should the peers give it up for reasons of their own, another one each few seconds. */
function stayReachable(pair: LinkPair, paths: SimulatedPath[]): void {
  const good: PathCharacter = { latencyMs: 5, jitterMs: 1, bufferLength: 300_000, maxPiece: 100_000 }
  for (let i = 0; i < 15 && (pair.end('a') === undefined || pair.end('b') === undefined); i++) {
    if (pair.a.link?.activePath === undefined || pair.b.link?.activePath === undefined || i === 0) {
      // Who has ended dials no more, and refuses the other with the news.
      paths.push(pair.dial(pair.end('a') === undefined ? 'a' : 'b', good))
    }
    pair.runToEnd(3_000)
  }
}

function aTotal(): fc.Arbitrary<number> {
  return fc.constantFrom(0, 1, 5_000, 300_000, 1_500_000)
}
