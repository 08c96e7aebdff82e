import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { duplexPair } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import { MAX_READ_BYTES, MIN_READ_BYTES, ReadBufferPool } from '../../lib/net/read-buffer.ts'
import { IDLE_TIMEOUT_MS, splice } from '../../lib/net/splice.ts'
import { REST_MS } from '../../lib/net/splice-pace.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { VirtualClock } from '../sim/virtual-clock.ts'
import { receiveHashed, sendHashed } from './splice-support/hashed-stream.ts'
import { PairServer, failure, settled } from './splice-support/joined-pair.ts'

const MIB = 1024 * 1024

test.serial(
  'a reader that stops for good blocks its sender, in bounded memory, and nobody else',
  async (t) => {
    await using server = await PairServer.open('127.0.0.1')
    const pool = new ReadBufferPool()
    const stalled = await server.join({ pool })
    const other = await server.join({ pool })
    const sent = sendHashed(stalled.left, 96 * MIB, new SeededRandom('stalled'))
    const carried = await settled(() => stalled.splice.bytesAToB)
    t.true(carried > 0)
    t.true(carried < 64 * MIB, 'the system holds the rest back')
    t.true(stalled.left.writableLength > 0, 'the sender waits')
    // One buffer waits to be written; the next read has another one at most.
    t.true(stalled.splice.bufferBytes <= 2 * MAX_READ_BYTES + 2 * MIN_READ_BYTES)
    t.true(pool.lentBytes <= 2 * MAX_READ_BYTES)

    other.left.end('still here')
    t.is(await text(other.right), 'still here')
    t.is(stalled.splice.bytesAToB, carried)

    // When it reads on after all, not a byte is missing.
    t.is(await receiveHashed(stalled.right), await sent)
    await stalled.splice.close()
    await other.splice.close()
    t.is(pool.lentBytes, 0)
  },
)

test.serial('a pair that rests after a bulk transfer keeps only its two smallest buffers', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const pool = new ReadBufferPool()
  const clock = new VirtualClock()
  const { left, right, splice } = await server.join({ pool, clock })
  let got = 0
  let most = 0
  right.on('data', (bytes) => {
    got += bytes.length
    most = Math.max(most, splice.bufferBytes)
  })
  left.write(Buffer.alloc(48 * MIB + 1))
  await settled(() => got)
  t.is(got, 48 * MIB + 1)
  t.true(most > MAX_READ_BYTES / 4, 'buffers had grown')
  clock.advance(REST_MS)
  t.is(splice.bufferBytes, 2 * MIN_READ_BYTES)
  t.is(pool.lentBytes, 0)

  // And it goes on as before, again and again.
  for (let i = 1; i <= 3; i++) {
    left.write(Buffer.alloc(MIB))
    await settled(() => got)
    t.is(got, (48 + i) * MIB + 1)
    clock.advance(REST_MS)
    t.is(pool.lentBytes, 0)
  }
})

test('without anything to lend, bytes still flow through the smallest buffers', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const { left, right, splice } = await server.join({ pool: new ReadBufferPool({ maxLentBytes: 0 }) })
  const random = new SeededRandom('poor')
  const [sent, got] = await Promise.all([sendHashed(left, 16 * MIB, random), receiveHashed(right)])
  t.is(got, sent)
  t.is(splice.bufferBytes, 2 * MIN_READ_BYTES)
})

for (const how of ['signal', 'close', 'owner'] as const) {
  test(`abort by ${how}: both sides are reset and nothing is left`, async (t) => {
    await using server = await PairServer.open('127.0.0.1')
    const clock = new VirtualClock()
    const a = await server.connection()
    const b = await server.connection()
    const listeners = () =>
      [a.accepted, b.accepted].map((socket) =>
        socket.eventNames().map((name) => `${String(name)} ${socket.listenerCount(name)}`),
      )
    const before = listeners()
    const controller = new AbortController()
    const joined = splice(a.accepted, b.accepted, { signal: controller.signal, clock, maxBytesPerS: 1 })
    const codes = Promise.all([failure(a.client), failure(b.client)])
    a.client.write('hello')
    await once(b.client, 'data')
    if (how === 'signal') controller.abort()
    else if (how === 'close') void joined.close()
    else b.accepted.destroy()
    t.deepEqual(await codes, ['ECONNRESET', 'ECONNRESET'])
    t.deepEqual(await joined.closed, { kind: 'aborted' })
    t.is(clock.pendingTimers, 0)
    t.is(server.connectionCount, 0)
    // Those that listened for 'close' once have heard it.
    const after = listeners()
    for (const [i, names] of after.entries())
      for (const name of names) t.true(before[i]?.includes(name), name)
  })
}

test('abort while bytes wait for a reader drops them and leaves nothing', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const pool = new ReadBufferPool()
  const { left, right, splice } = await server.join({ pool })
  left.write(Buffer.alloc(64 * MIB))
  await settled(() => splice.bytesAToB)
  t.true(left.writableLength > 0)
  const leftCode = failure(left)
  // Linux may show a reader that still has bytes to read an end in place of the reset.
  const rightIsOver = Promise.race([once(right, 'end'), failure(right)])
  t.deepEqual(await splice.close(), { kind: 'aborted' })
  t.regex((await leftCode) ?? '', /^(ECONNRESET|EPIPE)$/)
  await rightIsOver
  t.true(right.bytesRead < 64 * MIB)
  t.is(pool.lentBytes, 0)
  t.is(server.connectionCount, 0)
})

test('a signal that has fired before joins nothing and resets both', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const { left, right, splice } = await server.join({ signal: AbortSignal.abort() })
  t.deepEqual(await Promise.all([failure(left), failure(right)]), ['ECONNRESET', 'ECONNRESET'])
  t.deepEqual(await splice.closed, { kind: 'aborted' })
})

test('a pair on which nothing moves is reset after the idle time, and each byte starts that time anew', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const clock = new VirtualClock()
  const { left, right, splice } = await server.join({ clock })
  const codes = Promise.all([failure(left), failure(right)])
  await settled(() => server.connectionCount)
  clock.advance(IDLE_TIMEOUT_MS - 1)
  right.write('x')
  await once(left, 'data')
  clock.advance(IDLE_TIMEOUT_MS - 1)
  await nextTurn()
  t.false(left.closed)
  clock.advance(1)
  t.deepEqual(await codes, ['ECONNRESET', 'ECONNRESET'])
  t.deepEqual(await splice.closed, { kind: 'idle' })
  t.is(clock.pendingTimers, 0)
})

test('an idle time of Infinity arms no timer', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const clock = new VirtualClock()
  const { splice } = await server.join({ clock, idleTimeoutMs: Infinity })
  t.is(clock.pendingTimers, 0)
  await splice.close()
})

test.serial(
  'a rate limit lets no more pass than its burst and its rate, both directions together',
  async (t) => {
    await using server = await PairServer.open('127.0.0.1')
    const clock = new VirtualClock()
    const bytesPerS = 1_000_000
    const { left, right, splice } = await server.join({ clock, maxBytesPerS: bytesPerS })
    left.write(Buffer.alloc(8 * MIB))
    right.write(Buffer.alloc(8 * MIB))
    left.resume()
    right.resume()
    const carried = () => splice.bytesAToB + splice.bytesBToA
    // Bursts are a tenth of a second; each direction may overdraw by one read.
    const slack = bytesPerS / 10 + 2 * 64 * 1024
    for (let second = 0; second <= 5; second++) {
      const bytes = await settled(carried)
      t.true(bytes <= second * bytesPerS + slack, `${bytes} bytes after ${second} s`)
      t.true(bytes >= second * bytesPerS * 0.9, `${bytes} bytes after ${second} s`)
      for (let step = 0; step < 20; step++) {
        clock.advance(50)
        await settled(carried)
      }
    }
    t.true(splice.bytesAToB > 0 && splice.bytesBToA > 0)
    await splice.close()
  },
)

test('a time or a rate that is not positive is a mistake of the caller', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const a = await server.connection()
  const b = await server.connection()
  t.throws(() => splice(a.accepted, b.accepted, { idleTimeoutMs: 0 }), { instanceOf: RangeError })
  t.throws(() => splice(a.accepted, b.accepted, { maxBytesPerS: NaN }), { instanceOf: RangeError })
})

test('a stream that is no socket is joined as well', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const a = await server.connection()
  const [near, far] = duplexPair()
  const joined = splice(a.accepted, near)
  const random = new SeededRandom('duplex')
  const [sent, back, got, gotBack] = await Promise.all([
    sendHashed(a.client, 4 * MIB, random.fork('forth')),
    sendHashed(far, 4 * MIB, random.fork('back')),
    receiveHashed(far, random.fork('slow')),
    receiveHashed(a.client),
  ])
  t.is(got, sent)
  t.is(gotBack, back)
  t.deepEqual(await joined.closed, { kind: 'ended' })
})
