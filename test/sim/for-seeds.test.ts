import test from 'ava'
import { forSeeds, forSeedsAsync } from './for-seeds.ts'

test('runs the scenario once per seed, counting from 1', (t) => {
  const seen: number[] = []
  forSeeds(3, (seed) => seen.push(seed))
  t.deepEqual(seen, [1, 2, 3])
})

test('a failure comes out with its seed and its cause', async (t) => {
  const cause = new Error('no packet came')
  const fail = (seed: number) => {
    if (seed === 2) throw cause
  }
  const error = t.throws(() => forSeeds(5, fail), { message: 'seed 2: no packet came' })
  t.is(error.cause, cause)
  await t.throwsAsync(
    forSeedsAsync(5, async (seed) => {
      await Promise.resolve()
      fail(seed)
    }),
    { message: 'seed 2: no packet came' },
  )
})
