import test from 'ava'
import fc from 'fast-check'
import { DatagramQueue } from '../../../../lib/protocol/datagram/datagram-queue.ts'

const LIMITS = { maxBytes: 10_000, maxAgeMs: 1000 }

function numbered(number: number, length = 936): Uint8Array {
  const bytes = new Uint8Array(length)
  bytes[0] = number
  return bytes
}

function drained(queue: DatagramQueue, nowMs: number): readonly (number | undefined)[] {
  const numbers: (number | undefined)[] = []
  for (let next = queue.shift(nowMs); next !== undefined; next = queue.shift(nowMs)) numbers.push(next[0])
  return numbers
}

test('the oldest are dropped when there are too many bytes, and counted', (t) => {
  const queue = new DatagramQueue(LIMITS)
  for (let number = 0; number < 15; number++) queue.push(numbered(number), 0)
  t.is(queue.size, 10)
  t.is(queue.dropped, 5)
  t.deepEqual(drained(queue, 0), [5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
})

test('those that have waited for too long are dropped when it is their turn', (t) => {
  const queue = new DatagramQueue(LIMITS)
  for (const [number, nowMs] of [0, 500, 999].entries()) queue.push(numbered(number), nowMs)
  t.deepEqual(drained(queue, 1500), [1, 2])
  t.is(queue.dropped, 1)
})

test('one is kept however long it is; empty ones are bounded, too', (t) => {
  const queue = new DatagramQueue(LIMITS)
  queue.push(numbered(1, 65_507), 0)
  t.is(queue.size, 1)
  queue.push(numbered(2, 65_507), 0)
  t.deepEqual(drained(queue, 0), [2])
  for (let count = 0; count < 1000; count++) queue.push(new Uint8Array(0), 0)
  t.true(queue.size < 200)
})

test('whatever is done to it, what comes out is in order, and nothing is lost without being counted', (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), length: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({ kind: fc.constant('shift' as const) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 600 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const queue = new DatagramQueue(LIMITS)
      let [nowMs, pushed, taken, before] = [0, 0, 0, -1]
      for (const one of steps) {
        if (one.kind === 'wait') nowMs += one.ms
        else if (one.kind === 'push') {
          const bytes = Buffer.alloc(one.length + 4)
          bytes.writeUInt32BE(pushed++)
          queue.push(bytes, nowMs)
        } else {
          const next = queue.shift(nowMs)
          if (next === undefined) continue
          const number = Buffer.from(next).readUInt32BE()
          t.true(number > before)
          before = number
          taken++
        }
        t.is(pushed, taken + queue.dropped + queue.size)
      }
    }),
    { numRuns: Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200) },
  )
})
