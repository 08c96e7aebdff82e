import test from 'ava'
import fc from 'fast-check'
import { ReplayBudget } from '../../../../lib/protocol/link/replay-budget.ts'
import { CHUNK_COST, ReplayBuffer } from '../../../../lib/protocol/link/replay-buffer.ts'
import {
  FLOOR_CAPACITY,
  MAX_CAPACITY,
  MIN_CAPACITY,
  ReplayCapacity,
  REVIEW_INTERVAL_MS,
} from '../../../../lib/protocol/link/replay-capacity.ts'
import { isPattern, patternAt } from './pattern.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200)
const MIB = 1024 * 1024

test('the buffer gives any part of what it holds, by reference, whatever was appended and released', (t) => {
  const aStep = fc.record({ length: fc.nat(50), release: fc.nat(60), from: fc.nat(80), most: fc.nat(80) })
  fc.assert(
    fc.property(fc.array(aStep, { maxLength: 60 }), (steps) => {
      const buffer = new ReplayBuffer()
      for (const { length, release, from, most } of steps) {
        buffer.append(patternAt(buffer.end, length))
        buffer.release(buffer.start + release)
        const start = Math.min(buffer.start + from, buffer.end)
        const chunks: Uint8Array[] = []
        const collected = buffer.collect(start, most, 100, chunks)
        if (collected !== Math.min(most, buffer.end - start)) return false
        if (!isPattern(start, Buffer.concat(chunks))) return false
        if (chunks.some((chunk) => chunk.buffer !== patternAt(0, 1).buffer)) return false
      }
      buffer.release(Infinity)
      return buffer.cost === 0 && buffer.start === buffer.end
    }),
    { numRuns: RUNS },
  )
  t.pass()
})

test('the buffer counts what each chunk costs, and lets go of whole chunks only', (t) => {
  const buffer = new ReplayBuffer()
  buffer.append(patternAt(0, 10))
  buffer.append(patternAt(10, 10))
  buffer.append(new Uint8Array(0))
  t.is(buffer.cost, 20 + 2 * CHUNK_COST)
  buffer.release(15)
  t.is(buffer.cost, 10 + CHUNK_COST)
  t.is(buffer.start, 15)
  buffer.release(20)
  t.is(buffer.cost, 0)
})

test('the buffer gives at most as many chunks as are asked for', (t) => {
  const buffer = new ReplayBuffer()
  for (let i = 0; i < 5000; i++) buffer.append(patternAt(i, 1))
  buffer.release(3000)
  const chunks: Uint8Array[] = []
  t.is(buffer.collect(3000, 1000, 7, chunks), 7)
  t.true(isPattern(3000, Buffer.concat(chunks)))
})

test('the budget never gives more than it has', (t) => {
  const budget = new ReplayBudget(100)
  t.is(budget.take(70), 70)
  t.is(budget.take(70), 30)
  t.is(budget.take(70), 0)
  budget.give(50)
  t.is(budget.left, 50)
  t.is(budget.take(-5), 0)
  t.throws(() => new ReplayBudget(-1), { instanceOf: RangeError })
})

/** A capacity of a link that has something to send. */
function aCapacity(budget = new ReplayBudget(), max = MAX_CAPACITY): ReplayCapacity {
  const capacity = new ReplayCapacity(budget, 0, max)
  capacity.held(1)
  return capacity
}

/** Acknowledgements at a rate for a time, all of them while the buffer was full or not. */
function run(
  capacity: ReplayCapacity,
  options: { mbPerS: number; rttMs: number; forMs: number; isLimited: boolean },
) {
  const stepMs = Math.max(1, options.rttMs / 4)
  for (let nowMs = 0; nowMs < options.forMs; nowMs += stepMs) {
    const acked = options.mbPerS * 1000 * stepMs
    capacity.sample({ acked, rttMs: options.rttMs, isLimited: options.isLimited }, nowMs)
  }
}

test('the capacity becomes twice bandwidth × delay where the buffer was the limit', (t) => {
  const capacity = aCapacity()
  t.is(capacity.bytes, MIN_CAPACITY)
  run(capacity, { mbPerS: 40, rttMs: 100, forMs: 2000, isLimited: true })
  t.true(capacity.bytes > 1.8 * 4e6 && capacity.bytes < 2.6 * 4e6, `${capacity.bytes} bytes`)
})

test('the capacity stays where something else was the limit', (t) => {
  const capacity = aCapacity()
  run(capacity, { mbPerS: 40, rttMs: 100, forMs: 2000, isLimited: false })
  t.is(capacity.bytes, MIN_CAPACITY)
})

test('the capacity ends at 16 MiB, or at what the caller allows', (t) => {
  const fast = { mbPerS: 1000, rttMs: 100, forMs: 2000, isLimited: true }
  const capacity = aCapacity()
  run(capacity, fast)
  t.is(capacity.bytes, MAX_CAPACITY)
  const small = aCapacity(new ReplayBudget(), MIB)
  run(small, fast)
  t.is(small.bytes, MIB)
})

test('capacities share one budget, and give back all they took', (t) => {
  const budget = new ReplayBudget(10 * MIB)
  const capacities = [0, 1, 2].map(() => aCapacity(budget))
  for (const capacity of capacities) run(capacity, { mbPerS: 100, rttMs: 50, forMs: 2000, isLimited: true })
  t.is(budget.left, 0)
  t.is(
    capacities.reduce((sum, { bytes }) => sum + bytes, 0),
    10 * MIB,
  )
  t.is(aCapacity(budget).bytes, FLOOR_CAPACITY)
  for (const capacity of capacities) capacity.release()
  t.is(budget.left, 10 * MIB)
})

test('what was not needed for a while goes back to the budget', (t) => {
  const budget = new ReplayBudget(64 * MIB)
  const capacity = new ReplayCapacity(budget, 0)
  t.is(capacity.deadlineMs, undefined)
  t.is(budget.left, 64 * MIB, 'a link that has sent nothing has taken nothing')
  capacity.held(1)
  run(capacity, { mbPerS: 100, rttMs: 100, forMs: 5000, isLimited: true })
  capacity.held(capacity.bytes)
  const { bytes } = capacity
  t.is(capacity.deadlineMs, REVIEW_INTERVAL_MS)
  capacity.handleTimeout(REVIEW_INTERVAL_MS, 0)
  t.is(capacity.bytes, bytes, 'it was all in use')
  capacity.held(MIB)
  capacity.handleTimeout(2 * REVIEW_INTERVAL_MS, 0)
  t.is(capacity.bytes, 2 * MIB)
  capacity.held(1000)
  capacity.handleTimeout(3 * REVIEW_INTERVAL_MS, 0)
  t.is(capacity.bytes, MIN_CAPACITY)
  t.is(budget.left, 64 * MIB - MIN_CAPACITY)
  capacity.handleTimeout(4 * REVIEW_INTERVAL_MS, 0)
  t.is(budget.left, 64 * MIB)
  t.is(capacity.deadlineMs, undefined)
})

test('what is held while there is no path is not given back: the budget stays true', (t) => {
  const budget = new ReplayBudget(MAX_CAPACITY)
  const capacity = aCapacity(budget)
  capacity.held(MIN_CAPACITY)
  for (const times of [1, 2, 3]) {
    capacity.handleTimeout(times * REVIEW_INTERVAL_MS, MIN_CAPACITY)
    t.is(capacity.bytes, MIN_CAPACITY)
  }
  capacity.handleTimeout(4 * REVIEW_INTERVAL_MS, 0)
  capacity.handleTimeout(5 * REVIEW_INTERVAL_MS, 0)
  t.is(capacity.bytes, FLOOR_CAPACITY)
})
