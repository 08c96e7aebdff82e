import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import test from 'ava'
import { MAX_READ_BYTES, MIN_READ_BYTES, ReadBufferPool } from '../../../lib/net/read-buffer.ts'
import { ReadCrowd } from '../../../lib/net/read-crowd.ts'
import { SpliceDirection } from '../../../lib/net/splice-direction.ts'
import { REST_MS, SplicePace } from '../../../lib/net/splice-pace.ts'
import { WRITE_PAST } from '../../../lib/net/write-past.ts'
import type { OnTaken } from '../../../lib/net/write-past.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'

const KIB = 1024

/** A target whose writes are done when told so, as those of a slow receiver. */
class SlowTarget extends Duplex {
  readonly written: Uint8Array[] = []
  isFast = false
  #done: ((error?: Error | null) => void) | undefined

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.written.push(chunk)
    if (this.isFast) done()
    else this.#done = done
  }

  override _read(): void {
    // Nothing ever comes back.
  }

  finishWrite(error?: Error): void {
    this.#done?.(error)
  }
}

/** The same, past the queue of its Writable. */
class PastTarget extends SlowTarget {
  [WRITE_PAST](chunk: Uint8Array, onTaken: OnTaken): void {
    this._write(chunk, 'past', onTaken)
  }

  override write(): boolean {
    throw new Error('not past the queue')
  }
}

function direction(target = new SlowTarget()) {
  const clock = new VirtualClock()
  const pool = new ReadBufferPool()
  const crowd = new ReadCrowd(clock)
  const pace = new SplicePace({
    clock,
    idleTimeoutMs: Infinity,
    maxBytesPerS: undefined,
    onIdle: () => undefined,
    onRelease: () => undefined,
    onRest: () => reader.rest(),
  })
  const reader: SpliceDirection = new SpliceDirection({ pool, maxReadBytes: Infinity, pace, crowd })
  let resumed = 0
  const source = { stream: new PassThrough(), leftover: undefined, allocates: false, onEnd: () => undefined }
  /** One read as a socket does it: fills the buffer that it was given, then asks for the next. */
  let buffer = reader.nextBuffer()
  const exchange = (other: Uint8Array) => (buffer = other)
  reader.start({ ...source, resume: () => resumed++, exchange }, target)
  const read = (count: number) => {
    const readOn = reader.onChunk(buffer, count)
    const next = reader.nextBuffer()
    const used = buffer
    buffer = next
    return { readOn, used, next }
  }
  /** Others who read much in this turn of the event loop. */
  const crowdIn = (others: number) => {
    for (let at = 0; at < others; at++) crowd.mustWait({ readOn: () => undefined })
  }
  return { reader, target, pool, clock, read, crowdIn, resumedTimes: () => resumed }
}

for (const [where, Target] of [
  ['behind', SlowTarget],
  ['past', PastTarget],
] as const) {
  test(`${where} the queue: reading stops while not all is taken, and goes on once it is`, (t) => {
    const { target, read, resumedTimes } = direction(new Target())
    t.is(resumedTimes(), 1)
    t.false(read(100).readOn)
    t.is(resumedTimes(), 1)
    target.finishWrite()
    t.is(resumedTimes(), 2)
    target.isFast = true
    t.true(read(100).readOn)
    t.is(target.written.length, 2)
  })

  test(`${where} the queue: a write that fails destroys the target, and nothing more is read`, async (t) => {
    const { target, read, resumedTimes } = direction(new Target())
    const failed = once(target, 'error')
    t.false(read(100).readOn)
    target.finishWrite(new Error('gone'))
    t.deepEqual(await failed, [new Error('gone')])
    t.is(resumedTimes(), 1)
    t.true(target.destroyed)
  })
}

test('a buffer of which bytes wait to be written is lent to nobody else', (t) => {
  const { target, pool, read } = direction()
  target.isFast = true
  const { next: large } = read(MIN_READ_BYTES)
  t.true(large.length > MIN_READ_BYTES)
  target.isFast = false
  const { next: larger } = read(large.length)
  t.true(larger.length > large.length)
  const others = Array.from({ length: 8 }, () => pool.borrow(large.length))
  t.false(others.includes(large))
  target.finishWrite()
  t.is(pool.borrow(large.length), large, 'written, so it is free')
})

test('who rests waits with its smallest buffer, and has given the large one back', (t) => {
  const { reader, target, pool, clock, read } = direction()
  target.isFast = true
  const { next: large } = read(MIN_READ_BYTES)
  clock.advance(REST_MS - 1)
  read(large.length / 2)
  clock.advance(REST_MS - 1)
  t.is(pool.lentBytes, large.length, 'something came meanwhile')
  clock.advance(REST_MS)
  t.is(pool.lentBytes, 0)
  t.is(reader.bufferBytes, MIN_READ_BYTES)
  const { used, next } = read(MIN_READ_BYTES)
  t.is(used.length, MIN_READ_BYTES)
  t.is(next, large, 'it grows again')
})

test('a buffer of which bytes wait to be written is kept through a rest', (t) => {
  const { target, pool, clock, read } = direction()
  target.isFast = true
  const { next: large } = read(MIN_READ_BYTES)
  target.isFast = false
  read(large.length - 1)
  clock.advance(10 * REST_MS)
  t.not(pool.borrow(large.length), large)
  t.is(target.written.at(-1)?.buffer, large.buffer)
  target.finishWrite()
  clock.advance(REST_MS)
  t.is(pool.borrow(large.length), large)
})

test('what is written is exactly what was read, without a copy', (t) => {
  const { target, read } = direction()
  target.isFast = true
  const { used } = read(10)
  t.is(target.written[0]?.length, 10)
  t.is(target.written[0]?.buffer, used.buffer)
})

test('released, it holds nothing that was borrowed, also when a write never ended', (t) => {
  const { reader, target, pool, read } = direction()
  target.isFast = true
  const { next: large } = read(MIN_READ_BYTES)
  target.isFast = false
  read(large.length)
  t.true(pool.lentBytes > large.length)
  reader.release()
  reader.release()
  t.is(pool.lentBytes, 0)
})

test('in a crowd it waits a moment once it has read all that there was', (t) => {
  const target = new PastTarget()
  target.isFast = true
  const { clock, read, crowdIn, resumedTimes } = direction(target)
  crowdIn(3)
  const { readOn, next } = read(MIN_READ_BYTES)
  t.true(readOn, 'there may be more')
  t.is(next.length, 64 * KIB)
  t.false(read(20 * KIB).readOn)
  t.is(resumedTimes(), 1)
  clock.advance(1)
  t.is(resumedTimes(), 2)
})

test('in a crowd it reads on after little, and after much', (t) => {
  const target = new PastTarget()
  target.isFast = true
  const { read, crowdIn } = direction(target)
  crowdIn(3)
  t.true(read(1).readOn)
  let { next } = read(MIN_READ_BYTES)
  while (next.length < MAX_READ_BYTES) next = read(next.length).next
  t.true(read(MAX_READ_BYTES).readOn)
  t.true(read(1).readOn)
  t.true(read(31 * KIB).readOn)
  t.false(read(32 * KIB).readOn)
})

test('who writes through the queue of its target does not wait for a crowd', (t) => {
  const { target, read, crowdIn } = direction()
  target.isFast = true
  crowdIn(16)
  read(MIN_READ_BYTES)
  t.true(read(64 * KIB - 1).readOn)
})

test('an end while it waits is the end: it does not read on', (t) => {
  const target = new PastTarget()
  target.isFast = true
  const { reader, clock, read, crowdIn, resumedTimes } = direction(target)
  read(MIN_READ_BYTES)
  crowdIn(3)
  t.false(read(64 * KIB - 1).readOn)
  reader.release()
  clock.advance(10)
  t.is(resumedTimes(), 1)
})
