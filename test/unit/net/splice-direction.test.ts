import { Duplex, PassThrough } from 'node:stream'
import test from 'ava'
import { MIN_READ_BYTES, ReadBufferPool } from '../../../lib/net/read-buffer.ts'
import { SpliceDirection } from '../../../lib/net/splice-direction.ts'
import { SplicePace } from '../../../lib/net/splice-pace.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'

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

  finishWrite(): void {
    this.#done?.()
  }
}

function direction() {
  const clock = new VirtualClock()
  const pool = new ReadBufferPool()
  const pace = new SplicePace({
    clock,
    idleTimeoutMs: Infinity,
    maxBytesPerS: undefined,
    onIdle: () => undefined,
    onRelease: () => undefined,
  })
  const target = new SlowTarget()
  const reader = new SpliceDirection({ pool, maxReadBytes: Infinity, pace })
  let resumed = 0
  const source = { stream: new PassThrough(), leftover: undefined, allocates: false, onEnd: () => undefined }
  reader.start({ ...source, resume: () => resumed++ }, target)
  /** One read as a socket does it: fills the buffer that it was given, then asks for the next. */
  let buffer = reader.nextBuffer()
  const read = (count: number) => {
    const readOn = reader.onChunk(buffer, count)
    const next = reader.nextBuffer()
    const used = buffer
    buffer = next
    return { readOn, used, next }
  }
  return { reader, target, pool, read, resumedTimes: () => resumed }
}

test('reading stops while the system has not taken all, and goes on once it has', (t) => {
  const { target, read, resumedTimes } = direction()
  t.is(resumedTimes(), 1)
  t.false(read(100).readOn)
  t.is(resumedTimes(), 1)
  target.finishWrite()
  t.is(resumedTimes(), 2)
  target.isFast = true
  t.true(read(100).readOn)
})

test('a buffer of which bytes wait to be written is lent to nobody else', (t) => {
  const { reader, target, pool, read } = direction()
  target.isFast = true
  const { next: large } = read(MIN_READ_BYTES)
  t.true(large.length > MIN_READ_BYTES)
  target.isFast = false
  const { next: small } = read(large.length - 1)
  t.is(small.length, MIN_READ_BYTES)
  const others = Array.from({ length: 8 }, () => pool.borrow(large.length))
  t.false(others.includes(large))
  target.finishWrite()
  t.is(pool.borrow(large.length), large, 'written, so it is free')
  t.is(reader.bufferBytes, MIN_READ_BYTES)
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
