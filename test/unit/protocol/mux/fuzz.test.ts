import test from 'ava'
import fc from 'fast-check'
import { FRAME_TYPES } from '../../../../lib/protocol/mux/frame.ts'
import { muxDefaults } from '../../../../lib/protocol/mux/mux-options.ts'
import { MuxSession } from '../../../../lib/protocol/mux/mux-session.ts'
import type { MuxStream } from '../../../../lib/protocol/mux/mux-stream.ts'
import { openWeb, yamuxClientBytes } from '../../../vectors/yamux.ts'
import { cut } from './cut.ts'
import { frameBytes, framesIn } from './raw-peer.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 500)
const OPTIONS = { maxStreams: 8, maxUnaccepted: 4, receive: { maxWindowGrowth: 1 << 20, maxHeld: 1 << 20 } }

const anId = fc.oneof(fc.nat(12), fc.constantFrom(0xffff_fffe, 0xffff_ffff))
const aFrame = fc
  .record({
    type: fc.constantFrom(0, 0, 0, 1, 1, 2, 3),
    flags: fc.constantFrom(0, 0, 0, 1, 1, 2, 4, 5, 8, 12, 16),
    streamId: anId,
    length: fc.oneof(fc.nat(3), fc.constantFrom(262_144, 0x7fff_ffff, 0xffff_ffff)),
    payload: fc.uint8Array({ maxLength: 30 }),
    isHonest: fc.boolean(),
  })
  .map(({ payload, isHonest, ...header }) =>
    isHonest
      ? frameBytes(
          { ...header, length: header.type === FRAME_TYPES.data ? payload.length : header.length },
          header.type === FRAME_TYPES.data ? payload : new Uint8Array(0),
        )
      : frameBytes(header, payload),
  )

/** Two streams with OPEN, the second with bytes behind it. */
const withOpen = Uint8Array.from([
  ...frameBytes({ flags: 1, streamId: 1 }, openWeb),
  ...frameBytes({ flags: 1, streamId: 3, length: openWeb.length + 100_000 }, openWeb),
  ...new Uint8Array(40),
])

/** Frames that keep to the rules long enough to get somewhere, and then anything. */
const aStream = fc
  .tuple(
    fc.constantFrom(yamuxClientBytes, yamuxClientBytes.subarray(0, 29), withOpen, new Uint8Array(0)),
    fc.array(fc.oneof({ weight: 9, arbitrary: aFrame }, fc.uint8Array({ maxLength: 40 })), { maxLength: 25 }),
  )
  .map(([front, rest]) => Uint8Array.from(Buffer.concat([front, ...rest])))

/** A go away, and the header of a frame whose 256 KiB never come: they were counted as held once. */
const announcedOnly = Uint8Array.from([
  ...frameBytes({ type: FRAME_TYPES.goAway, streamId: 0 }),
  ...frameBytes({ flags: 1, streamId: 0xffff_ffff, length: 262_144 }),
])

const cuts = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 5 })

/** Feeds a session with whatever, does with its streams whatever, and looks whether it stays within its limits. */
function survives(
  setup: { readonly role: 'initiator' | 'responder'; readonly hasOpenHeaders: boolean },
  pieces: readonly Uint8Array[],
  moves: readonly number[],
): 'ended' | 'open' {
  const session = new MuxSession({ ...setup, options: OPTIONS }, 0)
  const streams: MuxStream[] = []
  let inLength = 0
  let outLength = 0
  const pull = (): void => {
    const bytes = Buffer.concat(session.pull(1 << 20, 0))
    framesIn(bytes) // throws when it is no sequence of frames
    outLength += bytes.length
  }
  for (const [i, piece] of pieces.entries()) {
    inLength += piece.length
    session.receive(piece, i)
    for (let event = session.poll(); event !== undefined; event = session.poll()) {
      if (event.kind === 'open') streams.push(event.stream)
      if (event.kind === 'ended' && event.end.kind === 'failed') {
        const { code } = event.end.error
        if (code !== 'ERR_REACH_PROTOCOL') throw new Error(`it ended with ${code}`)
      }
    }
    const stream = streams[i % Math.max(1, streams.length)]
    if (stream !== undefined) move(stream, moves[i % moves.length] ?? 0, i)
    if (i % 3 === 0) pull()
    if (session.memory.held > inLength) throw new Error('it holds more than came in')
    if (session.streamCount > 2 * OPTIONS.maxStreams) throw new Error('too many streams')
  }
  pull()
  // Each input frame of 12 bytes gets at most one answer of 12, beside what we ask and say ourselves.
  if (outLength > inLength + 12 * (3 + 4 * streams.length)) throw new Error(`${outLength} for ${inLength}`)
  return session.end === undefined ? 'open' : 'ended'
}

function move(stream: MuxStream, what: number, nowMs: number): void {
  if (what === 0) stream.accept()
  if (what === 1) stream.consume(stream.heldLength, nowMs)
  if (what === 2) stream.reset(1)
  if (what === 3 && stream.isAccepted) stream.end()
}

for (const hasOpenHeaders of [false, true]) {
  test(`arbitrary frames never crash a session nor make it exceed its limits, ${hasOpenHeaders ? 'with' : 'without'} OPEN`, (t) => {
    const outcomes = { ended: 0, open: 0 }
    const roles = fc.constantFrom('initiator' as const, 'responder' as const)
    const moves = fc.array(fc.nat(4), { minLength: 1, maxLength: 10 })
    fc.assert(
      fc.property(roles, aStream, cuts, moves, (role, bytes, lengths, list) => {
        outcomes[survives({ role, hasOpenHeaders }, cut(bytes, lengths), list)]++
      }),
      { numRuns: RUNS, examples: [['responder', announcedOnly, [64], [0]]] },
    )
    t.true(outcomes.ended > 0 && outcomes.open > 0, JSON.stringify(outcomes))
  })
}

test('a session that meets an HTTP request, TLS or zeros says so and allocates nothing', (t) => {
  for (const text of [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00',
  ]) {
    const session = new MuxSession({ role: 'responder', hasOpenHeaders: true }, 0)
    session.receive(new TextEncoder().encode(text), 0)
    t.is(session.end?.kind, 'failed')
  }
  const session = new MuxSession({ role: 'responder', hasOpenHeaders: true }, 0)
  session.receive(new Uint8Array(12), 0)
  t.is(session.end?.kind, 'failed', 'data of stream 0')
})

test('100,000 SYNs in one chunk cost a bounded number of streams and answers', (t) => {
  const syns = Buffer.concat(
    Array.from({ length: 100_000 }, (_, i) => frameBytes({ type: 1, flags: 1, streamId: 1 + 2 * i })),
  )
  const session = new MuxSession({ role: 'responder', hasOpenHeaders: false }, 0)
  session.receive(syns, 0)
  t.is(session.end?.kind, 'failed')
  let opens = 0
  for (let event = session.poll(); event !== undefined; event = session.poll())
    if (event.kind === 'open') opens++
  t.is(opens, muxDefaults.maxUnaccepted)
  t.is(Buffer.concat(session.pull(1 << 20, 0)).length, 12)
})
