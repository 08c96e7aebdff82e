import test from 'ava'
import fc from 'fast-check'
import { clockSkew } from '../../../../lib/probe/egress/clock-skew.ts'
import type { DateSample } from '../../../../lib/probe/egress/clock-skew.ts'

const NOW_MS = Date.parse('2026-11-23T12:00:00Z')

/** What a server whose clock is `aheadMs` before ours shows after `rttMs`. */
function sample(
  aheadMs: number,
  options: { readonly rttMs?: number; readonly source?: string } = {},
): DateSample {
  const { rttMs = 0, source = 'relay' } = options
  const theirsMs = NOW_MS - rttMs / 2 + aheadMs
  return { source, date: new Date(theirsMs).toUTCString(), receivedWallMs: NOW_MS, rttMs }
}

test('a clock that may be right within half a round trip and a second has no skew', (t) => {
  for (const aheadMs of [0, 400, -400, 900, -400])
    t.is(clockSkew([sample(aheadMs)]).value, 0, String(aheadMs))
  t.is(clockSkew([sample(3000, { rttMs: 6000 })]).value, 0)
})

test('skew is our clock minus theirs: positive when ours is ahead', (t) => {
  const behind = clockSkew([sample(7_200_000)]).value
  const ahead = clockSkew([sample(-7_200_000)]).value
  t.true(typeof behind === 'number' && Math.abs(behind + 7_200_000) <= 1000, String(behind))
  t.true(typeof ahead === 'number' && Math.abs(ahead - 7_200_000) <= 1000, String(ahead))
})

test('the evidence says whose clock it was, and how exact it can be', (t) => {
  const fact = clockSkew([sample(-60_000, { rttMs: 100, source: 'https://relay.example' })])
  t.is(fact.confidence, 'measured')
  t.regex(fact.evidence[0] ?? '', /^https:\/\/relay\.example: \+\d+ ±1050 ms$/)
})

test('of several servers the median counts: one liar changes nothing', (t) => {
  const liar = sample(86_400_000 * 365)
  t.is(clockSkew([sample(0), liar, sample(100)]).value, 0)
  const skewed = clockSkew([sample(60_000), liar, sample(60_000)]).value
  t.true(typeof skewed === 'number' && Math.abs(skewed + 60_000) <= 1000, String(skewed))
})

test('two servers that contradict each other tell nothing', (t) => {
  const fact = clockSkew([sample(0), sample(3_600_000)])
  t.is(fact.value, 'unknown')
  t.is(fact.confidence, 'unknown')
  t.regex(fact.evidence.join('\n'), /contradict/)
})

test('without a Date that RFC 9110 §5.6.7 allows to send, nothing is known', (t) => {
  t.like(clockSkew([]), { value: 'unknown', evidence: ['no server showed its clock'] })
  const dates = [
    '',
    '0',
    '2026-11-23T12:00:00Z',
    'Monday, 23-Nov-26 12:00:00 GMT',
    'Mon, 23 Nov 2026 12:00:00 +0000',
    'Mon, 23 Nov 2026 99:00:00 GMT',
    'Mon, 99 Foo 2026 12:00:00 GMT',
    '9'.repeat(100_000),
    'Mon, 23 Nov 2026 12:00:00 GMT\u001b[2J',
  ]
  for (const date of dates) {
    const fact = clockSkew([{ ...sample(0), date }])
    t.is(fact.value, 'unknown', date.slice(0, 40))
    t.true(fact.evidence.join().length < 400)
    t.notRegex(fact.evidence.join(), /\u001b/)
  }
})

test('an unreadable Date does not hide the readable ones', (t) => {
  t.is(clockSkew([{ ...sample(0), date: 'never' }, sample(0)]).value, 0)
})

test('for any skew and round trip the true skew is within the bounds that are claimed', (t) => {
  const skews = fc.integer({ min: -1e9, max: 1e9 })
  const rtts = fc.integer({ min: 0, max: 5000 })
  // The server writes its Date at any moment of the round trip.
  const moments = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(skews, rtts, moments, (skewMs, rttMs, moment) => {
      const date = new Date(NOW_MS - rttMs * moment - skewMs).toUTCString()
      const { value } = clockSkew([{ source: 'relay', date, receivedWallMs: NOW_MS, rttMs }])
      const boundMs = rttMs / 2 + 1000
      // 0 stands for everything within the bound of what was seen, which may itself be off by as much.
      if (value === 0) return Math.abs(skewMs) <= 2 * boundMs
      return value !== 'unknown' && Math.abs(value - skewMs) <= boundMs
    }),
  )
  t.pass()
})
