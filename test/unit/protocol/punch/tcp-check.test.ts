import test from 'ava'
import fc from 'fast-check'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type { IceRole } from '../../../../lib/protocol/ice/candidate-pair.ts'
import { CheckKeys, encodeCheck, iceCredentials } from '../../../../lib/protocol/ice/connectivity-check.ts'
import { MAX_CHECK_FRAME, encodeCheckFrame } from '../../../../lib/protocol/punch/check-frames.ts'
import { TcpCheck } from '../../../../lib/protocol/punch/tcp-check.ts'
import type { TcpCheckEffect } from '../../../../lib/protocol/punch/tcp-check.ts'
import { bindingRequest } from '../../../../lib/protocol/stun/message.ts'

const [ALICE, BOB, EVE] = [1, 2, 3].map((seed) => iceCredentials(new Uint8Array(24).fill(seed))) as [
  ReturnType<typeof iceCredentials>,
  ReturnType<typeof iceCredentials>,
  ReturnType<typeof iceCredentials>,
]
const REMOTE = transportAddress('192.0.2.1', 4000, 'tcp')

let drawn = 0
const randomBytes = (length: number) => {
  drawn++
  return Uint8Array.from({ length }, (_, index) => (drawn >> (8 * (index % 3))) & 0xff)
}

/** One side with all that it did. */
class Side {
  readonly check: TcpCheck
  readonly effects: TcpCheckEffect[] = []

  constructor(role: IceRole, localCredentials = ALICE, remoteCredentials = BOB) {
    this.check = new TcpCheck({ role, localCredentials, remoteCredentials, remote: REMOTE, randomBytes })
  }

  open(nowMs = 0): Uint8Array {
    this.check.handle({ kind: 'open' }, nowMs)
    return this.takeSent()
  }

  receive(bytes: Uint8Array, nowMs = 0): Uint8Array {
    this.check.handle({ kind: 'received', bytes }, nowMs)
    return this.takeSent()
  }

  nominate(nowMs = 0): Uint8Array {
    this.check.handle({ kind: 'nominate' }, nowMs)
    return this.takeSent()
  }

  /** All effects so far but what was sent. */
  get told(): readonly TcpCheckEffect[] {
    return this.effects.filter(({ kind }) => kind !== 'send')
  }

  takeSent(): Uint8Array {
    const sent: number[] = []
    for (let effect = this.check.poll(); effect !== undefined; effect = this.check.poll()) {
      this.effects.push(effect)
      if (effect.kind === 'send') sent.push(...effect.bytes)
    }
    return Uint8Array.from(sent)
  }
}

function sides(): { readonly alice: Side; readonly bob: Side } {
  return { alice: new Side('controlling'), bob: new Side('controlled', BOB, ALICE) }
}

/** Both have checked each other. */
function verified(): { readonly alice: Side; readonly bob: Side } {
  const { alice, bob } = sides()
  const [ofAlice, ofBob] = [alice.open(), bob.open()]
  const answerOfBob = bob.receive(ofAlice)
  bob.receive(alice.receive(concat(ofBob, answerOfBob)))
  return { alice, bob }
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

const FORGED: readonly TcpCheckEffect[] = [{ kind: 'failed', why: 'forged' }]

test('however the bytes are cut, both agree at the same byte, and what follows is handed over', (t) => {
  const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(cuts, fc.uint8Array({ maxLength: 40 }), (lengths, behind) => {
      const { alice, bob } = sides()
      let cut = 0
      const pass = (to: Side, bytes: Uint8Array) => {
        const sent: Uint8Array[] = []
        for (let offset = 0; offset < bytes.length; cut++) {
          const length = lengths[cut % lengths.length] ?? 1
          sent.push(to.receive(bytes.subarray(offset, offset + length)))
          offset += length
        }
        return concat(...sent)
      }
      const [ofAlice, ofBob] = [alice.open(), bob.open()]
      const answerOfBob = pass(bob, ofAlice)
      pass(bob, pass(alice, concat(ofBob, answerOfBob)))
      // The controlled side may speak behind its answer at once; a driver feeds nothing more once it is nominated.
      const answer = pass(bob, alice.nominate())
      const end = alice.receive(concat(answer, behind))
      const [told, rest] = [alice.told.map(({ kind }) => kind), alice.told.at(-1)]
      return (
        end.length === 0 &&
        told.join() === 'verified,nominated' &&
        rest?.kind === 'nominated' &&
        Buffer.from(rest.rest).equals(Buffer.from(behind)) &&
        bob.told.map(({ kind }) => kind).join() === 'verified,nominated'
      )
    }),
  )
  t.pass()
})

test('bytes behind a nomination in the same chunk belong to the user', (t) => {
  const { alice, bob } = verified()
  bob.receive(concat(alice.nominate(), Uint8Array.of(22, 3, 1)))
  t.deepEqual(bob.told.at(-1), { kind: 'nominated', rest: Uint8Array.of(22, 3, 1) })
})

test('only the controlling side nominates, once, and what it has checked', (t) => {
  const { alice, bob } = sides()
  const ofAlice = alice.open()
  t.is(alice.nominate().length, 0)
  bob.open()
  bob.receive(ofAlice)
  const both = verified()
  t.is(both.bob.nominate().length, 0)
  t.true(both.alice.nominate().length > 0)
  t.is(both.alice.nominate().length, 0)
})

const checkOf = (parts: Partial<Parameters<typeof encodeCheck>[1]>, local = BOB, remote = ALICE) =>
  encodeCheckFrame(
    encodeCheck(new CheckKeys(local, remote), {
      ...{ transactionId: randomBytes(12), role: 'controlled', tieBreaker: 0n, priority: 1 },
      ...parts,
    }),
  )

const impostors: readonly (readonly [string, () => Uint8Array])[] = [
  ['a check with the wrong password', () => checkOf({}, EVE, { ...EVE, ufrag: ALICE.ufrag })],
  ['a check to another fragment', () => checkOf({}, BOB, { ...ALICE, ufrag: 'otherone' })],
  ['a check of another peer', () => checkOf({}, EVE)],
  ['a check of the same role', () => checkOf({ role: 'controlling' })],
  ['a nomination of the side that must not', () => checkOf({ useCandidate: true })],
  ['a second check', () => concat(checkOf({}), checkOf({}))],
  ['STUN that is no check', () => encodeCheckFrame(bindingRequest(randomBytes(12)))],
  ['an empty frame', () => Uint8Array.of(0, 0)],
  [
    'the start of a long frame',
    () => Uint8Array.of((MAX_CHECK_FRAME + 1) >> 8, (MAX_CHECK_FRAME + 1) & 0xff),
  ],
  ['TLS', () => Uint8Array.of(0x16, 3, 1, 0, 0xc8, 1, 0, 0)],
]

for (const [what, bytes] of impostors) {
  test(`closed as forged: ${what}`, (t) => {
    const alice = new Side('controlling')
    alice.open()
    alice.receive(bytes())
    t.deepEqual(alice.told, FORGED)
    t.is(alice.receive(checkOf({})).length, 0)
    t.is(alice.check.deadlineMs, undefined)
  })
}

test('closed as forged: our own bytes come back', (t) => {
  const alice = new Side('controlling')
  alice.receive(alice.open())
  t.deepEqual(alice.told, FORGED)
})

test('closed as forged: an answer to what was not asked here, or a second one', (t) => {
  const elsewhere = verified()
  const { alice, bob } = sides()
  alice.open()
  alice.receive(
    elsewhere.bob.effects.flatMap((effect) => (effect.kind === 'send' ? [effect.bytes] : []))[1] ?? concat(),
  )
  t.deepEqual(alice.told, FORGED)
  const again = new Side('controlling')
  bob.open()
  const answer = bob.receive(again.open())
  again.receive(concat(answer, answer))
  t.deepEqual(again.told, FORGED)
})

test('a nomination copied from another connection is refused: the peer has not answered on this one', (t) => {
  const { alice, bob } = verified()
  const nomination = alice.nominate()
  t.is(bob.receive(nomination).length > 0, true)
  const copied = new Side('controlled', BOB, ALICE)
  copied.open()
  copied.receive(nomination)
  t.deepEqual(copied.told, FORGED)
})

test('silence ends it after 5 s, a peer that never chooses after 15 s more', (t) => {
  const alice = new Side('controlling')
  alice.open(1000)
  t.is(alice.check.deadlineMs, 6000)
  alice.check.handleTimeout(5999)
  alice.takeSent()
  t.deepEqual(alice.told, [])
  alice.check.handleTimeout(6000)
  alice.takeSent()
  t.deepEqual(alice.told, [{ kind: 'failed', why: 'silent' }])
  const { bob } = verified()
  t.is(bob.check.deadlineMs, 15_000)
  bob.check.handleTimeout(15_000)
  bob.takeSent()
  t.deepEqual(bob.told, [{ kind: 'verified' }, { kind: 'failed', why: 'silent' }])
})

test('arbitrary bytes never throw, are never answered, and make it hold less than a frame', (t) => {
  const frame = fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => encodeCheckFrame(bytes))
  const chunks = fc.array(fc.oneof(fc.uint8Array({ maxLength: 3000 }), frame), { maxLength: 20 })
  fc.assert(
    fc.property(chunks, fc.boolean(), (list, isControlling) => {
      const side = new Side(isControlling ? 'controlling' : 'controlled')
      side.open()
      return list.every((chunk) => {
        const answered = side.receive(chunk).length > 0
        const isOver = side.told.length > 0
        return !answered && (isOver || side.check.pendingLength < MAX_CHECK_FRAME + 2)
      })
    }),
  )
  t.pass()
})
