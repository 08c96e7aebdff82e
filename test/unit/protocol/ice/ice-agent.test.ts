import test from 'ava'
import fc from 'fast-check'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import { localCandidate } from '../../../../lib/protocol/ice/candidate.ts'
import { iceCredentials } from '../../../../lib/protocol/ice/connectivity-check.ts'
import { decodeStun, findAttribute } from '../../../../lib/protocol/stun/message.ts'
import { SeededRandom } from '../../../sim/seeded-random.ts'
import { AgentPair, TestPeer } from './ice-agent-pair.ts'

function pairOf(roleA: 'controlling' | 'controlled', roleB: 'controlling' | 'controlled', seed = 1) {
  return new AgentPair(new TestPeer('192.0.2.1', roleA, seed), new TestPeer('192.0.2.2', roleB, seed + 1000))
}

test('two agents nominate the same pair (RFC 8445 §8.1.1)', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.runUntil(1000)
  t.deepEqual(net.a.kinds(), ['pair-succeeded', 'nominated'])
  t.deepEqual(net.b.kinds(), ['pair-succeeded', 'nominated'])
  t.is(net.a.agent.selected?.remote.address.ip, '192.0.2.2')
  t.is(net.b.agent.selected?.remote.address.ip, '192.0.2.1')
  t.is(net.a.agent.selected?.rttMs, 20)
})

for (const role of ['controlling', 'controlled'] as const) {
  test(`two agents that are both ${role} repair it, whoever has the larger tie-breaker (RFC 8445 §7.3.1.1)`, (t) => {
    const winners = new Set<string>()
    for (let seed = 1; seed <= 10; seed++) {
      const net = pairOf(role, role, seed)
      net.introduce()
      net.runUntil(3000)
      t.not(net.a.agent.role, net.b.agent.role, `seed ${seed}`)
      t.true(net.a.kinds().includes('nominated') && net.b.kinds().includes('nominated'), `seed ${seed}`)
      winners.add(net.a.agent.role)
    }
    t.is(winners.size, 2)
  })
}

test('a peer behind a NAT is found by its checks: peer-reflexive (RFC 8445 §7.3.1.3)', (t) => {
  const net = pairOf('controlling', 'controlled')
  const { a, b } = net
  a.agent.handle({ kind: 'local-candidate', candidate: a.candidate }, 0)
  a.agent.handle({ kind: 'remote-credentials', credentials: b.credentials }, 0)
  b.agent.handle({ kind: 'local-candidate', candidate: b.candidate }, 0)
  b.agent.handle({ kind: 'remote-credentials', credentials: a.credentials }, 0)
  b.agent.handle({ kind: 'remote-candidate', candidate: a.candidate }, 0)
  net.runUntil(1000)
  t.is(a.agent.selected?.remote.type, 'prflx')
  t.is(b.agent.selected?.remote.type, 'host')
})

test('a check carries what RFC 8445 §7.1 demands', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.runUntil(0)
  const message = decodeStun(net.packets[0]?.bytes ?? new Uint8Array())
  t.is(findAttribute(message, 'username')?.value, `${net.b.credentials.ufrag}:${net.a.credentials.ufrag}`)
  t.is(findAttribute(message, 'priority')?.value, 110 * 2 ** 24 + 65_535 * 256 + 255)
  t.deepEqual(
    message.attributes.map(({ type }) => type),
    ['username', 'priority', 'ice-controlling', 'message-integrity', 'fingerprint'],
  )
})

test('a fifth of the packets lost delays, and does not decide, 10 seeds', (t) => {
  for (let seed = 1; seed <= 10; seed++) {
    const net = pairOf('controlling', 'controlled', seed)
    const random = new SeededRandom(seed)
    net.passes = () => !random.chance(0.2)
    net.introduce()
    net.runUntil(20_000)
    t.true(net.a.kinds().includes('nominated') && net.b.kinds().includes('nominated'), `seed ${seed}`)
  }
})

test('nothing comes through: both say so, and only once (RFC 8445 §8.1.2)', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.passes = () => false
  net.introduce()
  net.runUntil(60_000)
  t.deepEqual(net.a.kinds(), ['failed'])
  t.deepEqual(net.b.kinds(), ['failed'])
})

test('consent is kept while the peer answers, and lost 30 s after it stops (RFC 7675 §5.1)', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.runUntil(120_000)
  t.false(net.a.kinds().includes('consent-lost'))
  net.passes = () => false
  net.runUntil(149_000 - 5000)
  t.false(net.a.kinds().includes('consent-lost'))
  net.runUntil(151_000)
  t.true(net.a.kinds().includes('consent-lost'))
  t.is(net.a.agent.selected, undefined)
  const sent = net.packets.length
  net.runUntil(200_000)
  t.is(net.packets.length, sent)
})

test('after a restart the old credentials count for nothing (RFC 8445 §9)', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.runUntil(1000)
  const old = net.packets.find(({ to }) => to.ip === '192.0.2.2')
  const { b } = net
  b.agent.handle({ kind: 'restart', credentials: iceCredentials(new Uint8Array(24).fill(7)) }, 1000)
  b.agent.handle({ kind: 'local-candidate', candidate: b.candidate }, 1000)
  t.is(b.agent.selected, undefined)
  const { checksReceived } = b.agent.counters
  b.agent.handle(
    { kind: 'received', socket: 1, bytes: old?.bytes ?? new Uint8Array(), from: net.a.address },
    1000,
  )
  t.is(b.agent.poll(), undefined)
  t.is(b.agent.counters.checksReceived, checksReceived)
})

test('forged checks and answers change nothing and are not answered', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.passes = () => false
  net.runUntil(0)
  const real = net.packets.filter(({ to }) => to.ip === '192.0.2.2')[0]?.bytes ?? new Uint8Array()
  const evil = transportAddress('198.51.100.66', 666)
  for (let bit = 0; bit < real.length * 8; bit++) {
    const forged = Uint8Array.from(real)
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    net.b.agent.handle({ kind: 'received', socket: 1, bytes: forged, from: evil }, 1)
    t.is(net.b.agent.poll(), undefined, `bit ${bit}`)
  }
  t.is(net.b.agent.pairs.length, 1)
  t.is(net.b.agent.counters.checksReceived, 0)
})

test('arbitrary packets never throw', (t) => {
  const { b } = pairOf('controlling', 'controlled')
  b.agent.handle({ kind: 'local-candidate', candidate: b.candidate }, 0)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      b.agent.handle({ kind: 'received', socket: 1, bytes, from: b.address }, 1)
      return b.agent.poll() === undefined
    }),
  )
  t.pass()
})

test('a flood of candidates is cut: pairs, candidates and checks are bounded', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.passes = () => false
  for (let port = 1; port <= 2000; port++) {
    const address = transportAddress('198.51.100.7', port)
    net.a.agent.handle(
      {
        kind: 'remote-candidate',
        candidate: localCandidate({ type: 'srflx', address, base: address, socket: 1 }),
      },
      0,
    )
  }
  net.runUntil(120_000)
  t.is(net.a.agent.pairs.length, 32)
  t.is(net.a.agent.counters.candidatesRefused, 2000 - 31)
  t.true(net.packets.filter(({ from }) => from.ip === '192.0.2.1').length <= 32 * 6)
})

test('addresses that a liar names get no more than 200 packets a second, repetitions included', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.passes = () => false
  for (let host = 1; host <= 40; host++) {
    const address = transportAddress(`198.51.100.${host}`, 53)
    const candidate = localCandidate({ type: 'srflx', address, base: address, socket: 1 })
    net.a.agent.handle({ kind: 'remote-candidate', candidate }, 0)
  }
  const perSecond = new Map<number, number>()
  for (let second = 0; second < 60; second++) {
    const before = net.packets.length
    net.runUntil((second + 1) * 1000)
    perSecond.set(second, net.packets.length - before)
  }
  t.true(Math.max(...perSecond.values()) <= 200)
  t.is(perSecond.get(59), 0)
})

test('a check replayed from a thousand forged sources is answered at 32 of them at most', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.passes = () => false
  net.runUntil(0)
  const real = net.packets.find(({ to }) => to.ip === '192.0.2.2')?.bytes ?? new Uint8Array()
  for (let port = 1; port <= 1000; port++) {
    const from = transportAddress('198.51.100.66', port)
    net.b.agent.handle({ kind: 'received', socket: 1, bytes: real, from }, 1)
  }
  net.runUntil(60_000)
  const victims = net.packets.filter(({ to }) => to.ip === '198.51.100.66').map(({ to }) => to.port)
  t.is(new Set(victims).size, 31)
  t.true(victims.length <= 31 * 7)
})

test('a check that comes in while ours is under way is answered by a new one at once (RFC 8445 §7.3.1.4)', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  // The first check towards b dies at its NAT; b's own one, later, opens that.
  let isOpen = false
  net.passes = ({ to }) => to.ip === '192.0.2.1' || isOpen
  net.runUntil(40)
  isOpen = true
  net.runUntil(240)
  t.is(net.a.kinds()[0], 'pair-succeeded')
  const checks = net.packets
    .filter(({ to }) => to.ip === '192.0.2.2')
    .map(({ bytes }) => decodeStun(bytes))
    .filter((each) => each.class === 'request' && findAttribute(each, 'use-candidate') === undefined)
  t.is(checks.length, 2)
})

test('nothing is sent where the predicate forbids it, not even to one who proves to know the password', (t) => {
  const a = new TestPeer('192.0.2.1', 'controlling', 1, { maySendTo: ({ ip }) => ip !== '10.0.0.1' })
  const net = new AgentPair(a, new TestPeer('10.0.0.1', 'controlled', 2))
  net.introduce()
  net.runUntil(1000)
  t.is(net.packets.filter(({ from }) => from.ip === '192.0.2.1').length, 0)
  t.is(a.agent.selected, undefined)
})

test('a check that is replayed from elsewhere wins nothing: our own check goes there and fails', (t) => {
  const net = pairOf('controlling', 'controlled')
  net.introduce()
  net.runUntil(1000)
  const real = net.packets.filter(({ to }) => to.ip === '192.0.2.2')
  const evil = transportAddress('198.51.100.66', 666)
  for (const { bytes } of real) {
    net.b.agent.handle({ kind: 'received', socket: 1, bytes, from: evil }, 1000)
  }
  net.runUntil(60_000)
  t.is(net.b.agent.selected?.remote.address.ip, '192.0.2.1')
})
