import test from 'ava'
import fc from 'fast-check'
import { ControlQueue } from '../../../../lib/protocol/mux/control-queue.ts'
import type { ControlState } from '../../../../lib/protocol/mux/control-queue.ts'
import { living } from '../../../support/living.ts'

class Stream {
  control: ControlState = 'none'
}

test('who owes something comes out once, whoever else comes and leaves meanwhile', (t) => {
  const step = fc.record({
    who: fc.nat({ max: 199 }),
    does: fc.constantFrom('add', 'add', 'remove', 'shift'),
    count: fc.nat({ max: 150 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const streams = Array.from({ length: 200 }, () => new Stream())
      const queue = new ControlQueue<Stream>()
      const due = new Set<Stream>()
      for (const { who, does, count } of steps) {
        for (const stream of streams.slice(who, who + count)) {
          if (does === 'add') {
            queue.add(stream)
            due.add(stream)
          } else if (does === 'remove') {
            queue.remove(stream)
            due.delete(stream)
          } else {
            const first = queue.shift()
            t.is(first === undefined, due.size === 0)
            t.is(first !== undefined && due.delete(first), first !== undefined)
          }
          t.is(queue.size, due.size)
        }
      }
      while (due.size > 0) t.true(due.delete(queue.shift() ?? new Stream()))
      t.is(queue.shift(), undefined)
    }),
  )
})

test('they come in the order in which they began to owe, whoever has left between them', (t) => {
  const queue = new ControlQueue<Stream>()
  const streams = Array.from({ length: 300 }, () => new Stream())
  for (const stream of streams) queue.add(stream)
  const staying = streams.filter((_, i) => i % 3 === 0)
  for (const stream of streams) if (!staying.includes(stream)) queue.remove(stream)
  for (const stream of staying) queue.add(stream) // they have their places
  t.deepEqual(
    staying.map(() => staying.indexOf(queue.shift() ?? new Stream())),
    staying.map((_, i) => i),
  )
})

test('a queue from which nobody takes lets go of those that leave', async (t) => {
  const queue = new ControlQueue<Stream>()
  queue.add(new Stream())
  const refs = Array.from({ length: 10_000 }, () => {
    const stream = new Stream()
    queue.add(stream)
    queue.remove(stream)
    return new WeakRef(stream)
  })
  t.is(queue.size, 1)
  t.true((await living(refs)) <= 64)
})
