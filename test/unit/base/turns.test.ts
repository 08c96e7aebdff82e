import test from 'ava'
import { Turns } from '../../../lib/base/turns.ts'
import { deferred } from '../../../lib/base/deferred.ts'

test('works run one after the other, also behind one that failed', async (t) => {
  const turns = new Turns()
  const seen: string[] = []
  const gate = deferred<undefined>()
  const first = turns.take(async () => {
    await gate.promise
    seen.push('first')
    throw new Error('no')
  })
  const second = turns.take(() => Promise.resolve(seen.push('second')))
  gate.resolve(undefined)
  await t.throwsAsync(first, { message: 'no' })
  t.is(await second, 2)
  t.deepEqual(seen, ['first', 'second'])
})

test('closing waits for what was taken, and nothing begins after it', async (t) => {
  const turns = new Turns()
  const seen: string[] = []
  const gate = deferred<undefined>()
  const first = turns.take(async () => {
    await gate.promise
    seen.push('first')
  })
  const closing = turns.close().then(() => seen.push('closed'))
  const late = turns.take(() => Promise.resolve(seen.push('late')))
  await t.throwsAsync(late, { code: 'ERR_REACH_ABORTED' })
  gate.resolve(undefined)
  await Promise.all([first, closing, turns.close()])
  t.deepEqual(seen, ['first', 'closed'])
})
