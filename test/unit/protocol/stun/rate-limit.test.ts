import test from 'ava'
import fc from 'fast-check'
import { SourceRateLimit } from '../../../../lib/protocol/stun/rate-limit.ts'

const options = { ratePerS: 10, burst: 20, maxSources: 100 }

/** How many of `count` tries at once get through. */
function takeMany(limit: SourceRateLimit, source: string, nowMs: number, count: number): number {
  return Array.from({ length: count }, () => limit.take(source, nowMs)).filter(Boolean).length
}

test('lets a burst through, then the rate', (t) => {
  const limit = new SourceRateLimit(options)
  t.is(takeMany(limit, 'a', 0, 100), 20)
  t.is(takeMany(limit, 'a', 99, 100), 0)
  t.is(takeMany(limit, 'a', 100, 100), 1)
  t.is(takeMany(limit, 'a', 1100, 100), 10)
})

test('never saves more than the burst', (t) => {
  const limit = new SourceRateLimit(options)
  t.is(takeMany(limit, 'a', 0, 1), 1)
  t.is(takeMany(limit, 'a', 3_600_000, 100), 20)
})

test('counts each source apart', (t) => {
  const limit = new SourceRateLimit(options)
  t.is(takeMany(limit, 'a', 0, 100), 20)
  t.is(takeMany(limit, 'b', 0, 100), 20)
})

const steps = fc.array(
  fc.record({
    waitMs: fc.integer({ min: 0, max: 1500 }),
    source: fc.constantFrom('a', 'b', 'c'),
    strangers: fc.nat(30),
  }),
  { maxLength: 60 },
)

test('allows no source more than burst plus rate times time', (t) => {
  fc.assert(
    fc.property(steps, (all) => {
      const { mostTaken, elapsedMs } = play(new SourceRateLimit({ ...options, maxSources: 10_000 }), all)
      return mostTaken <= options.burst + (elapsedMs / 1000) * options.ratePerS
    }),
  )
  t.pass()
})

test('lets a source use its own bucket and the strangers’ at most when strangers fill all room', (t) => {
  fc.assert(
    fc.property(steps, (all) => {
      const limit = new SourceRateLimit({ ...options, maxSources: 4 })
      const { mostTaken, elapsedMs } = play(limit, all)
      return mostTaken <= 2 * (options.burst + (elapsedMs / 1000) * options.ratePerS) && limit.size <= 4
    }),
  )
  t.pass()
})

/** Three sources that ask for more than they get, among strangers that never come back. */
function play(
  limit: SourceRateLimit,
  all: readonly { readonly waitMs: number; readonly source: string; readonly strangers: number }[],
): { mostTaken: number; elapsedMs: number } {
  const taken = new Map<string, number>()
  let nowMs = 0
  let stranger = 0
  for (const { waitMs, source, strangers } of all) {
    nowMs += waitMs
    for (let i = 0; i < strangers; i++) limit.take(`stranger ${stranger++}`, nowMs)
    taken.set(source, (taken.get(source) ?? 0) + takeMany(limit, source, nowMs, 25))
  }
  return { mostTaken: Math.max(0, ...taken.values()), elapsedMs: nowMs }
}

test('forgets a source only when its bucket is full again', (t) => {
  const limit = new SourceRateLimit(options)
  t.is(takeMany(limit, 'a', 0, 100), 20)
  // Generations turn each 2 s: this one sees `a` go to the older one, not out.
  t.is(takeMany(limit, 'b', 2000, 1), 1)
  t.is(takeMany(limit, 'a', 2000, 100), 20)
  t.is(takeMany(limit, 'b', 3900, 1), 1)
  t.is(takeMany(limit, 'a', 3900, 100), 19)
})

test('remembers at most maxSources; the others share one bucket until there is room', (t) => {
  const limit = new SourceRateLimit(options)
  for (let i = 0; i < 100; i++) t.true(limit.take(`source ${i}`, 0))
  t.is(limit.size, 100)
  t.is(takeMany(limit, 'new 1', 0, 15), 15)
  t.is(takeMany(limit, 'new 2', 0, 15), 5)
  t.is(limit.size, 100)
  t.is(takeMany(limit, 'source 7', 0, 100), 19, 'who is known keeps his own')
  t.is(takeMany(limit, 'new 2', 4001, 1), 1)
  t.is(takeMany(limit, 'new 2', 6002, 100), 20, 'room again')
})

test('forgets everybody after two idle generations', (t) => {
  const limit = new SourceRateLimit(options)
  for (let i = 0; i < 50; i++) limit.take(`source ${i}`, 0)
  limit.take('a', 2000)
  limit.take('a', 4000)
  t.is(limit.size, 1)
})

test('allows everything without a limit, and remembers nobody', (t) => {
  const limit = new SourceRateLimit({ ratePerS: Infinity, burst: 1, maxSources: 1 })
  t.is(takeMany(limit, 'a', 0, 1000), 1000)
  t.is(limit.size, 0)
})

test('gives nothing back at rate 0, and nothing at all with burst 0', (t) => {
  const once = new SourceRateLimit({ ratePerS: 0, burst: 3, maxSources: 1 })
  t.is(takeMany(once, 'a', 0, 10), 3)
  t.is(takeMany(once, 'a', 3_600_000, 10), 0)
  t.is(takeMany(once, 'a stranger', 3_600_000, 10), 3)
  t.is(takeMany(once, 'another', 7_200_000, 10), 0)
  t.is(takeMany(new SourceRateLimit({ ratePerS: 5, burst: 0, maxSources: 9 }), 'a', 1000, 10), 0)
})

test('does not give tokens for time that runs backwards', (t) => {
  const limit = new SourceRateLimit(options)
  t.is(takeMany(limit, 'a', 1000, 100), 20)
  t.is(takeMany(limit, 'a', 0, 100), 0)
})

test('refuses limits that are no numbers', (t) => {
  for (const value of [-1, NaN, -Infinity]) {
    t.throws(() => new SourceRateLimit({ ...options, ratePerS: value }), { instanceOf: RangeError })
    t.throws(() => new SourceRateLimit({ ...options, burst: value }), { instanceOf: RangeError })
    t.throws(() => new SourceRateLimit({ ...options, maxSources: value }), { instanceOf: RangeError })
  }
})
