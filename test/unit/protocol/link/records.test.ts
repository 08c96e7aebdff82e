import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import {
  decodeAccept,
  decodeAttach,
  decodeRefuse,
  writeAccept,
  writeAttach,
  writeRefuse,
} from '../../../../lib/protocol/link/handshake-record.ts'
import { MAX_OFFSET } from '../../../../lib/protocol/link/offset.ts'
import { RECORD_HEADER_LENGTH, RECORD_TYPES } from '../../../../lib/protocol/link/record-type.ts'
import { RecordWriter } from '../../../../lib/protocol/link/record-writer.ts'
import { refusalOf, REFUSAL_NUMBERS } from '../../../../lib/protocol/link/refusal.ts'
import {
  decodeAck,
  decodeClose,
  decodeFin,
  decodeGone,
  decodePing,
  MAX_REASON_LENGTH,
  writeAck,
  writeClose,
  writeFin,
  writeGone,
  writePing,
} from '../../../../lib/protocol/link/session-record.ts'
import * as vectors from '../../../vectors/link-v1.ts'
import { hex } from '../../../vectors/rfc5769.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200)

const anOffset = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, MAX_OFFSET))
const aU32 = fc.integer({ min: 0, max: 0xffff_ffff })

/** One kind of record: a vector, what it says, and how it is written and read. */
interface Row<T> {
  readonly name: string
  readonly type: number
  readonly vector: Uint8Array
  readonly value: T
  readonly arbitrary: fc.Arbitrary<T>
  readonly write: (writer: RecordWriter, value: T) => void
  readonly read: (body: Uint8Array) => T
}

function written<T>(row: Row<T>, value: T): Uint8Array {
  const writer = new RecordWriter()
  row.write(writer, value)
  return writer.take()
}

/** The four kinds of tests of a codec. */
function testRecord<T>(row: Row<T>): void {
  const body = row.vector.subarray(RECORD_HEADER_LENGTH)

  test(`${row.name} is written as its vector and read from it`, (t) => {
    t.deepEqual(written(row, row.value), row.vector)
    t.deepEqual(row.read(body), row.value)
    t.is(row.vector[0], row.type)
  })

  test(`${row.name} comes back as it was written, and says its length`, (t) => {
    fc.assert(
      fc.property(row.arbitrary, (value) => {
        const bytes = written(row, value)
        t.deepEqual(row.read(bytes.subarray(RECORD_HEADER_LENGTH)), value)
        t.is(new DataView(bytes.buffer, bytes.byteOffset).getUint16(2), bytes.length - RECORD_HEADER_LENGTH)
      }),
      { numRuns: RUNS },
    )
  })

  test(`${row.name} throws ERR_REACH_DECODE and nothing else for arbitrary bodies`, (t) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          row.read(bytes)
          return true
        } catch (error) {
          return ReachError.is(error, 'ERR_REACH_DECODE')
        }
      }),
      { numRuns: RUNS },
    )
    t.pass()
  })

  if (row.name === 'CLOSE') return
  test(`${row.name} is refused when cut off anywhere, and read when longer`, (t) => {
    for (let length = 0; length < body.length; length++) {
      t.true(
        ReachError.is(
          t.throws(() => row.read(body.subarray(0, length))),
          'ERR_REACH_DECODE',
        ),
      )
    }
    t.deepEqual(row.read(Uint8Array.of(...body, 1, 2, 3)), row.value)
  })
}

const anAttach = fc.record({
  version: fc.integer({ min: 0, max: 255 }),
  mayCreate: fc.boolean(),
  senderRole: fc.constantFrom('initiator' as const, 'responder' as const),
  isAlone: fc.boolean(),
  sessionId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  generation: aU32,
  received: anOffset,
  resumeTimeMs: aU32,
})

const attachRow = { arbitrary: anAttach, write: writeAttach, read: decodeAttach, type: RECORD_TYPES.attach }

testRecord({
  ...attachRow,
  name: 'ATTACH that creates',
  vector: vectors.attachNew,
  value: {
    version: 1,
    mayCreate: true,
    senderRole: 'initiator',
    isAlone: true,
    sessionId: vectors.SESSION_ID,
    generation: 1,
    received: 0,
    resumeTimeMs: 60_000,
  },
})

testRecord({
  ...attachRow,
  name: 'ATTACH that resumes',
  vector: vectors.attachResume,
  value: {
    version: 1,
    mayCreate: false,
    senderRole: 'responder',
    isAlone: false,
    sessionId: vectors.SESSION_ID,
    generation: 3,
    received: 2 ** 32 + 2,
    resumeTimeMs: 5_000,
  },
})

testRecord({
  name: 'ACCEPT',
  type: RECORD_TYPES.accept,
  vector: vectors.accept,
  value: { version: 1, isAlone: true, received: MAX_OFFSET, resumeTimeMs: 60_000 },
  arbitrary: fc.record({
    version: fc.constant(1),
    isAlone: fc.boolean(),
    received: anOffset,
    resumeTimeMs: aU32,
  }),
  write: writeAccept,
  read: decodeAccept,
})

const ackRow = { arbitrary: anOffset, type: RECORD_TYPES.ack, write: writeAck, read: decodeAck }
testRecord({ ...ackRow, name: 'ACK', vector: vectors.ack, value: 65_536 })

const finRow = { arbitrary: anOffset, type: RECORD_TYPES.fin, write: writeFin, read: decodeFin }
testRecord({ ...finRow, name: 'FIN', vector: vectors.fin, value: 1005 })

for (const kind of ['ping', 'pong'] as const) {
  testRecord({
    name: kind.toUpperCase(),
    type: RECORD_TYPES[kind],
    vector: vectors[kind],
    value: { id: 42, received: 1024 },
    arbitrary: fc.record({ id: aU32, received: anOffset }),
    write: (writer, value) => writePing(writer, kind, value),
    read: decodePing,
  })
}

testRecord({
  name: 'CLOSE',
  type: RECORD_TYPES.close,
  vector: vectors.close,
  value: { code: 4242, reason: 'so long' },
  arbitrary: fc.record({ code: fc.integer({ min: 0, max: 0xffff }), reason: fc.string({ maxLength: 200 }) }),
  write: writeClose,
  read: decodeClose,
})

const aGone = fc.oneof(
  fc.record({ kind: fc.constant('path' as const), byInitiator: fc.boolean(), generation: aU32 }),
  fc.record({ kind: fc.constant('others' as const) }),
)
const goneRow = { type: RECORD_TYPES.gone, arbitrary: aGone, write: writeGone, read: decodeGone }

testRecord({
  ...goneRow,
  name: 'GONE for one path',
  vector: vectors.gonePath,
  value: { kind: 'path', byInitiator: true, generation: 7 },
})
testRecord({ ...goneRow, name: 'GONE for all others', vector: vectors.goneOthers, value: { kind: 'others' } })

test('REFUSE is written as its vector, and each refusal has one number', (t) => {
  const writer = new RecordWriter()
  writeRefuse(writer, 'key-mismatch')
  t.deepEqual(writer.take(), vectors.refuse)
  for (const [name, number] of Object.entries(REFUSAL_NUMBERS)) {
    t.is<string, string>(decodeRefuse(Uint8Array.of(number)), name)
  }
  t.is(new Set(Object.values(REFUSAL_NUMBERS)).size, Object.keys(REFUSAL_NUMBERS).length)
  t.is(refusalOf(200), 'unknown')
  t.true(
    ReachError.is(
      t.throws(() => decodeRefuse(new Uint8Array(0))),
      'ERR_REACH_DECODE',
    ),
  )
})

test('offsets above 2^53 - 1 are refused rather than rounded', (t) => {
  for (const offset of ['0020000000000000', 'ffffffffffffffff']) {
    t.true(
      ReachError.is(
        t.throws(() => decodeAck(hex(offset))),
        'ERR_REACH_DECODE',
      ),
    )
  }
  t.is(decodeAck(hex('001fffffffffffff')), MAX_OFFSET)
})

test('an ACCEPT of another version is refused', (t) => {
  const body = vectors.accept.slice(RECORD_HEADER_LENGTH)
  body[0] = 2
  t.true(
    ReachError.is(
      t.throws(() => decodeAccept(body)),
      'ERR_REACH_DECODE',
    ),
  )
})

test('a long reason is cut off, on both sides, and one that is no UTF-8 does no harm', (t) => {
  const writer = new RecordWriter()
  writeClose(writer, { code: 16, reason: 'x'.repeat(1000) })
  t.is(decodeClose(writer.take().subarray(RECORD_HEADER_LENGTH)).reason.length, MAX_REASON_LENGTH)
  t.is(decodeClose(new Uint8Array(2 + 1000).fill(0x78)).reason.length, MAX_REASON_LENGTH)
  t.is(decodeClose(hex('0010 ff41')).reason, '\ufffdA')
})

test('what a writer gave is never written again', (t) => {
  const writer = new RecordWriter()
  const taken: Uint8Array[] = []
  for (let i = 0; i < 5_000; i++) {
    writeAck(writer, i)
    taken.push(writer.take())
  }
  for (const [i, bytes] of taken.entries()) t.is(decodeAck(bytes.subarray(RECORD_HEADER_LENGTH)), i)
})
