import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { Link } from '../../../../lib/protocol/link/link.ts'
import { MAX_PATHS } from '../../../../lib/protocol/link/link-options.ts'
import { ACK_DELAY_MS } from '../../../../lib/protocol/link/receive-half.ts'
import { RECORD_TYPES } from '../../../../lib/protocol/link/record-type.ts'
import { ReplayBudget } from '../../../../lib/protocol/link/replay-budget.ts'
import { FLOOR_CAPACITY } from '../../../../lib/protocol/link/replay-capacity.ts'
import { MAX_WRITE_LENGTH } from '../../../../lib/protocol/link/send-half.ts'
import {
  writeAck,
  writeClose,
  writeFin,
  writeGone,
  writePing,
} from '../../../../lib/protocol/link/session-record.ts'
import * as vectors from '../../../vectors/link-v1.ts'
import { hex } from '../../../vectors/rfc5769.ts'
import { HandWrittenPeer, OTHER_KEY, PEER_KEY } from './hand-written-peer.ts'

function anInitiator(budget = new ReplayBudget()): Link {
  return new Link({ role: 'initiator', sessionId: vectors.SESSION_ID, peerKey: PEER_KEY, budget }, 0)
}

function effectsOf(link: Link): string[] {
  const lines: string[] = []
  for (let effect = link.poll(); effect !== undefined; effect = link.poll()) {
    lines.push('path' in effect ? `${effect.kind} ${effect.path}` : effect.kind)
  }
  return lines
}

/** ACCEPT: nothing received, no other path, 60 s. */
const ACCEPT_NEW = hex('02 00000e 01 01 0000000000000000 0000ea60')

test('the first bytes of a new session leave together with its attach, in one leg', (t) => {
  const link = anInitiator()
  t.is(link.dial(1, PEER_KEY, 0), undefined)
  link.write([vectors.SESSION_ID])
  const [attach, header, payload] = link.pull(1, 0)
  t.deepEqual(attach, vectors.attachNew)
  t.deepEqual(header, hex('10 000018 0000000000000000'))
  t.is(payload, vectors.SESSION_ID)
  link.receive(1, ACCEPT_NEW, 40)
  t.deepEqual(effectsOf(link), ['attached 1', 'active 1'])
  t.is(link.rttMs(1), 40)
})

test('a path to another key is not attached, and the session goes on', (t) => {
  const link = anInitiator()
  link.dial(1, PEER_KEY, 0)
  t.is(link.dial(2, OTHER_KEY, 0), 'key-mismatch')
  t.deepEqual(link.pull(2, 0), [])
  t.is(link.activePath, 1)
})

test('chunks travel by reference out, and as views of the input in', (t) => {
  const peer = new HandWrittenPeer()
  const chunk = new Uint8Array(1000)
  peer.link.write([chunk, vectors.SESSION_ID])
  t.deepEqual(peer.link.pull(1, 0).slice(1), [chunk, vectors.SESSION_ID])
  t.is(peer.link.pull(1, 0).length, 0)
  const input = Buffer.from(vectors.data)
  peer.link.receive(1, input, 0)
  const data = peer.drain().find((effect) => effect.kind === 'data')
  t.is(data?.bytes.buffer, input.buffer)
})

test('a resume may begin inside a record, and both sides replay exactly what is missing', (t) => {
  const peer = new HandWrittenPeer()
  peer.link.write([new Uint8Array(100)])
  t.deepEqual(peer.pull(1), ['data 0+100'])
  // Ten bytes come in of a record of twenty.
  peer.send(1, (writer) => writer.dataHeader(0, 20, false), new Uint8Array(10))
  peer.link.pathLost(1, 0)
  t.is(peer.attach(2, { received: 33 }).kind, 'accepted')
  const [accepted, ...rest] = peer.pull(2)
  t.is(accepted, 'accept 0101000000000000000a0000ea60')
  t.deepEqual(
    rest.filter((line) => line.startsWith('data')),
    ['data 33+67'],
  )
  peer.drain()
  peer.sendData(2, 10, 10)
  const data = peer.drain().filter((effect) => effect.kind === 'data')
  t.deepEqual(
    data.map(({ bytes }) => bytes.length),
    [10],
  )
})

test('what was received twice is given once, at any overlap', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(2)
  peer.sendData(1, 0, 10)
  peer.sendData(2, 0, 15)
  peer.sendData(1, 10, 5)
  peer.sendData(2, 15, 1)
  peer.sendData(1, 5, 20)
  const lengths = peer.drain().flatMap((effect) => (effect.kind === 'data' ? [effect.bytes.length] : []))
  t.deepEqual(lengths, [10, 5, 1, 9])
})

test('a switch to a standby starts at what is not acknowledged, and later acknowledgements shorten it', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(2)
  peer.pull(2)
  peer.link.write([new Uint8Array(150_000)])
  peer.pull(1)
  peer.link.write([new Uint8Array(250_000)])
  peer.pull(1)
  peer.send(1, (writer) => writeAck(writer, 50_000))
  t.true(peer.link.activate(2))
  const [header] = peer.link.pull(2, 0)
  t.deepEqual(header?.slice(-8), hex('000000000000c350'), 'from 50,000 on, behind a ping')
  peer.send(1, (writer) => writeAck(writer, 390_000))
  t.deepEqual(peer.pull(2), ['data-ack 390000+10000'])
  t.deepEqual(peer.pull(1), [], 'the old path carries nothing more')
})

test('acknowledgements go where data comes in, and the side above is told of it', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(2)
  peer.pull(2)
  peer.drain()
  peer.sendData(2, 0, 5, true)
  t.deepEqual(
    peer.drain().map(({ kind }) => kind),
    ['peer-active', 'data'],
  )
  t.deepEqual(peer.pull(1), [])
  t.deepEqual(peer.pull(2), ['ack 0000000000000005'])
})

test('acknowledgements go over the active path when the one that brought data is lost', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(2)
  peer.pull(2)
  peer.sendData(2, 0, 5, true)
  peer.link.pathLost(2, 0)
  t.true(peer.pull(1).includes('ack 0000000000000005'))
})

test('asks for an acknowledgement four times per full buffer, and when it is full', (t) => {
  const peer = new HandWrittenPeer()
  peer.link.write([new Uint8Array(60_000)])
  t.deepEqual(peer.pull(1), ['data 0+60000'])
  peer.link.write([new Uint8Array(10_000)])
  t.deepEqual(peer.pull(1), ['data-ack 60000+10000'], 'a quarter of 256 KiB')
  peer.link.write([new Uint8Array(1000)])
  t.deepEqual(peer.pull(1), ['data 70000+1000'])
  const budget = new ReplayBudget(0)
  const small = anInitiator(budget)
  small.dial(1, PEER_KEY, 0)
  small.write([new Uint8Array(8_000)])
  t.is(small.pull(1, 0)[1]?.[0], RECORD_TYPES.data)
  for (let i = 0; i < 4; i++)
    if (small.canWrite) small.write(Array.from({ length: 60 }, () => new Uint8Array(1)))
  t.false(small.canWrite, 'full of what chunks cost')
  t.is(small.pull(1, 0)[0]?.[0], RECORD_TYPES.dataAck)
})

test('an acknowledgement waits for company, but not longer than its delay', (t) => {
  const peer = new HandWrittenPeer()
  peer.sendData(1, 0, 30_000)
  t.deepEqual(peer.pull(1), [])
  t.is(peer.link.deadlineMs, ACK_DELAY_MS)
  peer.nowMs = ACK_DELAY_MS
  t.deepEqual(peer.pull(1), ['ack 0000000000007530'])
  peer.sendData(1, 30_000, 30_000)
  peer.link.write([new Uint8Array(1)])
  t.deepEqual(peer.pull(1), ['ack 000000000000ea60', 'data 0+1'], 'it rides along')
  peer.sendData(1, 60_000, 10)
  peer.link.write([new Uint8Array(1)])
  t.deepEqual(peer.pull(1), ['data 1+1'], 'for a few bytes it is not worth its own')
  peer.nowMs += ACK_DELAY_MS / 2
  peer.link.write([new Uint8Array(1)])
  t.deepEqual(peer.pull(1), ['ack 000000000000ea6a', 'data 2+1'], 'later it is: it would soon go alone')
})

test('the deadline does not stand still in the past while no path takes output', (t) => {
  const peer = new HandWrittenPeer()
  peer.sendData(1, 0, 10)
  for (let i = 0; i < 5; i++) {
    const dueMs = peer.link.deadlineMs ?? 0
    peer.link.handleTimeout(dueMs)
    t.true((peer.link.deadlineMs ?? Infinity) > dueMs, `after the deadline at ${dueMs}`)
  }
})

test('takes no more when it is full, says so, and says when it does again', (t) => {
  const peer = new HandWrittenPeer()
  let written = 0
  const chunk = new Uint8Array(65_536)
  do written += chunk.length
  while (peer.link.write([chunk]))
  t.false(peer.link.canWrite)
  t.throws(() => peer.link.write([chunk]), { instanceOf: RangeError })
  peer.pull(1)
  t.deepEqual(peer.drain(), [], 'sent is not acknowledged')
  peer.send(1, (writer) => writeAck(writer, written))
  t.deepEqual(peer.drain(), [{ kind: 'writable' }])
  t.is(peer.link.replay.held, 0)
  t.throws(() => peer.link.write([new Uint8Array(MAX_WRITE_LENGTH + 1)]), { instanceOf: RangeError })
})

test('goes on with little when the budget is empty', (t) => {
  const link = anInitiator(new ReplayBudget(0))
  link.dial(1, PEER_KEY, 0)
  t.is(link.replay.capacity, FLOOR_CAPACITY)
  t.true(link.write([new Uint8Array(1000)]))
  t.false(link.write([new Uint8Array(FLOOR_CAPACITY)]))
})

test('a peer that has lost all its paths resumes at once: the old ones are dropped without waiting', (t) => {
  const peer = new HandWrittenPeer()
  for (let path = 2; path <= MAX_PATHS; path++) peer.attach(path)
  peer.drain()
  t.is(peer.attach(9, { isAlone: true }).kind, 'accepted')
  const closed = peer.drain().flatMap((effect) => (effect.kind === 'close-path' ? [effect.why.kind] : []))
  t.deepEqual(
    closed,
    Array.from({ length: MAX_PATHS }, () => 'gone'),
  )
  t.is(peer.link.activePath, 9)
})

test('an attach that was overtaken drops only what was there before it', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(3, { generation: 5 })
  peer.drain()
  peer.attach(2, { generation: 4, isAlone: true })
  const closed = peer.drain().flatMap((effect) => (effect.kind === 'close-path' ? [effect.path] : []))
  t.deepEqual(closed, [1])
  t.is(peer.link.rttMs(3), undefined)
  t.true(peer.link.activate(3))
})

test('an acknowledgement that was lost with its path comes with the answer to the ping of the next', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(2)
  peer.link.activate(2)
  peer.link.write([new Uint8Array(100)])
  t.is(peer.pull(2).at(-1), 'data 0+100')
  peer.send(2, (writer) => writePing(writer, 'pong', { id: 1, received: 0 }))
  peer.link.activate(1)
  t.deepEqual(peer.pull(1), ['data 0+100'])
  peer.link.pathLost(1, 0)
  const [gone, ping, ...rest] = peer.pull(2)
  t.is(gone, 'gone 0100000001')
  t.deepEqual(rest, [], 'all of it went over this path before')
  t.true(ping?.startsWith('ping '))
  const id = Number.parseInt(ping?.slice(5, 13) ?? '', 16)
  peer.send(2, (writer) => writePing(writer, 'pong', { id, received: 100 }))
  t.is(peer.link.replay.held, 0)
})

test('a path that the peer gave up is dropped at once, and the standby goes on', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(2)
  peer.link.write([new Uint8Array(10)])
  peer.pull(1)
  peer.send(2, (writer) => writeGone(writer, { kind: 'path', byInitiator: true, generation: 1 }))
  t.is(peer.link.activePath, 2)
  t.true(peer.pull(2).includes('data 0+10'))
})

test('a path that we give up is told of over the others', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(2)
  peer.pull(2)
  peer.link.detach(1, 0)
  t.true(peer.pull(2).includes('gone 0100000001'))
  t.is(peer.link.activePath, 2)
})

test('both directions end by themselves, and the session when both are acknowledged', (t) => {
  const peer = new HandWrittenPeer()
  peer.drain()
  peer.sendData(1, 0, 3)
  peer.send(1, (writer) => writeFin(writer, 3))
  t.deepEqual(
    peer.drain().map(({ kind }) => kind),
    ['peer-active', 'data', 'end'],
  )
  t.deepEqual(peer.pull(1), ['ack 0000000000000004'])
  t.true(peer.link.write([new Uint8Array(7)]), 'ours goes on')
  peer.link.finish()
  t.false(peer.link.canWrite)
  t.deepEqual(peer.pull(1), ['data 0+7', 'fin 0000000000000007'])
  peer.send(1, (writer) => writeAck(writer, 7))
  t.is(peer.link.end, undefined, 'the end is not acknowledged yet')
  peer.send(1, (writer) => writeAck(writer, 8))
  t.deepEqual(peer.link.end, { kind: 'finished' })
  const [closed] = peer.drain()
  t.deepEqual(
    closed?.kind === 'close-path' && closed.lastBytes,
    hex('12 000008 0000000000000004 16 000002 0000'),
  )
})

test('a side whose last acknowledgement was lost learns from the refusal that all is well', (t) => {
  const link = anInitiator()
  link.dial(1, PEER_KEY, 0)
  link.receive(1, ACCEPT_NEW, 0)
  link.receive(1, hex('15 000008 0000000000000000'), 0)
  link.finish()
  link.pull(1, 0)
  link.pathLost(1, 0)
  t.is(link.dial(2, PEER_KEY, 10), undefined)
  link.receive(2, hex('03 000001 08'), 20)
  t.deepEqual(link.end, { kind: 'finished' })
})

test('a side that misses bytes does not take that refusal for a clean end', (t) => {
  const link = anInitiator()
  link.dial(1, PEER_KEY, 0)
  link.receive(1, ACCEPT_NEW, 0)
  link.finish()
  link.pathLost(1, 0)
  link.dial(2, PEER_KEY, 10)
  link.receive(2, hex('03 000001 08'), 20)
  t.true(link.end?.kind === 'failed' && ReachError.is(link.end.error, 'ERR_REACH_SESSION_REFUSED'))
})

test('a refusal that may pass costs the path only; a final one ends the session when no path is left', (t) => {
  for (const [number, isOver] of [
    [4, false],
    [5, false],
    [10, false],
    [2, true],
    [7, true],
    [99, false],
  ] as const) {
    const link = anInitiator()
    link.dial(1, PEER_KEY, 0)
    link.receive(1, ACCEPT_NEW, 0)
    link.dial(2, PEER_KEY, 0)
    link.receive(2, Uint8Array.of(3, 0, 0, 1, number), 0)
    t.is(link.end, undefined, `refusal ${number} while a path lives`)
    link.pathLost(1, 0)
    link.dial(3, PEER_KEY, 0)
    link.receive(3, Uint8Array.of(3, 0, 0, 1, number), 0)
    t.is(link.end !== undefined, isOver, `refusal ${number}`)
  }
})

test('without a path the session waits for the shorter resume time of both, then ends', (t) => {
  const peer = new HandWrittenPeer()
  peer.attach(2, { resumeTimeMs: 5_000 })
  peer.link.pathLost(1, 100)
  peer.link.pathLost(2, 200)
  t.deepEqual(peer.drain().at(-1), { kind: 'path-needed', untilMs: 5_200 })
  peer.link.handleTimeout(5_199)
  t.is(peer.link.end, undefined)
  peer.link.handleTimeout(5_200)
  const { end } = peer.link
  t.true(end?.kind === 'failed' && ReachError.is(end.error, 'ERR_REACH_SESSION_LOST'))
  t.is(peer.budget.left, new ReplayBudget().left)
})

test('a path that is not accepted in time is closed', (t) => {
  const link = anInitiator()
  link.dial(1, PEER_KEY, 0)
  link.handleTimeout(9_999)
  t.deepEqual(effectsOf(link), [])
  link.handleTimeout(10_000)
  t.deepEqual(effectsOf(link), ['close-path 1', 'path-needed'])
})

test('a close tells the peer why; an abort tells it nothing', (t) => {
  const closed = new HandWrittenPeer()
  closed.drain()
  closed.link.close({ code: 4242, reason: 'so long' })
  const [first] = closed.drain()
  const ack = hex('12 000008 0000000000000000')
  t.deepEqual(first?.kind === 'close-path' && first.lastBytes, Uint8Array.of(...ack, ...vectors.close))
  const aborted = new HandWrittenPeer()
  aborted.drain()
  aborted.link.abort()
  const [last] = aborted.drain()
  t.is(last?.kind === 'close-path' && last.lastBytes.length, 0)
  t.throws(() => new HandWrittenPeer().link.close({ code: 1, reason: '' }), { instanceOf: RangeError })
})

test('a clean close by a peer that we still owe bytes is no clean end', (t) => {
  const peer = new HandWrittenPeer()
  peer.send(1, (writer) => writeClose(writer, { code: 0, reason: '' }))
  t.is(peer.link.end?.kind, 'closed')
})
