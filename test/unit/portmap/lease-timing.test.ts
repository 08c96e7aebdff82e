import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import { renewalDelayMs, retryPauseMs } from '../../../lib/portmap/lease-timing.ts'

test('renews after half of the lifetime, not more often than RFC 6887 §11.2.1 allows', (t) => {
  t.is(renewalDelayMs(7_200), 3_600_000)
  t.is(renewalDelayMs(600), 300_000)
  t.is(renewalDelayMs(1), 4_000)
})

test('permanent and very long mappings are looked after every hour, which a timer can hold', (t) => {
  t.is(renewalDelayMs(0), 3_600_000)
  t.is(renewalDelayMs(604_800), 3_600_000)
  t.true(renewalDelayMs(0xffff_ffff) < 2 ** 31)
})

test('tries again soon at first, then once a minute; what is hopeless waits longer', (t) => {
  const silent = new ReachError('ERR_REACH_NO_GATEWAY', 'nobody')
  const pauses = Array.from({ length: 12 }, (_, attempt) => retryPauseMs(attempt, silent))
  t.is(pauses[0], 500)
  t.deepEqual(
    pauses,
    pauses.toSorted((a, b) => a - b),
  )
  t.is(pauses.at(-1), 60_000)
  t.true(retryPauseMs(0, new ReachError('ERR_REACH_MAPPING_UNREACHABLE', 'dead')) > 60_000)
})
