import { Writable } from 'node:stream'
import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../lib/base/errors.ts'
import { DatagramReader } from '../../../lib/protocol/datagram/datagram-frame.ts'
import { DatagramSender } from '../../../lib/session/datagram-sender.ts'

const MAX_LENGTH = 1200
const LIMITS = { maxBytes: 64 * 1024, maxAgeMs: 1000 }
const numRuns = Number(process.env.P2P_REACH_FUZZ_RUNS ?? '500')

/** A stream that takes a write when it is told to. */
class SlowStream extends Writable {
  readonly written: Buffer[] = []
  #callback: (() => void) | undefined

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.written.push(chunk)
    this.#callback = callback
  }

  take(): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.()
  }
}

function numbersIn(stream: SlowStream): readonly number[] {
  const datagrams = [...new DatagramReader(MAX_LENGTH).push(Buffer.concat(stream.written))]
  return datagrams.map((bytes) => Buffer.from(bytes).readUInt32BE())
}

function numbered(number: number): Buffer {
  const bytes = Buffer.alloc(1000)
  bytes.writeUInt32BE(number)
  return bytes
}

test('datagrams come out as they went in, however the stream is cut', (t) => {
  const datagram = fc.uint8Array({ maxLength: MAX_LENGTH })
  fc.assert(
    fc.property(
      fc.array(datagram, { maxLength: 8 }),
      fc.integer({ min: 1, max: 500 }),
      (sent, pieceLength) => {
        const bytes = Buffer.concat(
          sent.flatMap((one) => [Buffer.of(one.length >> 8, one.length & 0xff), Buffer.from(one)]),
        )
        const reader = new DatagramReader(MAX_LENGTH)
        const came: Uint8Array[] = []
        for (let at = 0; at < bytes.length; at += pieceLength) {
          came.push(...reader.push(bytes.subarray(at, at + pieceLength)))
        }
        t.deepEqual(
          came.map((one) => Buffer.from(one).toString('hex')),
          sent.map((one) => Buffer.from(one).toString('hex')),
        )
      },
    ),
    { numRuns },
  )
  t.pass()
})

test('arbitrary bytes are read or refused, nothing else', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
      const reader = new DatagramReader(MAX_LENGTH)
      try {
        for (const chunk of chunks)
          for (const one of reader.push(chunk)) if (one.length > MAX_LENGTH) return false
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
      return true
    }),
    { numRuns },
  )
  t.pass()
})

test('when they come faster than the stream takes them, the oldest are dropped', (t) => {
  const stream = new SlowStream()
  const sender = new DatagramSender(stream, LIMITS, () => 0)
  for (let number = 0; number < 200; number++) sender.send(numbered(number))
  for (let write = 0; write < 5; write++) stream.take()
  const numbers = numbersIn(stream)
  t.is(numbers[0], 0) // under way before the others came
  t.is(numbers.at(-1), 199)
  t.is(numbers.length + sender.dropped, 200)
  t.true(numbers.length < 70 && numbers.length > 50, `${numbers.length} were kept`)
  t.deepEqual(
    numbers.slice(1),
    Array.from({ length: numbers.length - 1 }, (_, at) => 201 - numbers.length + at),
  )
})

test('what a stalled stream has kept waiting for too long is dropped when it goes on', (t) => {
  const stream = new SlowStream()
  let nowMs = 0
  const sender = new DatagramSender(stream, LIMITS, () => nowMs)
  for (const [number, sentAtMs] of [0, 100, 900, 1600].entries()) {
    nowMs = sentAtMs
    sender.send(numbered(number))
  }
  nowMs = 1900
  for (let write = 0; write < 3; write++) stream.take()
  t.deepEqual(numbersIn(stream), [0, 2, 3])
  t.is(sender.dropped, 1)
})
