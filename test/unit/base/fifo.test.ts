import test from 'ava'
import fc from 'fast-check'
import { Fifo } from '../../../lib/base/fifo.ts'
import { living } from '../../support/living.ts'

test('as a list does, whatever is done to it', (t) => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('push' as const), count: fc.nat({ max: 100 }) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('shift' as const), count: fc.nat({ max: 100 }) }) },
    fc.constant({ kind: 'replace' as const, count: 1 }),
    fc.constant({ kind: 'clear' as const, count: 1 }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new Fifo<number>()
      let model: number[] = []
      let next = 0
      for (const { kind, count } of steps) {
        for (let i = 0; i < count; i++) {
          next++
          if (kind === 'push') {
            queue.push(next)
            model.push(next)
          } else if (kind === 'shift') t.is(queue.shift(), model.shift())
          else if (kind === 'clear') {
            queue.clear()
            model = []
          } else {
            queue.replaceFirst(next)
            if (model.length > 0) model[0] = next
          }
          t.is(queue.length, model.length)
          t.is(queue.first, model[0])
        }
      }
    }),
  )
})

test('a queue gives first what came first', (t) => {
  const queue = new Fifo<number>()
  for (let i = 0; i < 5; i++) queue.push(i)
  t.deepEqual([queue.shift(), queue.shift(), queue.length], [0, 1, 3])
  queue.push(5)
  t.deepEqual(
    [queue.shift(), queue.shift(), queue.shift(), queue.shift(), queue.shift()],
    [2, 3, 4, 5, undefined],
  )
})

test('regression: a queue that is never empty lets go of what was taken', async (t) => {
  const queue = new Fifo<object>()
  const refs = Array.from({ length: 1000 }, () => {
    const item = {}
    queue.push(item)
    return new WeakRef(item)
  })
  for (let i = 1; i < refs.length; i++) queue.shift()
  t.is(queue.length, 1)
  t.true((await living(refs)) <= 64)
})
