import test from 'ava'
import fc from 'fast-check'
import { MAX_READ_BYTES, MIN_READ_BYTES, ReadBufferPool, ReadSize } from '../../../lib/net/read-buffer.ts'

/** Sizes asked for while reads come from a backlog of `bytes` that is there at once. */
function drain(size: ReadSize, bytes: number): number[] {
  const asked: number[] = []
  for (let left = bytes, capacity = size.bytes; ; capacity = size.bytes) {
    const count = Math.min(left, capacity)
    asked.push(capacity)
    left -= count
    size.next(count, capacity)
    if (count < capacity) return asked
  }
}

test('reads grow from 16 KiB to 1 MiB in three steps', (t) => {
  const size = new ReadSize()
  t.is(size.bytes, MIN_READ_BYTES)
  const kib = drain(size, 4 * MAX_READ_BYTES).map((bytes) => bytes / 1024)
  t.deepEqual(kib.slice(0, 5), [16, 64, 256, 1024, 1024])
})

test('a transfer that goes on is read with one buffer for each of its bursts', (t) => {
  const size = new ReadSize()
  drain(size, 4 * MAX_READ_BYTES)
  drain(size, 200 * 1024)
  for (let i = 0; i < 10; i++) t.deepEqual(drain(size, 200 * 1024), [256 * 1024])
})

test('what a full buffer had no room for is little, and says nothing', (t) => {
  const size = new ReadSize()
  drain(size, 4 * MAX_READ_BYTES)
  for (let i = 0; i < 10; i++) {
    const kib = drain(size, MAX_READ_BYTES + 1000).map((bytes) => bytes / 1024)
    t.deepEqual(kib, [1024, 1024])
  }
})

test('after a rest, waiting is done with the smallest buffer', (t) => {
  const size = new ReadSize()
  drain(size, MAX_READ_BYTES)
  t.true(size.bytes > MIN_READ_BYTES)
  size.rest()
  t.is(size.bytes, MIN_READ_BYTES)
})

test('small messages are read with the smallest buffer', (t) => {
  const size = new ReadSize()
  for (let i = 0; i < 100; i++) t.deepEqual(drain(size, 1000), [MIN_READ_BYTES])
})

test('bursts that became small are soon read with small buffers again', (t) => {
  const size = new ReadSize()
  drain(size, 4 * MAX_READ_BYTES)
  for (let i = 0; i < 4; i++) drain(size, 1000)
  t.deepEqual(drain(size, 1000), [MIN_READ_BYTES])
})

test('whatever is read, the size stays within its limits, and is one of a few', (t) => {
  const limit = fc.integer({ min: 1, max: 4 * MAX_READ_BYTES })
  fc.assert(
    fc.property(limit, fc.array(fc.nat(3 * MAX_READ_BYTES), { maxLength: 50 }), (maxBytes, backlogs) => {
      const size = new ReadSize(maxBytes)
      for (const bytes of backlogs) {
        for (const asked of drain(size, bytes)) {
          t.true([16, 64, 256, 1024].includes(asked / 1024))
          t.true(asked <= Math.max(maxBytes, MIN_READ_BYTES))
        }
      }
    }),
  )
})

test('a pool lends no buffer twice at a time, and no more than its limit', (t) => {
  const pool = new ReadBufferPool({ maxLentBytes: 3 * 1024 })
  const lent = [pool.borrow(1024), pool.borrow(1024), pool.borrow(1024)]
  t.is(new Set(lent).size, 3)
  t.is(new Set(lent.map((buffer) => buffer?.buffer)).size, 3)
  t.is(pool.borrow(1024), undefined)
  t.is(pool.lentBytes, 3 * 1024)
  const [first] = lent
  if (first !== undefined) pool.giveBack(first)
  t.is(pool.borrow(1024), first)
})
