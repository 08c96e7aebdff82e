import test from 'ava'
import { StateFeed } from '../../../lib/portmap/state-feed.ts'

async function all(follower: AsyncIterable<number>): Promise<number[]> {
  const seen: number[] = []
  for await (const state of follower) seen.push(state)
  return seen
}

test('followers get the present state, each change, and the end', async (t) => {
  const told: number[] = []
  const feed = new StateFeed(1, (state) => told.push(state))
  const [first, second] = [all(feed.follow()), all(feed.follow())]
  feed.set(2)
  feed.set(3)
  feed.end(4)
  feed.set(5)
  t.deepEqual(await first, [1, 2, 3, 4])
  t.deepEqual(await second, [1, 2, 3, 4])
  t.deepEqual(told, [2, 3, 4])
  t.is(feed.state, 4)
  t.deepEqual(await all(feed.follow()), [4])
})

test('a signal ends one follower alone, also one that has fired already', async (t) => {
  const feed = new StateFeed(1)
  const stop = new AbortController()
  const stopped = all(feed.follow(stop.signal))
  const other = all(feed.follow())
  await Promise.resolve()
  stop.abort()
  feed.end(2)
  t.deepEqual((await stopped)[0], 1)
  t.deepEqual(await other, [1, 2])
  t.deepEqual(await all(feed.follow(AbortSignal.abort())), [])
})

test('a follower that reads nothing holds 64 states at most, the newest', async (t) => {
  const feed = new StateFeed(0)
  const follower = feed.follow()
  await follower.next()
  for (let state = 1; state <= 1_000; state++) feed.set(state)
  feed.end(1_001)
  const seen = await all(follower)
  t.is(seen.length, 64)
  t.is(seen.at(-1), 1_001)
})
