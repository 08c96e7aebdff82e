import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { FRAME_FLAGS, FRAME_TYPES, INITIAL_WINDOW } from '../../../../lib/protocol/mux/frame.ts'
import { GO_AWAY_CODES } from '../../../../lib/protocol/mux/go-away.ts'
import { MAX_PENDING_RESETS } from '../../../../lib/protocol/mux/mux-core.ts'
import { MAX_PENDING_PONGS } from '../../../../lib/protocol/mux/mux-input.ts'
import { RESET_REASONS } from '../../../../lib/protocol/mux/reset-reason.ts'
import { REORDERED_IDS } from '../../../../lib/protocol/mux/peer-stream-ids.ts'
import { openWeb } from '../../../vectors/yamux.ts'
import { frameBytes, RawPeer } from './raw-peer.ts'

const { syn: SYN, ack: ACK, fin: FIN, rst: RST } = FRAME_FLAGS
const { windowUpdate: WINDOW, ping: PING } = FRAME_TYPES

/** What a peer does that ends the session. Its streams have odd ids. */
const lies: readonly (readonly [string, (peer: RawPeer) => void])[] = [
  ['speaks another version', (peer) => peer.sendBytes(frameBytes({ type: WINDOW, flags: SYN }).with(0, 1))],
  ['sends a frame of an unknown type', (peer) => peer.send({ type: 4 })],
  ['sends a flag that does not exist', (peer) => peer.send({ type: WINDOW, flags: 16, streamId: 1 })],
  ['opens and acknowledges at once', (peer) => peer.syn(1, ACK)],
  ['opens and resets at once', (peer) => peer.syn(1, RST)],
  ['sends data of the session', (peer) => peer.send({ streamId: 0 })],
  ['pings a stream', (peer) => peer.send({ type: PING, flags: SYN, streamId: 1 })],
  ['opens a stream with an id of our side', (peer) => peer.syn(2)],
  [
    'opens a stream twice',
    (peer) => {
      peer.syn(1)
      peer.syn(1)
    },
  ],
  [
    'uses the id of a stream that is over',
    (peer) => {
      peer.syn(1)
      peer.send({ type: WINDOW, flags: RST, streamId: 1 })
      peer.syn(1)
    },
  ],
  [
    'uses an id that it passed over long ago',
    (peer) => {
      peer.syn(2 * REORDERED_IDS + 65)
      peer.syn(1)
    },
  ],
  ['sends data for a stream that was never opened', (peer) => peer.data(1, Uint8Array.of(1))],
  [
    'gives credit to a stream that was never opened',
    (peer) => peer.send({ type: WINDOW, streamId: 1, length: 1 }),
  ],
  ['resets a stream that was never opened', (peer) => peer.send({ type: WINDOW, flags: RST, streamId: 1 })],
  [
    'acknowledges a stream that we never opened',
    (peer) => peer.send({ type: WINDOW, flags: ACK, streamId: 2 }),
  ],
  [
    'acknowledges a stream of ours before it can know of it',
    (peer) => {
      peer.session.open(undefined, peer.nowMs)
      peer.send({ type: WINDOW, flags: ACK, streamId: 2 })
    },
  ],
  [
    'acknowledges twice',
    (peer) => {
      peer.session.open(undefined, peer.nowMs)
      peer.pull()
      peer.send({ type: WINDOW, flags: ACK, streamId: 2 })
      peer.send({ type: WINDOW, flags: ACK, streamId: 2 })
    },
  ],
  [
    'acknowledges its own stream',
    (peer) => {
      peer.syn(1)
      peer.send({ type: WINDOW, flags: ACK, streamId: 1 })
    },
  ],
  [
    'sends a byte more than its window',
    (peer) => {
      peer.syn(1)
      for (let i = 0; i < 4; i++) peer.data(1, new Uint8Array(INITIAL_WINDOW / 4))
      peer.data(1, new Uint8Array(1))
    },
  ],
  [
    'announces 4 GiB of data',
    (peer) => {
      peer.syn(1)
      peer.send({ streamId: 1, length: 0xffff_ffff })
    },
  ],
  [
    'announces more than a window with its SYN',
    (peer) => peer.send({ flags: SYN, length: INITIAL_WINDOW + 1 }),
  ],
  [
    'sends data behind its end',
    (peer) => {
      peer.syn(1, FIN)
      peer.data(1, Uint8Array.of(1))
    },
  ],
  [
    'ends twice',
    (peer) => {
      peer.syn(1, FIN)
      peer.send({ type: WINDOW, flags: FIN, streamId: 1 })
    },
  ],
  [
    'lets a window grow over 2^32 - 1',
    (peer) => {
      peer.syn(1)
      peer.send({ type: WINDOW, streamId: 1, length: 0xffff_ffff - INITIAL_WINDOW })
      peer.send({ type: WINDOW, streamId: 1, length: 1 })
    },
  ],
  [
    'sends data for a stream that both sides ended',
    (peer) => {
      peer.syn(1, FIN)
      peer.offered.accept()
      peer.offered.end()
      peer.pull()
      peer.data(1, Uint8Array.of(1))
    },
  ],
  [
    'sends more for a stream that we reset than its window had',
    (peer) => {
      peer.syn(1)
      peer.offered.reset(1)
      for (let i = 0; i < 4; i++) peer.data(1, new Uint8Array(INITIAL_WINDOW / 4))
      peer.data(1, new Uint8Array(1))
    },
  ],
  [
    'answers a ping that we did not send',
    (peer) => peer.send({ type: PING, flags: ACK, streamId: 0, length: 99 }),
  ],
  [
    'answers a ping twice',
    (peer) => {
      peer.send({ type: PING, flags: ACK, streamId: 0, length: 0 })
      peer.send({ type: PING, flags: ACK, streamId: 0, length: 0 })
    },
  ],
  [
    'pings more often at once than anybody needs',
    (peer) => {
      const ping = frameBytes({ type: PING, flags: SYN, streamId: 0 })
      peer.sendBytes(Buffer.concat(Array.from({ length: MAX_PENDING_PONGS + 1 }, () => ping)))
    },
  ],
  [
    'pings without pause',
    (peer) => {
      for (let i = 0; i <= 1000; i++) {
        peer.pull()
        peer.send({ type: PING, flags: SYN, streamId: 0 })
      }
    },
  ],
  [
    'opens and resets streams without pause',
    (peer) => {
      for (let id = 1; id <= 40_001; id += 2) {
        peer.take()
        peer.syn(id)
        peer.send({ type: WINDOW, flags: RST, streamId: id })
      }
    },
  ],
  [
    'says nothing, without pause',
    (peer) => {
      peer.syn(1)
      for (let i = 0; i <= 20_000; i++) peer.data(1, new Uint8Array(0))
    },
  ],
  [
    'says nothing about a closed stream, without pause',
    (peer) => {
      peer.syn(1)
      peer.offered.reset(1)
      for (let i = 0; i <= 20_000; i++) peer.data(1, new Uint8Array(0))
    },
  ],
  [
    'opens streams that are refused one by one without reading it',
    (peer) => {
      for (let i = 0; i < MAX_PENDING_RESETS; i++) {
        peer.syn(1 + 2 * i)
        peer.offered.reset(RESET_REASONS['service-unknown'])
        peer.take()
      }
      peer.syn(1 + 2 * MAX_PENDING_RESETS)
    },
  ],
  [
    'opens streams without reading the refusals',
    (peer) => {
      peer.session.drain()
      for (let i = 0; i <= MAX_PENDING_RESETS + 2048; i++) peer.syn(1 + 2 * i)
    },
  ],
]

for (const [what, lie] of lies) {
  test(`a peer that ${what} ends the session, and is told`, (t) => {
    const peer = new RawPeer()
    if (what.includes('refusals')) peer.syn(0x7fff_ffff) // a stream is open, so draining does not end the session
    t.is(peer.failure, undefined)
    lie(peer)
    t.true(ReachError.is(peer.failure, 'ERR_REACH_PROTOCOL'), peer.kinds().join())
    t.deepEqual(peer.take().at(-1), { kind: 'ended', end: { kind: 'failed', error: peer.failure } })
    const last = peer.pull()
    t.deepEqual(
      last.map(({ type, length }) => ({ type, length })),
      [{ type: FRAME_TYPES.goAway, length: GO_AWAY_CODES.protocolError }],
    )
    t.is(peer.session.streamCount, 0)
    t.deepEqual(peer.session.memory, { held: 0, windowGrowth: 0 })
    peer.syn(4001)
    t.deepEqual(peer.pull(), [], 'nothing is heard or said any more')
    t.deepEqual(peer.take(), [])
  })
}

/** What a peer may do, although it looks much like the above. */
const rights: readonly (readonly [string, (peer: RawPeer) => void])[] = [
  [
    'fills its window to the last byte',
    (peer) => {
      peer.syn(1)
      for (let i = 0; i < 4; i++) peer.data(1, new Uint8Array(INITIAL_WINDOW / 4))
    },
  ],
  [
    'opens a stream with a window’s worth of data',
    (peer) => peer.data(1, new Uint8Array(INITIAL_WINDOW), SYN),
  ],
  ['opens and ends at once', (peer) => peer.syn(1, FIN)],
  [
    'opens streams in another order than that of their ids',
    (peer) => {
      for (const id of [5, 1, 9, 3, 7]) peer.syn(id)
    },
  ],
  [
    'fills the window of a stream that we have reset meanwhile',
    (peer) => {
      peer.syn(1)
      peer.offered.reset(1)
      for (let i = 0; i < 4; i++) peer.data(1, new Uint8Array(INITIAL_WINDOW / 4))
    },
  ],
  [
    'gives credit to a stream that is over',
    (peer) => {
      peer.syn(1)
      peer.offered.reset(1)
      for (let i = 0; i < 30_000; i++) peer.send({ type: WINDOW, streamId: 1, length: 1 })
    },
  ],
  [
    'resets a stream that we reset at the same time',
    (peer) => {
      peer.syn(1)
      peer.offered.reset(1)
      peer.send({ type: WINDOW, flags: RST, streamId: 1 })
    },
  ],
  [
    'resets with a data frame that has a payload',
    (peer) => {
      peer.syn(1)
      peer.data(1, Uint8Array.of(1, 2, 3), RST)
      peer.syn(3)
    },
  ],
  [
    'lets a window grow to 2^32 - 1',
    (peer) => {
      peer.syn(1)
      peer.send({ type: WINDOW, streamId: 1, length: 0xffff_ffff - INITIAL_WINDOW })
    },
  ],
  [
    'refuses 30,000 streams of ours at once',
    (peer) => {
      for (let id = 2; id <= 60_000; id += 2) {
        peer.session.open(undefined, peer.nowMs)
        peer.pull()
        peer.send({ type: WINDOW, flags: RST, streamId: id })
        peer.take()
      }
    },
  ],
  [
    'resets 30,000 streams at once that we had accepted',
    (peer) => {
      for (let id = 1; id <= 60_000; id += 2) {
        peer.syn(id)
        peer.offered.accept()
        peer.pull()
        peer.send({ type: WINDOW, flags: RST, streamId: id })
        peer.take()
      }
    },
  ],
  [
    'sends data without having acknowledged',
    (peer) => {
      peer.session.open(undefined, peer.nowMs)
      peer.pull()
      peer.data(2, Uint8Array.of(1))
    },
  ],
  [
    'pings as often as it likes, with pauses',
    (peer) => {
      for (let i = 0; i < 5000; i++) {
        peer.nowMs += 1
        peer.send({ type: PING, flags: SYN, streamId: 0, length: i })
        peer.pull()
      }
    },
  ],
]

for (const [what, act] of rights) {
  test(`a peer that ${what} is within its rights`, (t) => {
    const peer = new RawPeer()
    act(peer)
    t.is(peer.session.end, undefined, peer.failure?.message)
  })
}

const badOpens: readonly (readonly [string, (peer: RawPeer) => void])[] = [
  ['no data frame', (peer) => peer.syn(1)],
  ['no payload', (peer) => peer.data(1, new Uint8Array(0), SYN)],
  ['half an OPEN', (peer) => peer.data(1, openWeb.subarray(0, 5), SYN)],
  ['an OPEN of another version', (peer) => peer.data(1, openWeb.with(0, 2), SYN)],
  ['a bad name', (peer) => peer.data(1, openWeb.with(4, 0x2f), SYN)],
  ['an OPEN that is too long', (peer) => peer.data(1, Uint8Array.of(1, 255, 255, 1, 97), SYN)],
  ['no OPEN, but 200,000 bytes', (peer) => peer.data(1, new Uint8Array(200_000), SYN)],
]

for (const [what, open] of badOpens) {
  test(`a SYN with ${what} is refused, where streams begin with OPEN; the session goes on`, (t) => {
    const peer = new RawPeer({ hasOpenHeaders: true })
    open(peer)
    t.deepEqual(peer.kinds(), [])
    t.like(peer.pull()[0], { type: WINDOW, flags: RST, streamId: 1, length: 7 })
    peer.data(3, openWeb, SYN)
    t.is(peer.offered.service, 'web')
    t.is(peer.session.memory.held, 0, 'OPEN is not for the user to consume')
  })
}

test('an OPEN in small pieces, with first bytes behind it, is read all the same', (t) => {
  const peer = new RawPeer({ hasOpenHeaders: true })
  for (const byte of frameBytes({ flags: SYN | FIN }, Uint8Array.of(...openWeb, 7, 8))) {
    peer.sendBytes(Uint8Array.of(byte))
  }
  t.deepEqual(peer.kinds(), ['open', 'data', 'data', 'end'])
  t.is(peer.offered.heldLength, 2)
})

test('regression: a session that takes leave while OPEN comes in refuses the stream', (t) => {
  const peer = new RawPeer({ hasOpenHeaders: true })
  peer.data(1, openWeb, SYN)
  const bytes = frameBytes({ flags: SYN, streamId: 3 }, openWeb)
  peer.sendBytes(bytes.subarray(0, 15))
  peer.session.drain()
  peer.sendBytes(bytes.subarray(15))
  t.deepEqual(peer.kinds(), ['open'])
  t.like(
    peer.pull().find(({ flags }) => flags === RST),
    { streamId: 3, length: RESET_REASONS.draining },
  )
})
