import test from 'ava'
import fc from 'fast-check'
import { EpochCheck } from '../../../../lib/protocol/port-mapping/epoch.ts'

/** Whether the second reading, so many seconds after the first, tells of a reset. */
function resets(protocol: 'pcp' | 'nat-pmp', firstS: number, secondS: number, laterS: number): boolean {
  const check = new EpochCheck(protocol)
  check.hasReset(firstS, 5_000)
  return check.hasReset(secondS, 5_000 + laterS * 1_000)
}

test('the first answer says nothing', (t) => {
  t.false(new EpochCheck('pcp').hasReset(0, 0))
  t.false(new EpochCheck('nat-pmp').hasReset(0, 0))
})

test('PCP: back by more than a second is a reset (RFC 6887 §8.5)', (t) => {
  t.false(resets('pcp', 100, 99, 0))
  t.true(resets('pcp', 100, 98, 0))
  t.true(resets('pcp', 100_000, 3, 60))
})

test('PCP: more than 2 s and a sixteenth ahead or behind is a reset (RFC 6887 §8.5)', (t) => {
  // Behind: 1000 s here, 935.5 s there at least.
  t.false(resets('pcp', 0, 936, 1_000))
  t.true(resets('pcp', 0, 935, 1_000))
  // Ahead: (1000 + 2) / (15/16) = 1068.8 s there at most.
  t.false(resets('pcp', 0, 1_068, 1_000))
  t.true(resets('pcp', 0, 1_069, 1_000))
})

test('NAT-PMP: slower than 7/8 of our clock, less 2 s, is a reset; faster is none (RFC 6886 §3.6)', (t) => {
  t.false(resets('nat-pmp', 0, 873, 1_000))
  t.true(resets('nat-pmp', 0, 872, 1_000))
  t.false(resets('nat-pmp', 0, 50_000, 1_000))
  t.true(resets('nat-pmp', 500, 1, 10))
})

test('each answer is compared with the one before it', (t) => {
  const check = new EpochCheck('pcp')
  t.false(check.hasReset(1_000, 0))
  t.true(check.hasReset(1, 60_000))
  t.false(check.hasReset(11, 70_000))
  t.false(check.hasReset(3_611, 3_670_000))
})

test('a gateway whose clock runs as ours does, read by whole seconds, never resets', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom('pcp' as const, 'nat-pmp' as const),
      fc.nat(4_000_000),
      fc.array(fc.integer({ min: 0, max: 20_000_000 }), { maxLength: 20 }),
      (protocol, startS, pausesMs) => {
        const check = new EpochCheck(protocol)
        let nowMs = 0
        for (const pauseMs of pausesMs) {
          nowMs += pauseMs
          t.false(check.hasReset(startS + Math.floor(nowMs / 1_000), nowMs))
        }
      },
    ),
  )
})
