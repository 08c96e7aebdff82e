import test from 'ava'
import { LinkRegistry } from '../../../../lib/protocol/link/link-registry.ts'
import { MAX_PATHS } from '../../../../lib/protocol/link/link-options.ts'
import { REFUSAL_NUMBERS } from '../../../../lib/protocol/link/refusal.ts'
import type { KnownRefusal } from '../../../../lib/protocol/link/refusal.ts'
import { ReplayBudget } from '../../../../lib/protocol/link/replay-budget.ts'
import { writeAck, writeClose } from '../../../../lib/protocol/link/session-record.ts'
import { refuse } from '../../../vectors/link-v1.ts'
import { anAttach, HandWrittenPeer, OTHER_KEY, PEER_KEY } from './hand-written-peer.ts'

/** What the peer had done before, and the attach that is refused then. */
interface Row {
  readonly when: string
  readonly refusal: KnownRefusal
  readonly prepare?: (peer: HandWrittenPeer) => void
  readonly attach: Parameters<HandWrittenPeer['attach']>[1]
  readonly key?: Uint8Array
  /** The session was over before: nothing of it is left to be disturbed. */
  readonly isOver?: boolean
}

const sent100 = (peer: HandWrittenPeer) => {
  peer.link.write([new Uint8Array(100)])
  peer.pull(1)
}

const rows: readonly Row[] = [
  { when: 'its version is unknown', refusal: 'version', attach: { version: 2 } },
  {
    when: 'no session has the id',
    refusal: 'session-unknown',
    attach: { sessionId: new Uint8Array(16) },
  },
  {
    when: 'it would create a session that had begun already',
    refusal: 'session-unknown',
    attach: { sessionId: new Uint8Array(16), mayCreate: true, received: 1 },
  },
  {
    when: 'it comes from our own side of the session',
    refusal: 'session-unknown',
    attach: { senderRole: 'responder' },
  },
  { when: 'the key is another', refusal: 'key-mismatch', attach: {}, key: OTHER_KEY },
  {
    when: 'the key is another and it may create',
    refusal: 'key-mismatch',
    attach: { mayCreate: true },
    key: OTHER_KEY,
  },
  { when: 'the key is shorter', refusal: 'key-mismatch', attach: {}, key: PEER_KEY.subarray(1) },
  { when: 'the attempt was seen before', refusal: 'generation-stale', attach: { generation: 1 } },
  { when: 'the attempt has no number', refusal: 'generation-stale', attach: { generation: 0 } },
  {
    when: 'the attempt is older than the window',
    refusal: 'generation-stale',
    prepare: (peer) => peer.attach(2, { generation: 1000 }),
    attach: { generation: 2 },
  },
  {
    when: 'it claims to have more than was sent',
    refusal: 'offset-future',
    prepare: sent100,
    attach: { received: 101 },
  },
  {
    when: 'it wants what it acknowledged before, with no other path to explain it',
    refusal: 'offset-dropped',
    prepare: (peer) => {
      sent100(peer)
      peer.send(1, (writer) => writeAck(writer, 60))
      peer.link.pathLost(1, 0)
    },
    attach: { received: 59 },
  },
  {
    when: 'the resume time is over',
    refusal: 'session-expired',
    prepare: (peer) => {
      peer.link.pathLost(1, 0)
      peer.nowMs = 60_000
    },
    attach: {},
    isOver: true,
  },
  {
    when: 'the session was closed',
    refusal: 'session-closed',
    prepare: (peer) => peer.send(1, (writer) => writeClose(writer, { code: 16, reason: '' })),
    attach: {},
    isOver: true,
  },
  {
    when: 'the session has as many paths as it may have',
    refusal: 'too-many-paths',
    prepare: (peer) => {
      for (let path = 2; path <= MAX_PATHS; path++) peer.attach(path)
    },
    attach: {},
  },
]

for (const { when, refusal, prepare, attach, key, isOver = false } of rows) {
  test(`refuses an attach as ${refusal} when ${when}, and disturbs nothing`, (t) => {
    const peer = new HandWrittenPeer()
    prepare?.(peer)
    peer.drain()
    const before = { active: peer.link.activePath, size: peer.registry.size, end: peer.link.end?.kind }
    const outcome = peer.attach(99, attach, key)
    t.is(outcome.kind, 'refused')
    if (outcome.kind !== 'refused') return
    t.is(outcome.refusal, refusal)
    t.deepEqual(outcome.bytes, Uint8Array.of(...refuse.subarray(0, 4), REFUSAL_NUMBERS[refusal]))
    t.deepEqual(peer.pull(99), [])
    if (isOver) return
    t.deepEqual({ active: peer.link.activePath, size: peer.registry.size, end: peer.link.end?.kind }, before)
    t.deepEqual(peer.drain(), [])
    peer.nowMs++
    if (before.active === undefined) return
    t.is(peer.link.write([new Uint8Array(5)]), true)
    t.true(
      peer.pull(1).some((line) => line.startsWith('data ')),
      'the session goes on',
    )
  })
}

test('takes an older offset while another path is attached: acknowledgements may have overtaken it', (t) => {
  const peer = new HandWrittenPeer()
  sent100(peer)
  peer.send(1, (writer) => writeAck(writer, 60))
  t.is(peer.attach(2, { received: 59 }).kind, 'accepted')
})

test('a refused attempt may be repeated under a new number', (t) => {
  const peer = new HandWrittenPeer()
  t.is(peer.attach(2, {}, OTHER_KEY).kind, 'refused')
  t.is(peer.attach(2, { generation: 2 }).kind, 'accepted', 'another key does not use numbers up')
  t.is(peer.attach(3, { received: 5 }).kind, 'refused')
  t.is(peer.attach(3).kind, 'accepted')
})

test('a registry takes no more sessions than it may have, in all and with one peer', (t) => {
  const registry = new LinkRegistry({ budget: new ReplayBudget(), maxSessions: 5, maxSessionsPerPeer: 3 })
  const open = (n: number, key: Uint8Array) =>
    registry.accept(1, anAttach({ sessionId: new Uint8Array(16).fill(n) }), key, 0)
  t.deepEqual(
    [1, 2, 3, 4].map((n) => open(n, PEER_KEY).kind),
    ['accepted', 'accepted', 'accepted', 'refused'],
  )
  t.deepEqual(
    [5, 6, 7].map((n) => open(n, OTHER_KEY).kind),
    ['accepted', 'accepted', 'refused'],
  )
  const outcome = open(8, OTHER_KEY)
  t.is(outcome.kind === 'refused' && outcome.refusal, 'too-many-sessions')
})

test('sessions that ended make room for new ones, the oldest first', (t) => {
  const registry = new LinkRegistry({ budget: new ReplayBudget(), maxSessions: 2, maxSessionsPerPeer: 2 })
  const attach = (n: number, key: Uint8Array, generation: number) =>
    registry.accept(1, anAttach({ sessionId: new Uint8Array(16).fill(n), generation }), key, 0)
  const first = attach(1, PEER_KEY, 1)
  attach(2, PEER_KEY, 1)
  t.is(attach(3, PEER_KEY, 1).kind, 'refused')
  t.is(attach(3, OTHER_KEY, 1).kind, 'refused')
  if (first.kind === 'accepted') first.link.abort()
  t.is(attach(3, OTHER_KEY, 1).kind, 'accepted')
  t.is(registry.size, 2)
})

test('a registry answers for a session that ended as long as it might be resumed, then forgets it', (t) => {
  const peer = new HandWrittenPeer()
  peer.link.close({ code: 16, reason: 'enough' })
  peer.registry.sweep(0)
  peer.registry.sweep(59_999)
  const outcome = peer.attach(2)
  t.is(outcome.kind === 'refused' && outcome.refusal, 'session-closed')
  peer.registry.sweep(60_000)
  t.is(peer.registry.size, 0)
  t.is(peer.budget.left, new ReplayBudget().left, 'nothing of the budget is kept')
})

test('a process that dials itself has both ends in one registry', (t) => {
  const registry = new LinkRegistry({ budget: new ReplayBudget() })
  const ours = registry.create(new Uint8Array(16), PEER_KEY, 0)
  const outcome = registry.accept(1, anAttach({ sessionId: ours.sessionId }), PEER_KEY, 0)
  t.is(outcome.kind, 'accepted')
  t.is(registry.size, 2)
  t.true(outcome.kind === 'accepted' && outcome.isNew && outcome.link !== ours)
})
