import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { FRAME_FLAGS, FRAME_TYPES, INITIAL_WINDOW } from '../../../../lib/protocol/mux/frame.ts'
import { GO_AWAY_CODES } from '../../../../lib/protocol/mux/go-away.ts'
import { MAX_PAYLOAD_LENGTH, MIN_ROOM } from '../../../../lib/protocol/mux/mux-output.ts'
import { MuxSession } from '../../../../lib/protocol/mux/mux-session.ts'
import { RESET_REASONS, streamResetError } from '../../../../lib/protocol/mux/reset-reason.ts'
import { QUEUE_HIGH } from '../../../../lib/protocol/mux/stream-record.ts'
import { openWeb } from '../../../vectors/yamux.ts'
import { MuxPair } from './mux-pair.ts'
import { frameBytes, framesIn, RawPeer } from './raw-peer.ts'

const { syn: SYN, ack: ACK, fin: FIN, rst: RST } = FRAME_FLAGS
const { data: DATA, windowUpdate: WINDOW, ping: PING, goAway: GO_AWAY } = FRAME_TYPES
const HELLO = new TextEncoder().encode('hello')

test('OPEN and the first bytes leave in one frame, the end behind it, all in one chunk', (t) => {
  const session = new MuxSession({ role: 'initiator', hasOpenHeaders: true }, 0)
  session.pull(1 << 20, 0)
  const stream = session.open('web', 0)
  stream.write(HELLO)
  stream.end()
  const chunks = session.pull(1 << 20, 0)
  t.is(chunks.length, 1)
  t.deepEqual(
    chunks[0],
    Uint8Array.of(
      ...frameBytes({ flags: SYN, streamId: 1 }, Uint8Array.of(...openWeb, ...HELLO)),
      ...frameBytes({ type: WINDOW, flags: FIN, streamId: 1 }),
    ),
  )
  t.false(session.hasOutput)
})

test('without OPEN a stream is what plain yamux has: a SYN, or a SYN with the first bytes', (t) => {
  const peer = new RawPeer({ role: 'initiator' })
  peer.session.open(undefined, peer.nowMs)
  peer.session.open(undefined, peer.nowMs).write(HELLO)
  t.deepEqual(
    peer.frames().map(({ type, flags, streamId, length }) => [type, flags, streamId, length]),
    [
      [WINDOW, SYN, 1, 0],
      [DATA, SYN, 3, 5],
    ],
  )
  t.throws(() => peer.session.open('web', 0), { instanceOf: RangeError })
})

test('streams that are opened in one turn share a chunk', (t) => {
  const session = new MuxSession({ role: 'initiator', hasOpenHeaders: true }, 0)
  for (let i = 0; i < 100; i++) session.open('web', 0).write(HELLO)
  t.is(session.pull(1 << 20, 0).length, 1)
})

test('what is written is sent as it is, not copied', (t) => {
  const session = new MuxSession({ role: 'initiator', hasOpenHeaders: true }, 0)
  const stream = session.open('web', 0)
  const chunk = new Uint8Array(50_000)
  stream.write(chunk)
  t.true(session.pull(1 << 20, 0).some(({ buffer }) => buffer === chunk.buffer))
})

test('received data are views of what came in', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const bytes = frameBytes({ streamId: 1 }, HELLO)
  peer.sendBytes(bytes)
  const event = peer.events.at(-1)
  t.is(event?.kind === 'data' ? event.bytes.buffer : undefined, bytes.buffer)
})

test('a stream is accepted, carries bytes both ways, and ends in each direction by itself', (t) => {
  const pair = new MuxPair({ delayMs: 10 })
  const seen: string[] = []
  pair.b.onEvent = (event) => {
    seen.push(`b ${event.kind}`)
    if (event.kind === 'open') event.stream.accept()
    if (event.kind === 'end') {
      event.stream.write(HELLO)
      event.stream.end()
    }
  }
  pair.a.onEvent = (event) => seen.push(`a ${event.kind}`)
  const stream = pair.a.session.open('web', 0)
  stream.write(HELLO)
  stream.end()
  t.false(stream.isAccepted)
  pair.settle()
  t.deepEqual(seen, ['b open', 'b data', 'b end', 'b closed', 'a accepted', 'a data', 'a end', 'a closed'])
  t.true(stream.isAccepted && stream.isOver)
  t.deepEqual([pair.a.session.streamCount, pair.b.session.streamCount], [0, 0])
})

test('bytes that are held after the end can still be consumed, and count until then', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const stream = peer.offered
  stream.accept()
  stream.end()
  peer.data(1, HELLO, FIN)
  peer.pull()
  t.true(stream.isOver)
  t.is(peer.session.memory.held, 5)
  stream.consume(3, peer.nowMs)
  t.is(peer.session.memory.held, 2)
  t.throws(() => stream.consume(3, peer.nowMs), { instanceOf: RangeError })
  stream.reset(RESET_REASONS.cancelled)
  t.is(peer.session.memory.held, 0)
  stream.consume(2, peer.nowMs)
  t.deepEqual(peer.frames(), [], 'nobody is told of it')
})

test('regression: reading the rest of a stream that has ended makes no window grow', (t) => {
  const peer = new RawPeer()
  peer.nowMs += 100
  peer.send({ type: PING, flags: ACK, streamId: 0, length: 0 })
  peer.syn(1)
  peer.data(1, new Uint8Array(INITIAL_WINDOW), FIN)
  peer.offered.consume(INITIAL_WINDOW, peer.nowMs)
  t.deepEqual(peer.session.memory, { held: 0, windowGrowth: 0 })
  t.deepEqual(peer.frames(), [])
})

test('a refusal carries its reason, and so does a reset', (t) => {
  const pair = new MuxPair({ delayMs: 10 })
  const seen: string[] = []
  pair.b.onEvent = (event) => {
    if (event.kind !== 'open') return
    if (event.stream.service === 'no') event.stream.reset(RESET_REASONS['not-permitted'])
    else event.stream.accept()
  }
  pair.a.onEvent = (event) => {
    if (event.kind === 'accepted') event.stream.write(new Uint8Array(10))
    if (event.kind !== 'reset') return
    const error = streamResetError(event.code, { wasAccepted: event.stream.isAccepted })
    seen.push(`${error.code} ${String(error.details['reason'])} by ${event.by}`)
  }
  pair.a.session.open('no', 0)
  const yes = pair.a.session.open('yes', 0)
  pair.settle()
  t.deepEqual(seen, ['ERR_REACH_STREAM_REFUSED not-permitted by peer'])
  const resets: number[] = []
  pair.b.onEvent = (event) => {
    if (event.kind === 'reset') resets.push(event.code)
  }
  yes.reset(0xffff_ffff)
  pair.settle()
  t.deepEqual(resets, [0xffff_ffff])
  t.deepEqual([pair.a.session.streamCount, pair.b.session.streamCount], [0, 0])
})

test('a reset that says nothing, and one in a data frame, are understood', (t) => {
  for (const type of [WINDOW, DATA]) {
    const peer = new RawPeer()
    peer.syn(1)
    peer.send({ type, flags: RST, streamId: 1 })
    t.like(peer.events.at(-1), { kind: 'reset', code: RESET_REASONS.unspecified, by: 'peer' })
  }
})

test('a stream that is reset before anybody heard of it leaves no trace', (t) => {
  const peer = new RawPeer({ role: 'initiator' })
  peer.session.open(undefined, peer.nowMs).reset(RESET_REASONS.cancelled)
  t.deepEqual(peer.frames(), [])
  t.is(peer.session.streamCount, 0)
})

test('what waits to be sent is dropped by a reset', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const stream = peer.offered
  stream.accept()
  stream.write(new Uint8Array(1000))
  stream.reset(RESET_REASONS.cancelled)
  t.deepEqual(
    peer.frames().map(({ flags, length }) => [flags, length]),
    [[RST, RESET_REASONS.cancelled]],
  )
  t.false(stream.write(HELLO), 'and so is what comes later')
  stream.end()
  stream.accept()
  t.deepEqual(peer.frames(), [])
})

for (const pullLength of [1 << 20, 70_000, 66_636, 20_000, 1]) {
  test(`no stream holds the link for more than 64 KiB before others had a turn, in pulls of ${pullLength}`, (t) => {
    const peer = new RawPeer()
    for (const id of [1, 3, 5]) {
      peer.syn(id)
      peer.offered.accept()
      peer.offered.write(new Uint8Array(200_000))
    }
    const sent = new Map([1, 3, 5].map((id) => [id, 0]))
    for (const { type, streamId, length } of peer.pull(pullLength)) {
      if (type !== DATA) continue
      t.true(length <= MAX_PAYLOAD_LENGTH)
      sent.set(streamId, (sent.get(streamId) ?? 0) + length)
      const counts = [...sent.values()]
      t.true(Math.max(...counts) - Math.min(...counts) <= MAX_PAYLOAD_LENGTH, counts.join())
    }
    t.deepEqual([...sent.values()], [200_000, 200_000, 200_000])
  })
}

test('a pull gives no more than it is asked for, small rests excepted', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  peer.offered.accept()
  peer.offered.write(new Uint8Array(200_000))
  for (const maxLength of [100_000, 30_000, 5_000, 10]) {
    const chunks = peer.session.pull(maxLength, peer.nowMs)
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    t.true(length > 0 && length <= Math.max(maxLength, MIN_ROOM), `${length} of ${maxLength}`)
  }
})

test('a pull of nothing but small frames keeps to its length, too', (t) => {
  const peer = new RawPeer({ role: 'initiator' })
  for (let id = 2; id < 2000; id += 2) {
    peer.syn(id)
    if (id % 4 === 0) peer.offered.reset(1)
    else peer.offered.accept()
    if (id % 4 === 2) peer.offered.end()
    peer.send({ type: PING, flags: SYN, streamId: 0 })
    if (id % 100 === 0) peer.session.pull(1, peer.nowMs)
  }
  for (let i = 0; i < 500; i++) peer.session.open(undefined, peer.nowMs).end()
  while (peer.session.hasOutput) {
    const length = peer.session.pull(1, peer.nowMs).reduce((sum, chunk) => sum + chunk.length, 0)
    t.true(length > 0 && length <= MIN_ROOM, `${length}`)
  }
  t.is(peer.session.end, undefined)
})

test('regression: credit that nobody needs any more is no output', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  peer.offered.accept()
  peer.pull()
  peer.data(1, new Uint8Array(INITIAL_WINDOW))
  peer.offered.consume(INITIAL_WINDOW, peer.nowMs)
  t.true(peer.session.hasOutput)
  peer.send({ type: WINDOW, flags: FIN, streamId: 1 })
  t.false(peer.session.hasOutput)
})

test('credit and answers go before data', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  peer.offered.accept()
  peer.offered.write(HELLO)
  peer.data(1, new Uint8Array(INITIAL_WINDOW / 2))
  peer.offered.consume(INITIAL_WINDOW / 2, peer.nowMs)
  peer.syn(3)
  peer.offered.reset(3)
  peer.send({ type: PING, flags: SYN, streamId: 0, length: 77 })
  t.deepEqual(
    peer.pull().map(({ type, flags, streamId, length }) => [type, flags, streamId, length]),
    [
      [PING, ACK, 0, 77],
      [WINDOW, RST, 3, 3],
      [WINDOW, ACK, 1, INITIAL_WINDOW / 2],
      [DATA, 0, 1, 5],
    ],
  )
})

test('a sender stops at the window, and goes on with new credit', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const stream = peer.offered
  stream.accept()
  stream.write(new Uint8Array(INITIAL_WINDOW + 100))
  stream.end()
  const sent = (frames: ReturnType<RawPeer['pull']>) =>
    frames.reduce((sum, { type, length }) => sum + (type === DATA ? length : 0), 0)
  t.is(sent(peer.pull()), INITIAL_WINDOW)
  t.false(peer.session.hasOutput)
  t.is(stream.queuedLength, 100)
  peer.send({ type: WINDOW, streamId: 1, length: 60 })
  t.is(sent(peer.pull()), 60)
  peer.send({ type: WINDOW, streamId: 1, length: 1000 })
  const last = peer.pull()
  t.is(sent(last), 40)
  t.is(last.at(-1)?.flags, FIN)
})

test('credit that comes with a SYN or an acknowledgement counts', (t) => {
  const peer = new RawPeer()
  peer.send({ type: WINDOW, flags: SYN, streamId: 1, length: 500 })
  peer.offered.accept()
  peer.offered.write(new Uint8Array(INITIAL_WINDOW + 1000))
  peer.pull()
  t.is(peer.offered.queuedLength, 500)
  const ours = peer.session.open(undefined, peer.nowMs)
  ours.write(new Uint8Array(INITIAL_WINDOW + 1000))
  peer.pull()
  peer.send({ type: WINDOW, flags: ACK, streamId: ours.id, length: 700 })
  peer.pull()
  t.is(ours.queuedLength, 300)
})

test('a writer is told to wait, and when to go on', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const stream = peer.offered
  stream.accept()
  t.true(stream.write(new Uint8Array(QUEUE_HIGH - 1)))
  t.false(stream.write(new Uint8Array(1)))
  peer.take()
  peer.session.pull(100_000, peer.nowMs)
  peer.drain()
  t.deepEqual(peer.kinds(), [])
  peer.pull()
  t.deepEqual(peer.kinds(), ['writable'])
})

test('regression: a writer that was told to wait is told to go on, even if it did not wait', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const stream = peer.offered
  stream.accept()
  t.false(stream.write(new Uint8Array(QUEUE_HIGH)))
  peer.session.pull(100_000, peer.nowMs)
  t.false(stream.write(new Uint8Array(1)))
  peer.take()
  peer.pull()
  peer.send({ type: WINDOW, streamId: 1, length: 1000 })
  peer.pull()
  t.deepEqual(peer.kinds(), ['writable'])
})

test('what must not be called is a RangeError', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const theirs = peer.offered
  const ours = peer.session.open(undefined, peer.nowMs)
  t.throws(() => ours.accept(), { instanceOf: RangeError })
  t.throws(() => theirs.write(HELLO), { instanceOf: RangeError })
  t.throws(() => theirs.end(), { instanceOf: RangeError })
  t.throws(() => theirs.consume(1, 0), { instanceOf: RangeError })
  for (const code of [-1, 0.5, 2 ** 32]) t.throws(() => theirs.reset(code), { instanceOf: RangeError })
  ours.end()
  ours.end()
  t.throws(() => ours.write(HELLO), { instanceOf: RangeError })
  for (const code of [-1, 0.5, 2 ** 32]) t.throws(() => peer.session.close(code), { instanceOf: RangeError })
  t.is(peer.session.end, undefined)
})

test('streams over the limit are refused, on both sides', (t) => {
  const peer = new RawPeer({ options: { maxStreams: 2 } })
  for (const id of [1, 3, 5]) peer.syn(id)
  t.deepEqual(
    peer.pull().map(({ flags, streamId, length }) => [flags, streamId, length]),
    [[RST, 5, RESET_REASONS['too-many-streams']]],
  )
  peer.session.open(undefined, peer.nowMs)
  const last = peer.session.open(undefined, peer.nowMs)
  t.is(peer.session.openRefusal, 'too-many-streams')
  t.throws(() => peer.session.open(undefined, peer.nowMs), { instanceOf: RangeError })
  last.reset(1)
  t.is(peer.session.openRefusal, undefined)
})

test('streams that nobody has decided on are limited, too', (t) => {
  const peer = new RawPeer({ options: { maxUnaccepted: 2 } })
  peer.syn(1)
  peer.offered.accept()
  for (const id of [3, 5, 7]) peer.syn(id)
  t.deepEqual(
    peer.frames().map(({ flags, streamId }) => [flags, streamId]),
    [
      [RST, 7],
      [ACK, 1],
    ],
  )
  peer.offered.reset(2)
  peer.syn(9)
  t.is(peer.offered.id, 9)
})

test('our opens wait until the peer has answered others', (t) => {
  const peer = new RawPeer({ role: 'initiator', options: { maxUnaccepted: 2 } })
  const [first, , third, fourth] = Array.from({ length: 5 }, () => peer.session.open(undefined, peer.nowMs))
  const ids = () => peer.frames().map(({ streamId }) => streamId)
  t.deepEqual(ids(), [1, 3])
  peer.send({ type: WINDOW, flags: ACK, streamId: 1 })
  t.deepEqual(ids(), [5])
  fourth?.reset(1)
  t.deepEqual(ids(), [], 'one that was given up while it waited is not opened')
  peer.send({ type: WINDOW, flags: RST, streamId: 3 })
  t.deepEqual(ids(), [9])
  third?.reset(1)
  t.true(first?.isAccepted)
  t.deepEqual(ids(), [5])
})

test('regression: streams are opened in the order of their ids, however slow the peer answers', (t) => {
  const peer = new RawPeer({ role: 'initiator', options: { maxUnaccepted: 4 } })
  const sent: number[] = []
  const pull = (): void => {
    // As little as a pull can give: the rest stays behind.
    const frames = framesIn(Buffer.concat(peer.session.pull(1, peer.nowMs)))
    sent.push(...frames.filter(({ flags }) => (flags & SYN) !== 0).map(({ streamId }) => streamId))
  }
  let answered = 0
  for (let i = 0; i < 500; i++) {
    peer.session.open(undefined, peer.nowMs).write(new Uint8Array(1000))
    pull()
    if (i % 3 === 0 && answered < sent.length) {
      peer.send({ type: WINDOW, flags: ACK, streamId: sent[answered++] ?? 0 })
    }
  }
  t.false(peer.session.hasOutput && peer.pull().length === 0)
  t.true(sent.length > 100)
  t.deepEqual(
    sent,
    sent.map((_, i) => 1 + 2 * i),
  )
})

test('readers that stop cost their own streams, not the session: memory stays bounded', (t) => {
  const maxHeld = 1024 * 1024
  const receive = { maxWindowGrowth: 0, maxHeld }
  const peer = new RawPeer({ options: { receive } })
  const chunk = new Uint8Array(INITIAL_WINDOW / 4)
  for (let id = 1; id < 101; id += 2) {
    peer.syn(id)
    for (let i = 0; i < 4; i++) peer.data(id, chunk)
    t.true(peer.session.memory.held <= 2 * maxHeld)
  }
  const dropped = peer.take().filter(({ kind }) => kind === 'reset')
  t.true(dropped.length > 0)
  t.like(dropped[0], { by: 'us', code: RESET_REASONS['too-slow'] })
  t.is(peer.frames().filter(({ flags, length }) => flags === RST && length === 8).length, dropped.length)
  t.is(peer.session.end, undefined)
})

for (const hasOpenHeaders of [false, true]) {
  test(`regression: bytes count when they come, not when they are announced, ${hasOpenHeaders ? 'with' : 'without'} OPEN`, (t) => {
    const receive = { maxWindowGrowth: 0, maxHeld: 1000 }
    const peer = new RawPeer({ hasOpenHeaders, options: { receive } })
    const open = hasOpenHeaders ? openWeb : new Uint8Array(0)
    for (const streamId of [1, 3, 0xffff_ffff]) {
      const bytes = frameBytes({ flags: SYN | FIN, streamId, length: INITIAL_WINDOW }, open)
      peer.sendBytes(bytes)
      t.is(peer.offered.heldLength, 0)
      t.is(peer.session.memory.held, 0)
      t.throws(() => peer.offered.consume(1, peer.nowMs), { instanceOf: RangeError })
      peer.sendBytes(new Uint8Array(900))
      t.is(peer.offered.heldLength, 900)
      peer.offered.consume(900, peer.nowMs)
      t.false(peer.kinds().includes('reset'))
      peer.sendBytes(new Uint8Array(INITIAL_WINDOW - 900 - open.length))
      t.like(peer.events.at(-1), { kind: 'reset', by: 'us', code: RESET_REASONS['too-slow'] })
      t.is(peer.session.memory.held, 0)
      peer.take()
    }
    t.is(peer.session.end, undefined)
  })
}

test('a stream that is reset in the middle of a frame takes no memory for the rest of it', (t) => {
  const peer = new RawPeer()
  peer.sendBytes(frameBytes({ flags: SYN, length: 1000 }, new Uint8Array(10)))
  peer.offered.reset(RESET_REASONS.cancelled)
  peer.take()
  peer.sendBytes(new Uint8Array(990))
  t.deepEqual(peer.session.memory, { held: 0, windowGrowth: 0 })
  t.deepEqual(peer.kinds(), [])
  peer.syn(3)
  t.deepEqual(peer.kinds(), ['open'])
})

test('regression: streams that ended unread cost no more than twice the limit', (t) => {
  const maxHeld = 1024 * 1024
  const peer = new RawPeer({ options: { receive: { maxWindowGrowth: 0, maxHeld } } })
  let finished = 0
  for (let id = 1; id < 200; id += 2) {
    peer.syn(id)
    const stream = peer.offered
    stream.accept()
    stream.end()
    peer.pull()
    peer.data(id, new Uint8Array(INITIAL_WINDOW), FIN)
    if (peer.take().some(({ kind }) => kind === 'closed')) finished++
    t.true(peer.session.memory.held <= 2 * maxHeld)
  }
  t.is(finished, 8)
  t.is(peer.session.end, undefined)
})

test('a small stream is not dropped for what large ones hold', (t) => {
  const receive = { maxWindowGrowth: 0, maxHeld: INITIAL_WINDOW }
  const peer = new RawPeer({ options: { receive } })
  for (const id of [1, 3, 5]) peer.syn(id)
  peer.data(1, new Uint8Array(INITIAL_WINDOW))
  peer.data(3, HELLO)
  t.false(peer.kinds().includes('reset'))
  peer.data(5, new Uint8Array(INITIAL_WINDOW))
  t.true(peer.kinds().includes('reset'))
})

test('draining refuses new streams, lets the open ones end, and then ends as finished', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const stream = peer.offered
  stream.accept()
  peer.session.drain()
  peer.session.drain()
  t.is(peer.session.openRefusal, 'draining')
  peer.syn(3)
  t.deepEqual(
    peer.pull().map(({ type, flags, length }) => [type, flags, length]),
    [
      [WINDOW, RST, RESET_REASONS.draining],
      [GO_AWAY, 0, GO_AWAY_CODES.normal],
      [WINDOW, ACK, 0],
    ],
  )
  stream.write(HELLO)
  stream.end()
  peer.data(1, HELLO, FIN)
  peer.pull()
  t.deepEqual(peer.session.end, { kind: 'finished' })
  t.deepEqual(peer.kinds().slice(-2), ['closed', 'ended'])
})

test('a session without streams that drains says so and has ended', (t) => {
  const peer = new RawPeer()
  peer.session.drain()
  t.deepEqual(peer.session.end, { kind: 'finished' })
  t.deepEqual(
    peer.pull().map(({ type }) => type),
    [GO_AWAY],
  )
})

test('a peer that drains gets no new streams; the open ones go on', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  peer.send({ type: GO_AWAY, streamId: 0 })
  peer.send({ type: GO_AWAY, streamId: 0 })
  t.deepEqual(peer.kinds(), ['open', 'draining'])
  t.is(peer.session.openRefusal, 'draining')
  peer.data(1, HELLO)
  t.is(peer.kinds().at(-1), 'data')
  peer.offered.reset(1)
  peer.session.transportClosed()
  t.deepEqual(peer.session.end, { kind: 'finished' })
})

test('a peer that goes away for a reason ends the session', (t) => {
  const broken = new RawPeer()
  broken.send({ type: GO_AWAY, streamId: 0, length: GO_AWAY_CODES.protocolError })
  t.true(ReachError.is(broken.failure, 'ERR_REACH_PROTOCOL'))
  t.deepEqual(broken.pull(), [])
  const ill = new RawPeer()
  ill.syn(1)
  ill.sendBytes(
    Buffer.concat([
      frameBytes({ type: GO_AWAY, streamId: 0, length: 2 }),
      frameBytes({ streamId: 1 }, HELLO),
      frameBytes({ type: WINDOW, flags: SYN, streamId: 3 }),
    ]),
  )
  t.deepEqual(ill.session.end, { kind: 'closed', by: 'peer', code: 2 })
  t.deepEqual(ill.kinds(), ['open', 'ended'], 'what follows in the same bytes is not heard')
})

test('closing ends all streams at once, and tells the peer', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  const stream = peer.offered
  peer.session.close(GO_AWAY_CODES.internalError)
  t.true(stream.isOver)
  t.deepEqual(
    peer.pull().map(({ type, length }) => [type, length]),
    [[GO_AWAY, 2]],
  )
  peer.drain()
  t.deepEqual(peer.kinds(), ['open', 'ended'])
  t.is(peer.session.openRefusal, 'ended')
  t.is(peer.session.deadlineMs, undefined)
})

test('a transport that is gone ends the session as lost, when it was in use', (t) => {
  const peer = new RawPeer()
  peer.syn(1)
  peer.session.transportClosed()
  t.true(ReachError.is(peer.failure, 'ERR_REACH_SESSION_LOST'))
  const idle = new RawPeer()
  idle.session.transportClosed()
  t.true(ReachError.is(idle.failure, 'ERR_REACH_SESSION_LOST'), 'nobody had taken leave')
})
