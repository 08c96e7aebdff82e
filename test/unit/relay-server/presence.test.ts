import test from 'ava'
import fc from 'fast-check'
import { Presence } from '../../../relay-server/data/presence.ts'
import { aParty, elsewhere } from './parties.ts'

const RUNS = { numRuns: Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200) }

test('a late end of an older connection does not erase a newer presence', (t) => {
  const presence = new Presence()
  const old = aParty('bob')
  const young = elsewhere(old)
  const first = presence.register(old, 1)
  const second = presence.register(young, 2)
  t.true(second.generation > first.generation)
  t.deepEqual([old.connection.told, young.connection.told], [['superseded'], []])
  presence.drop(old.connection, old.identity.peerId)
  t.is(presence.find('bob'), second)
  t.is(presence.find(old.identity.peerId), second)
  presence.drop(young.connection, old.identity.peerId)
  t.is(presence.find('bob'), undefined)
  t.is(presence.size, 0)
})

test('a connection that registers again keeps its generation, and is told nothing', (t) => {
  const presence = new Presence()
  const bob = aParty('bob')
  t.deepEqual(presence.register(bob, 1), presence.register(bob, 2))
  t.deepEqual(bob.connection.told, [])
})

test('a connection that registers again says anew what its network is like, and is not superseded', (t) => {
  const presence = new Presence()
  const bob = aParty('bob')
  const behavior = {
    mapping: 'endpoint-independent',
    filtering: 'unknown',
    portAllocation: 'random',
  } as const
  const nat = { behavior, udpWorks: true }
  const { generation } = presence.register(bob, 1)
  t.is(presence.find('bob')?.nat, undefined)
  t.is(presence.register(bob, 2, nat).generation, generation)
  t.deepEqual(presence.find('bob')?.nat, nat)
  t.is(presence.find('bob')?.sinceMs, 1)
  presence.register(bob, 3)
  t.is(presence.find('bob')?.nat, undefined, 'what is said last counts')
  t.deepEqual(bob.connection.told, [])
  presence.drop(bob.connection, bob.identity.peerId)
  t.is(presence.size, 0)
})

test('a name that has gone to another key is not taken along by its former holder', (t) => {
  const presence = new Presence()
  const former = aParty('bob')
  const present = aParty('bob')
  presence.register(former, 1)
  const registration = presence.register(present, 2)
  presence.drop(former.connection, former.identity.peerId)
  t.is(presence.find('bob'), registration)
  // The former holder comes back under another name.
  const renamed = { ...elsewhere(former), identity: { ...former.identity, name: 'bert' } }
  presence.register(renamed, 3)
  t.is(presence.find('bob'), registration)
  t.is(presence.find('bert')?.peerId, former.identity.peerId)
})

test('whatever comes and goes: exactly the newest registration of each key that is connected is there', (t) => {
  const members = ['a', 'b', 'c'].map((name) => aParty(name))
  const aStep = fc.record({ member: fc.nat(2), connection: fc.nat(2), isGoing: fc.boolean() })
  fc.assert(
    fc.property(fc.array(aStep, { maxLength: 40 }), (steps) => {
      const presence = new Presence()
      const parties = members.map((member) => [1, 2, 3].map(() => elsewhere(member)))
      const expected = new Map<number, number>()
      for (const { member, connection, isGoing } of steps) {
        const party = parties[member]?.[connection]
        if (party === undefined) continue
        if (!isGoing) {
          presence.register(party, 0)
          expected.set(member, connection)
        } else {
          presence.drop(party.connection, party.identity.peerId)
          if (expected.get(member) === connection) expected.delete(member)
        }
      }
      if (presence.size !== expected.size) return false
      return members.every(({ identity }, at) => {
        const holder = parties[at]?.[expected.get(at) ?? -1]?.connection
        return (
          presence.find(identity.peerId)?.connection === holder &&
          presence.find(identity.name ?? '')?.connection === holder
        )
      })
    }),
    RUNS,
  )
  t.pass()
})
