import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { AttachReader } from '../../../../lib/protocol/link/attach-reader.ts'
import { RecordParser } from '../../../../lib/protocol/link/record-parser.ts'
import type { RecordSink } from '../../../../lib/protocol/link/record-parser.ts'
import { MAX_CONTROL_LENGTH, MAX_PAYLOAD_LENGTH } from '../../../../lib/protocol/link/record-type.ts'
import * as vectors from '../../../vectors/link-v1.ts'
import { hex } from '../../../vectors/rfc5769.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200)

interface Payload {
  readonly start: number
  readonly end: number
  readonly text: string
  readonly wantsAck: boolean
}

/** Writes down what a parser finds; payloads that follow each other become one. */
class Notes implements RecordSink {
  readonly lines: string[] = []
  #payload: Payload = { start: 0, end: -1, text: '', wantsAck: false }

  onData(offset: number, bytes: Uint8Array, wantsAck: boolean): void {
    const { start, end, text } = this.#payload
    const read = Buffer.from(bytes).toString('hex')
    if (offset === end) this.#payload = { start, end: end + bytes.length, text: text + read, wantsAck }
    else this.#note({ start: offset, end: offset + bytes.length, text: read, wantsAck })
  }

  onControl(type: number, body: Uint8Array): void {
    this.#note({ start: 0, end: -1, text: '', wantsAck: false })
    this.lines.push(`${type} ${Buffer.from(body).toString('hex')}`)
  }

  #note(next: Payload): void {
    const { start, end, text, wantsAck } = this.#payload
    if (end > 0) this.lines.push(`data ${start} ${text} ${String(wantsAck)}`)
    this.#payload = next
  }
}

const STREAM = Buffer.concat([
  vectors.attachNew,
  vectors.dataAck,
  vectors.ack,
  hex('ff 000003 aabbcc'), // a type of later versions that may be ignored
  hex('80 000000'), // and one without a body
  vectors.data,
  vectors.ping,
  vectors.close,
])

function parse(pieces: readonly Uint8Array[]): string[] {
  const parser = new RecordParser()
  const notes = new Notes()
  for (const piece of pieces) parser.push(piece, notes)
  return notes.lines
}

test('reads records and payloads, skips what may be ignored', (t) => {
  t.deepEqual(parse([STREAM]), [
    `1 ${Buffer.from(vectors.attachNew.subarray(4)).toString('hex')}`,
    'data 1000 68656c6c6f true',
    '18 0000000000010000',
    'data 0 21 false',
    '19 0000002a0000000000000400',
    '22 1092736f206c6f6e67',
  ])
})

test('reads the same however the stream is cut', (t) => {
  const whole = parse([STREAM])
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })
  fc.assert(
    fc.property(cuts, (lengths) => {
      const pieces: Uint8Array[] = []
      for (let at = 0, i = 0; at < STREAM.length; i++) {
        const length = lengths[i % lengths.length] ?? 1
        pieces.push(STREAM.subarray(at, at + length))
        at += length
      }
      t.deepEqual(parse(pieces), whole)
    }),
    { numRuns: RUNS },
  )
})

test('passes a payload on as it comes, as a view, before its record is whole', (t) => {
  const parser = new RecordParser()
  const seen: Uint8Array[] = []
  const sink = { onData: (_: number, bytes: Uint8Array) => seen.push(bytes), onControl: () => t.fail() }
  const chunk = Buffer.from(vectors.dataAck.subarray(0, 14))
  parser.push(chunk, sink)
  t.is(seen[0]?.length, 2)
  t.is(seen[0]?.buffer, chunk.buffer)
  t.false(parser.isAtBoundary)
})

test('knows at each byte whether a record is whole', (t) => {
  const parser = new RecordParser()
  const notes = new Notes()
  const ends = new Set([vectors.ack.length, vectors.ack.length + vectors.dataAck.length])
  const stream = Buffer.concat([vectors.ack, vectors.dataAck])
  for (let i = 0; i < stream.length; i++) {
    parser.push(stream.subarray(i, i + 1), notes)
    t.is(parser.isAtBoundary, ends.has(i + 1), `after ${i + 1} bytes`)
  }
})

/** A header alone, whose length is one more or less than what is allowed. */
function header(type: number, length: number): Uint8Array {
  return Uint8Array.of(type, length >> 16, (length >> 8) & 0xff, length & 0xff)
}

const refusedHeaders: readonly (readonly [string, Uint8Array])[] = [
  ['a DATA without payload', header(0x10, 8)],
  ['a DATA that is too long', header(0x10, 8 + MAX_PAYLOAD_LENGTH + 1)],
  ['a DATA of 16 MiB', header(0x11, 0xff_ffff)],
  ['an ACK without a body', header(0x12, 0)],
  ['a CLOSE that is too long', header(0x16, MAX_CONTROL_LENGTH + 1)],
  ['an ATTACH of 16 MiB', header(0x01, 0xff_ffff)],
  ['type 0', header(0x00, 4)],
  ['a type that must be understood', header(0x7f, 4)],
  ['a data offset above 2^53 - 1', hex('10 000009 0020000000000000')],
]

for (const [what, bytes] of refusedHeaders) {
  test(`refuses ${what} before anything of it is held`, (t) => {
    t.true(
      ReachError.is(
        t.throws(() => parse([bytes])),
        'ERR_REACH_DECODE',
      ),
    )
  })
}

test('takes the longest records there are', (t) => {
  const payload = new Uint8Array(MAX_PAYLOAD_LENGTH)
  let length = 0
  const sink = {
    onData: (_: number, bytes: Uint8Array) => (length += bytes.length),
    onControl: () => t.fail(),
  }
  new RecordParser().push(
    Buffer.concat([header(0x10, 8 + MAX_PAYLOAD_LENGTH), hex('0000000000000000'), payload]),
    sink,
  )
  t.is(length, MAX_PAYLOAD_LENGTH)
  t.is(parse([header(0x16, MAX_CONTROL_LENGTH), new Uint8Array(MAX_CONTROL_LENGTH)]).length, 1)
})

test('throws only ERR_REACH_DECODE on arbitrary streams', (t) => {
  const aPiece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(vectors.ack, vectors.dataAck, vectors.ping, vectors.close, header(0x80, 5)),
  )
  fc.assert(
    fc.property(fc.array(aPiece), (pieces) => {
      try {
        parse(pieces)
        return true
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
    { numRuns: RUNS },
  )
  t.pass()
})

test('the reader of ATTACH gives the request and what follows it, however it comes', (t) => {
  const stream = Buffer.concat([vectors.attachNew, vectors.data])
  for (let first = 1; first < stream.length; first++) {
    const reader = new AttachReader()
    const early = reader.push(stream.subarray(0, first))
    const read = early ?? reader.push(stream.subarray(first))
    t.deepEqual(read?.request.sessionId, vectors.SESSION_ID)
    const rest = Buffer.concat([
      read?.rest ?? stream,
      early === undefined ? stream.subarray(0, 0) : stream.subarray(first),
    ])
    t.deepEqual(rest, Buffer.from(vectors.data), `cut after ${first}`)
  }
})

test('the reader of ATTACH copies the session id, which outlives the chunk', (t) => {
  const chunk = Buffer.from(vectors.attachNew)
  const read = new AttachReader().push(chunk)
  chunk.fill(0xee)
  t.deepEqual(read?.request.sessionId, vectors.SESSION_ID)
})

test('the reader of ATTACH refuses a path that begins otherwise, and throws nothing but ERR_REACH_DECODE', (t) => {
  const others = [vectors.data, vectors.ping, header(0x01, MAX_CONTROL_LENGTH + 1), hex('16030100 c8')]
  for (const bytes of others) {
    t.true(
      ReachError.is(
        t.throws(() => new AttachReader().push(bytes)),
        'ERR_REACH_DECODE',
      ),
    )
  }
  t.true(
    ReachError.is(
      t.throws(() => new AttachReader().push(hex('01 000003 010203'))),
      'ERR_REACH_DECODE',
    ),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, hasHeader) => {
      try {
        new AttachReader().push(hasHeader ? Buffer.concat([header(0x01, 34), bytes]) : bytes)
        return true
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
    { numRuns: RUNS },
  )
})
