import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { ReadCrowd } from '../../../lib/net/read-crowd.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'

function crowdOf(count: number) {
  const clock = new VirtualClock()
  const crowd = new ReadCrowd(clock)
  const wentOn: number[] = []
  const readers = Array.from({ length: count }, (_, at) => ({ readOn: () => wentOn.push(at) }))
  /** All read much in one turn of the event loop, and in this order; answers who has to wait. */
  const all = () => readers.map((reader) => crowd.mustWait(reader))
  return { clock, crowd, readers, wentOn, all }
}

test('three in one turn never wait, nor does one who reads again and again', async (t) => {
  const { crowd, readers, all } = crowdOf(3)
  for (let turns = 0; turns < 10; turns++) {
    t.deepEqual(all(), [false, false, false])
    await turn()
  }
  const [one] = readers
  if (one === undefined) throw new Error('three readers')
  for (let reads = 0; reads < 100; reads++) t.false(crowd.mustWait(one))
})

test('from the fourth in a turn on all wait, in the next turn from the first on', async (t) => {
  const { clock, wentOn, all } = crowdOf(5)
  t.deepEqual(all(), [false, false, false, true, true])
  await turn()
  t.deepEqual(all(), [true, true, true, true, true])
  t.deepEqual(wentOn, [])
  clock.advance(1)
  t.deepEqual(wentOn, [3, 4, 0, 1, 2, 3, 4])
  clock.advance(10)
  t.is(wentOn.length, 7, 'each wait ends once')
})

test('who is alone again waits no more', async (t) => {
  const { crowd, readers, all } = crowdOf(4)
  all()
  await turn()
  const [one] = readers
  if (one === undefined) throw new Error('four readers')
  t.true(crowd.mustWait(one), 'the last turn was crowded')
  await turn()
  t.false(crowd.mustWait(one))
})

test('who waits again when its wait is over waits for the next moment', async (t) => {
  const clock = new VirtualClock()
  const crowd = new ReadCrowd(clock)
  let reads = 0
  const again = { readOn: () => reads++ < 3 && crowd.mustWait(again) }
  const others = Array.from({ length: 3 }, () => ({ readOn: () => undefined }))
  for (const reader of [...others, again]) crowd.mustWait(reader)
  await turn()
  for (const count of [1, 2, 3, 4, 4]) {
    clock.advance(1)
    t.is(reads, count)
  }
})
