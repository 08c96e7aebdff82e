import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import {
  decodeFrameHeader,
  encodeFrameHeader,
  FRAME_FLAGS,
  FRAME_HEADER_LENGTH,
  FRAME_TYPES,
} from '../../../../lib/protocol/mux/frame.ts'
import type { FrameHeader } from '../../../../lib/protocol/mux/frame.ts'
import { handWrittenFrames, yamuxVectors } from '../../../vectors/yamux.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 300)
const { syn: SYN, ack: ACK, fin: FIN, rst: RST } = FRAME_FLAGS

for (const { what, bytes, header } of [...yamuxVectors, ...handWrittenFrames]) {
  test(`reads and writes what others write: ${what}`, (t) => {
    t.deepEqual(decodeFrameHeader(bytes), header)
    t.deepEqual(encoded(header), bytes)
    t.deepEqual(decodeFrameHeader(Uint8Array.of(9, 9, ...bytes), 2), header)
  })

  test(`refuses each truncation: ${what}`, (t) => {
    for (let length = 0; length < FRAME_HEADER_LENGTH; length++)
      t.true(isRefused(bytes.subarray(0, length)), String(length))
  })
}

const STREAM_FLAGS = [0, SYN, ACK, FIN, RST, SYN | FIN, ACK | FIN, ACK | RST]

test('a stream’s flags that contradict each other, and flags that nobody defined, are refused', (t) => {
  const allowed: number[] = []
  for (const type of [FRAME_TYPES.data, FRAME_TYPES.windowUpdate]) {
    for (let flags = 0; flags <= 0x1f; flags++) {
      const isAllowed = !isRefused(encoded({ type, flags, streamId: 1, length: 0 }))
      if (isAllowed && type === FRAME_TYPES.data) allowed.push(flags)
      t.is(isAllowed, STREAM_FLAGS.includes(flags), `type ${type} flags ${flags}`)
    }
    t.true(isRefused(encoded({ type, flags: 0x8000, streamId: 1, length: 0 })))
  }
  t.deepEqual(allowed.toSorted(), STREAM_FLAGS.toSorted())
})

const nonsense: readonly (readonly [string, FrameHeader])[] = [
  ['an unknown type', { type: 4, flags: 0, streamId: 1, length: 0 }],
  ['data of the session', { type: FRAME_TYPES.data, flags: 0, streamId: 0, length: 0 }],
  ['a window of the session', { type: FRAME_TYPES.windowUpdate, flags: 0, streamId: 0, length: 1 }],
  ['a ping of a stream', { type: FRAME_TYPES.ping, flags: SYN, streamId: 1, length: 0 }],
  ['a ping that neither asks nor answers', { type: FRAME_TYPES.ping, flags: 0, streamId: 0, length: 0 }],
  ['a ping that does both', { type: FRAME_TYPES.ping, flags: SYN | ACK, streamId: 0, length: 0 }],
  ['a go away of a stream', { type: FRAME_TYPES.goAway, flags: 0, streamId: 2, length: 0 }],
  ['a go away with a flag', { type: FRAME_TYPES.goAway, flags: FIN, streamId: 0, length: 0 }],
]

for (const [what, header] of nonsense) {
  test(`refuses ${what}`, (t) => t.true(isRefused(encoded(header))))
}

test('refuses another version', (t) => {
  for (const { bytes } of yamuxVectors) t.true(isRefused(bytes.with(0, 1)))
})

test('whatever can be read is written back the same, and arbitrary bytes throw ERR_REACH_DECODE or nothing', (t) => {
  let read = 0
  const small = fc.integer({ min: 0, max: 3 })
  // Nearly all arbitrary bytes are refused for their version, so half of what is tried is nearly a header.
  const nearly = fc
    .tuple(
      small,
      fc.integer({ min: 0, max: 15 }),
      fc.constantFrom([0, 0, 0, 0], [0, 0, 0, 1], [255, 0, 1, 2]),
      fc.uint8Array({ minLength: 4, maxLength: 8 }),
    )
    .map(([type, flags, streamId, rest]) => Uint8Array.of(0, type, 0, flags, ...streamId, ...rest))
  const arbitrary = fc
    .tuple(fc.array(small, { minLength: 4, maxLength: 4 }), fc.uint8Array({ maxLength: 12 }))
    .map(([front, rest]) => Uint8Array.of(...front, ...rest))
  fc.assert(
    fc.property(fc.oneof(nearly, arbitrary), (bytes) => {
      if (isRefused(bytes)) return
      read++
      t.deepEqual(encoded(decodeFrameHeader(bytes)), bytes.subarray(0, FRAME_HEADER_LENGTH))
    }),
    { numRuns: RUNS },
  )
  t.true(read > 0)
})

function encoded(header: FrameHeader): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_LENGTH)
  encodeFrameHeader(header, new DataView(bytes.buffer))
  return bytes
}

function isRefused(bytes: Uint8Array): boolean {
  try {
    decodeFrameHeader(bytes)
    return false
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return true
    throw error
  }
}
