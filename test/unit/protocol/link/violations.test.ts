import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { Link } from '../../../../lib/protocol/link/link.ts'
import { RECORD_TYPES } from '../../../../lib/protocol/link/record-type.ts'
import { ReplayBudget } from '../../../../lib/protocol/link/replay-budget.ts'
import {
  CLOSE_CODES,
  writeAck,
  writeClose,
  writeFin,
  writeGone,
  writePing,
} from '../../../../lib/protocol/link/session-record.ts'
import * as vectors from '../../../vectors/link-v1.ts'
import { hex } from '../../../vectors/rfc5769.ts'
import { HandWrittenPeer, PEER_KEY } from './hand-written-peer.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200)

/** What a peer does on an attached path that ends the session. */
const lies: readonly (readonly [string, (peer: HandWrittenPeer) => void])[] = [
  ['acknowledges what was never sent', (peer) => peer.send(1, (writer) => writeAck(writer, 1))],
  [
    'acknowledges an end that was never sent',
    (peer) => {
      peer.link.write([new Uint8Array(5)])
      peer.pull(1)
      peer.send(1, (writer) => writeAck(writer, 6))
    },
  ],
  [
    'acknowledges too much in a PING',
    (peer) => peer.send(1, (writer) => writePing(writer, 'ping', { id: 1, received: 1 })),
  ],
  [
    'acknowledges too much in a PONG',
    (peer) => peer.send(1, (writer) => writePing(writer, 'pong', { id: 1, received: 1 })),
  ],
  [
    'acknowledges at the end of all numbers',
    (peer) => peer.send(1, (writer) => writeAck(writer, Number.MAX_SAFE_INTEGER)),
  ],
  ['sends bytes ahead of the stream', (peer) => peer.sendData(1, 1, 5)],
  ['sends bytes far ahead of the stream', (peer) => peer.sendData(1, Number.MAX_SAFE_INTEGER, 1)],
  [
    'sends bytes behind its end',
    (peer) => {
      peer.send(1, (writer) => writeFin(writer, 0))
      peer.sendData(1, 0, 1)
    },
  ],
  ['ends before its bytes are complete', (peer) => peer.send(1, (writer) => writeFin(writer, 1))],
  [
    'ends before what it sent',
    (peer) => {
      peer.sendData(1, 0, 5)
      peer.send(1, (writer) => writeFin(writer, 4))
    },
  ],
  [
    'ends twice in different places',
    (peer) => {
      peer.send(
        1,
        (writer) => writeFin(writer, 0),
        (writer) => writeFin(writer, 1),
      )
    },
  ],
  ['attaches a path again', (peer) => peer.send(1, vectors.attachNew)],
  ['accepts what was not asked for', (peer) => peer.send(1, vectors.accept)],
  ['refuses what was not asked for', (peer) => peer.send(1, vectors.refuse)],
  ['sends a record that must be understood and is not', (peer) => peer.send(1, hex('20 000001 00'))],
  ['sends a record of 16 MiB', (peer) => peer.send(1, hex('10 ffffff'))],
  ['sends an offset above 2^53', (peer) => peer.send(1, hex('12 000008 0020000000000000'))],
  ['sends a record that is too short', (peer) => peer.send(1, hex('13 000001 00'))],
]

for (const [what, lie] of lies) {
  test(`ends the session when the peer ${what}`, (t) => {
    const peer = new HandWrittenPeer()
    t.is(peer.attach(2).kind, 'accepted')
    peer.drain()
    lie(peer)
    const { end } = peer.link
    t.true(end?.kind === 'failed' && ReachError.is(end.error, 'ERR_REACH_PROTOCOL'))
    const effects = peer.drain()
    t.deepEqual(effects.at(-1), { kind: 'ended', end })
    const closed = effects.filter((effect) => effect.kind === 'close-path')
    t.deepEqual(
      closed.map(({ path }) => path),
      [1, 2],
    )
    for (const { lastBytes } of closed) t.true(hasClose(lastBytes, CLOSE_CODES.protocol), 'the peer is told')
    t.is(peer.budget.left, new ReplayBudget().left)
    t.deepEqual([peer.pull(1), peer.link.deadlineMs, peer.link.canWrite], [[], undefined, false])
  })
}

/** What follows the ACK in the last bytes of a path. */
function hasClose(lastBytes: Uint8Array, code: number): boolean {
  const close = lastBytes.subarray(vectors.ack.length)
  return close[0] === RECORD_TYPES.close && close[4] === code >> 8 && close[5] === (code & 0xff)
}

/** What a peer may do, however odd. */
const oddities: readonly (readonly [string, (peer: HandWrittenPeer) => void])[] = [
  [
    'acknowledges less than before',
    (peer) => {
      peer.link.write([new Uint8Array(5)])
      peer.pull(1)
      peer.send(
        1,
        (writer) => writeAck(writer, 5),
        (writer) => writeAck(writer, 2),
      )
    },
  ],
  [
    'repeats bytes in other portions',
    (peer) => {
      peer.sendData(1, 0, 10)
      peer.sendData(1, 3, 4)
      peer.sendData(2, 0, 20)
    },
  ],
  [
    'answers a ping that nobody sent',
    (peer) => peer.send(1, (writer) => writePing(writer, 'pong', { id: 9, received: 0 })),
  ],
  [
    'names a path that nobody knows',
    (peer) =>
      peer.send(1, (writer) => writeGone(writer, { kind: 'path', byInitiator: true, generation: 77 })),
  ],
  ['sends a record of a later version that may be ignored', (peer) => peer.send(1, hex('c0 000003 010203'))],
  [
    'ends twice in the same place',
    (peer) =>
      peer.send(
        1,
        (writer) => writeFin(writer, 0),
        (writer) => writeFin(writer, 0),
      ),
  ],
]

for (const [what, does] of oddities) {
  test(`goes on when the peer ${what}`, (t) => {
    const peer = new HandWrittenPeer()
    t.is(peer.attach(2).kind, 'accepted')
    does(peer)
    t.is(peer.link.end, undefined)
    t.is(peer.link.activePath, 1)
  })
}

test('a peer that pings without end gets one answer at a time', (t) => {
  const peer = new HandWrittenPeer()
  for (let id = 0; id < 100_000; id++)
    peer.send(1, (writer) => writePing(writer, 'ping', { id, received: 0 }))
  t.deepEqual(peer.pull(1), [`pong ${(99_999).toString(16).padStart(8, '0')}0000000000000000`])
})

test('a record that closes the session is the last that is read of its chunk', (t) => {
  const peer = new HandWrittenPeer()
  peer.send(1, (writer) => writeClose(writer, { code: 20, reason: 'no more' }), vectors.data, vectors.refuse)
  t.deepEqual(peer.link.end, { kind: 'closed', by: 'peer', close: { code: 20, reason: 'no more' } })
  t.false(peer.drain().some((effect) => effect.kind === 'data'))
})

const noAnswers: readonly (readonly [string, Uint8Array])[] = [
  ['data', vectors.data],
  ['an acknowledgement', vectors.ack],
  ['another version', hex('02 00000e 02 00 0000000000000000 0000ea60')],
  ['an acknowledgement of what was never sent', vectors.accept],
  ['TLS', hex('16030100 c8010000')],
]

for (const [what, bytes] of noAnswers) {
  test(`a path that answers an attach with ${what} is closed, and the session is not`, (t) => {
    const link = new Link(
      { role: 'initiator', sessionId: vectors.SESSION_ID, peerKey: PEER_KEY, budget: new ReplayBudget() },
      0,
    )
    link.dial(1, PEER_KEY, 0)
    link.receive(1, bytes, 0)
    const effect = link.poll()
    t.true(effect?.kind === 'close-path' && effect.why.kind === 'violation')
    t.is(link.end, undefined)
    t.is(link.dial(2, PEER_KEY, 0), undefined)
  })
}

test('arbitrary bytes on an attached path end the session or do nothing, and hold nothing', (t) => {
  const aPiece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(...Object.values(vectors).map((vector) => vector)),
  )
  fc.assert(
    fc.property(fc.array(aPiece), (pieces) => {
      const peer = new HandWrittenPeer()
      for (const piece of pieces) peer.send(1, piece)
      const { end } = peer.link
      const isOrderly =
        end === undefined || end.kind === 'closed' || ReachError.is(end.kind === 'failed' && end.error)
      return isOrderly && peer.link.replay.held === 0
    }),
    { numRuns: RUNS },
  )
  t.pass()
})
