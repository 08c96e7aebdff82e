import test from 'ava'
import { Backoff, fullJitterMs } from '../../../lib/membership/backoff.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'

/** The greatest chance there is: each wait is its bound. */
const random = { bytes: (length: number) => new Uint8Array(length).fill(0xff) }

test('the bound doubles from a second up to half a minute, and the wait is anything below it', (t) => {
  const bounds = [1, 2, 3, 4, 5, 6, 7].map((failures) => fullJitterMs(failures, random.bytes(4)))
  t.deepEqual(bounds, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  t.is(fullJitterMs(3, new Uint8Array(4)), 0)
  t.is(fullJitterMs(3, Uint8Array.of(0x80, 0, 0, 0)), 2000)
})

test('each failure in a row doubles the wait; a connection that held for more than a minute begins anew', (t) => {
  const clock = new VirtualClock()
  const backoff = new Backoff({ clock, random })
  const waitAfter = (heldMs: number) => {
    backoff.begin()
    clock.advance(heldMs)
    return backoff.over()
  }
  t.deepEqual([waitAfter(0), waitAfter(10), waitAfter(60_000)], [1000, 2000, 4000])
  t.deepEqual([waitAfter(60_001), waitAfter(0)], [1000, 2000])
})
