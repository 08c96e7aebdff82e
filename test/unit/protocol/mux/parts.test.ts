import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { FrameWriter, MAX_COPIED_LENGTH } from '../../../../lib/protocol/mux/frame-writer.ts'
import { PeerStreamIds, REORDERED_IDS } from '../../../../lib/protocol/mux/peer-stream-ids.ts'
import {
  RESET_REASONS,
  resetReasonName,
  streamResetError,
} from '../../../../lib/protocol/mux/reset-reason.ts'
import { SendQueue } from '../../../../lib/protocol/mux/send-queue.ts'
import { StreamRing } from '../../../../lib/protocol/mux/stream-ring.ts'
import type { RingLinks } from '../../../../lib/protocol/mux/stream-ring.ts'
import { TokenBucket } from '../../../../lib/protocol/mux/token-bucket.ts'
import { muxDefaults, muxOptions } from '../../../../lib/protocol/mux/mux-options.ts'

class Node implements RingLinks<Node> {
  ring: StreamRing<Node> | undefined = undefined
  before: Node | undefined = undefined
  after: Node | undefined = undefined
}

test('a ring keeps its order whoever leaves, and does nothing for who is not in it', (t) => {
  const steps = fc.array(fc.record({ who: fc.nat({ max: 5 }), leaves: fc.boolean() }), { maxLength: 60 })
  fc.assert(
    fc.property(steps, (list) => {
      const nodes = Array.from({ length: 6 }, () => new Node())
      const ring = new StreamRing<Node>()
      const model: number[] = []
      for (const { who, leaves } of list) {
        const node = nodes[who]
        if (node === undefined) continue
        if (leaves) ring.remove(node)
        else ring.append(node)
        const at = model.indexOf(who)
        if (leaves && at >= 0) model.splice(at, 1)
        if (!leaves && at < 0) model.push(who)
        t.is(ring.size, model.length)
      }
      const order: number[] = []
      for (let node = ring.shift(); node !== undefined; node = ring.shift()) order.push(nodes.indexOf(node))
      t.deepEqual(order, model)
      t.is(ring.first, undefined)
    }),
  )
})

test('who enters another ring leaves the one that it was in', (t) => {
  const [one, other, node] = [new StreamRing<Node>(), new StreamRing<Node>(), new Node()]
  one.append(node)
  other.append(node)
  t.deepEqual([one.size, other.size], [0, 1])
})

test('a send queue gives its bytes in order, in views of what was put in', (t) => {
  const steps = fc.array(fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.nat({ max: 30 })), { maxLength: 200 })
  fc.assert(
    fc.property(steps, (list) => {
      const queue = new SendQueue()
      let model: number[] = []
      for (const step of list) {
        if (typeof step !== 'number') {
          queue.push(step)
          model.push(...step)
        } else {
          const taken: number[] = []
          const length = Math.min(step, queue.length)
          queue.take(length, (piece) => taken.push(...piece))
          t.deepEqual(taken, model.slice(0, length))
          model = model.slice(length)
        }
        t.is(queue.length, model.length)
      }
    }),
  )
  const chunk = Uint8Array.of(1, 2, 3)
  const queue = new SendQueue()
  queue.push(chunk)
  queue.take(2, (piece) => t.is(piece.buffer, chunk.buffer))
  t.throws(() => queue.take(2, () => undefined), { instanceOf: RangeError })
})

test('small frames are one chunk; long payloads are handed on as they are', (t) => {
  const writer = new FrameWriter()
  const small = new Uint8Array(MAX_COPIED_LENGTH).fill(1)
  const long = new Uint8Array(MAX_COPIED_LENGTH + 1).fill(2)
  const header = { type: 0, flags: 0, streamId: 1, length: 0 }
  writer.header(header)
  writer.payload(small)
  writer.header(header)
  writer.payload(long)
  writer.header(header)
  t.is(writer.length, 3 * 12 + small.length + long.length)
  const chunks = writer.take()
  t.deepEqual(
    chunks.map(({ length }) => length),
    [12 + small.length + 12, long.length, 12],
  )
  t.is(chunks[1], long)
  t.deepEqual(writer.take(), [])
})

test('a chunk that was taken is never written again', (t) => {
  const writer = new FrameWriter()
  const taken: (readonly [Uint8Array, Uint8Array])[] = []
  for (let i = 0; i < 5000; i++) {
    writer.header({ type: 1, flags: 0, streamId: i, length: i })
    for (const chunk of writer.take()) taken.push([chunk, chunk.slice()])
  }
  for (const [chunk, copy] of taken) t.deepEqual(chunk, copy)
  t.is(new Set(taken.map(([chunk]) => chunk.buffer)).size, 4, 'blocks of 16 KiB')
})

test('ids may overtake each other by a few, but none comes twice, and none from our side', (t) => {
  const ids = new PeerStreamIds(2)
  for (const id of [2, 6, 4, 10]) ids.admit(id)
  t.deepEqual(
    [2, 4, 6, 8, 10, 12].map((id) => ids.wasUsed(id)),
    [true, true, true, false, true, false],
  )
  ids.admit(8)
  for (const id of [2, 4, 6, 8, 10, 1, 11]) {
    t.true(
      ReachError.is(
        t.throws(() => ids.admit(id)),
        'ERR_REACH_PROTOCOL',
      ),
    )
  }
  ids.admit(12)
})

test('a leap over many ids keeps only the latest of them open', (t) => {
  const ids = new PeerStreamIds(1)
  ids.admit(1)
  ids.admit(0xffff_ffff)
  t.true(ids.wasUsed(3), 'too far back to tell')
  t.false(ids.wasUsed(0xffff_ffff - 2))
  t.false(ids.wasUsed(0xffff_ffff - 2 * REORDERED_IDS))
  t.true(ids.wasUsed(0xffff_ffff - 2 * (REORDERED_IDS + 32)))
  ids.admit(0xffff_ffff - 2)
})

test('whichever ids come, none is taken twice, and none that is not far back is refused', (t) => {
  const steps = fc.array(fc.oneof(fc.integer({ min: -300, max: 40 }), fc.constantFrom(4000, 4200, 9000)), {
    minLength: 20,
    maxLength: 300,
    size: 'max',
  })
  fc.assert(
    fc.property(steps, fc.constantFrom(1 as const, 2 as const), (list, firstId) => {
      const ids = new PeerStreamIds(firstId)
      const used = new Set<number>()
      let highest = firstId - 2
      for (const step of list) {
        const id = highest + 2 * step
        if (id < firstId) continue
        if (ids.wasUsed(id)) {
          t.true(used.has(id) || id < highest - 2 * REORDERED_IDS, `${id}`)
          continue
        }
        t.false(used.has(id))
        ids.admit(id)
        used.add(id)
        highest = Math.max(highest, id)
      }
    }),
  )
})

test('a bucket allows its burst, then its rate', (t) => {
  const bucket = new TokenBucket({ ratePerS: 10, burst: 3 }, 0)
  const take = (nowMs: number) => bucket.take(nowMs)
  t.deepEqual([0, 0, 0, 0].map(take), [true, true, true, false])
  t.deepEqual([99, 100, 100].map(take), [false, true, false])
  t.deepEqual([1e9, 1e9, 1e9, 1e9].map(take), [true, true, true, false], 'it saves no more than its burst')
  const free = new TokenBucket({ ratePerS: Infinity, burst: Infinity }, 0)
  t.true(Array.from({ length: 1000 }, () => free.take(0)).every(Boolean))
})

test('reasons of resets have names both ways, and other codes a number', (t) => {
  for (const [name, code] of Object.entries(RESET_REASONS)) t.is<string, string>(resetReasonName(code), name)
  t.is(resetReasonName(4711), 'code 4711')
  t.is(new Set(Object.values(RESET_REASONS)).size, Object.keys(RESET_REASONS).length)
})

test('a reset before acceptance is a refusal', (t) => {
  t.like(streamResetError(3, { wasAccepted: false }), {
    code: 'ERR_REACH_STREAM_REFUSED',
    details: { reason: 'service-unknown', code: 3 },
  })
  t.is(streamResetError(1, { wasAccepted: true }).code, 'ERR_REACH_STREAM_RESET')
})

test('windows that the protocol does not have, and no streams at all, are refused as options', (t) => {
  const setup = { role: 'initiator', hasOpenHeaders: true } as const
  t.deepEqual(muxOptions(setup), muxDefaults)
  for (const maxWindow of [262_143, 2 ** 32, NaN]) {
    t.throws(() => muxOptions({ ...setup, options: { maxWindow } }), { instanceOf: RangeError })
  }
  for (const count of [0, -1, NaN]) {
    t.throws(() => muxOptions({ ...setup, options: { maxStreams: count } }), { instanceOf: RangeError })
    t.throws(() => muxOptions({ ...setup, options: { maxUnaccepted: count } }), { instanceOf: RangeError })
  }
})
