import test from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import type { LeaseState, PortRequest, Prove } from '../../../lib/portmap/lease-state.ts'
import type { OpenLeaseOptions } from '../../../lib/portmap/mapping-lease.ts'
import { MappingLease } from '../../../lib/portmap/mapping-lease.ts'
import { PortMapper } from '../../../lib/portmap/port-mapper.ts'
import type { MappingGrant } from '../../../lib/protocol/port-mapping/mapping.ts'
import type { MappingProof } from '../../../lib/protocol/port-mapping/mapping-proof.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { CLIENT_IP, FakeLan, GATEWAY_IP } from '../../support/fake-lan.ts'
import type { FakeServerBehavior } from '../../support/fake-mapping-server.ts'
import { MemoryJournal } from '../../support/memory-journal.ts'

const REQUEST: PortRequest = { transport: 'tcp', port: 8_080 }
const WAN_IP = '203.0.113.50'

function proven({ externalPort, internal }: MappingGrant): MappingProof {
  const external = transportAddress(WAN_IP, externalPort, internal.transport)
  return { proof: 'proven', kind: 'received', external, relay: 'relay.example:443' }
}

function failed({ externalIp }: MappingGrant): MappingProof {
  const facts = { relayHeard: 'timed-out', externalIp, seenAs: WAN_IP } as const
  const cause = externalIp === WAN_IP ? 'silence' : 'second-nat'
  return { proof: 'failed', cause, facts, relay: 'relay.example:443' }
}

/** A prover that answers as it is told, and counts. */
function prover(answer: (grant: MappingGrant, call: number) => MappingProof) {
  const calls: MappingGrant[] = []
  const prove: Prove = (grant) => {
    calls.push(grant)
    return Promise.resolve(answer(grant, calls.length))
  }
  return { prove, calls }
}

function setUp(behavior: Partial<FakeServerBehavior> = {}) {
  const lan = new FakeLan()
  const server = lan.addGateway(behavior)
  const journal = new MemoryJournal()
  const mapper = new PortMapper({ runtime: lan.runtime, journal })
  const states: LeaseState[] = []
  const open = (options: Partial<OpenLeaseOptions> = {}) =>
    lan.run(
      MappingLease.open({ mapper, request: REQUEST, onChange: (state) => states.push(state), ...options }),
    )
  return { lan, server, journal, mapper, open, states, kinds: () => states.map(({ kind }) => kind) }
}

const maps = (heard: readonly string[]) => heard.filter((kind) => kind === 'pcp-map').length

test('a lease maps, says where, and removes the mapping when it is closed', async (t) => {
  const { lan, server, mapper, journal, open, kinds } = setUp()
  const lease = await open()
  t.like(lease.state, { kind: 'active', proof: undefined })
  t.deepEqual(lease.external, transportAddress(WAN_IP, 8_080, 'tcp'))
  t.is(server.mappings.length, 1)
  t.is(journal.notes.size, 1)
  await lan.run(lease.close())
  t.is(lease.state.kind, 'closed')
  t.is(lease.external, undefined)
  t.deepEqual(server.mappings, [])
  t.is(journal.notes.size, 0)
  t.deepEqual(kinds(), ['closed'])
  await lan.run(Promise.all([lease.close(), mapper.close()]))
  t.is(lan.openSockets, 0)
  t.is(lan.clock.pendingTimers, 0)
})

test('a proven lease is where the relay reached it, whatever the gateway calls itself', async (t) => {
  const { open } = setUp({ externalIp: '45.77.10.20' })
  const { prove } = prover(proven)
  const lease = await open({ prove })
  t.is(lease.external?.ip, WAN_IP)
  t.is(lease.proof?.proof, 'proven')
})

test('it is renewed at half its life, with its nonce, and proven again; nothing is sent in between', async (t) => {
  const { lan, server, open, states } = setUp()
  const { prove, calls } = prover(proven)
  const lease = await open({ prove, request: { ...REQUEST, lifetimeS: 1_000 } })
  const before = lan.sent.length
  await lan.pass(499_000)
  t.is(lan.sent.length, before)
  await lan.pass(1_100)
  t.is(maps(server.heard), 2)
  t.is(calls.length, 2)
  t.deepEqual(new Set(calls.map(({ keep }) => keep.nonce)), new Set([server.mappings[0]?.nonce]))
  await lan.pass(5_000_000)
  t.is(server.mappings.length, 1)
  t.true(states.every(({ kind }) => kind === 'active'))
  await lan.run(lease.close())
})

test('a gateway that grants less is asked sooner', async (t) => {
  const { lan, server, open } = setUp({ maxLifetimeS: 100 })
  await open()
  await lan.pass(50_100)
  t.is(maps(server.heard), 2)
})

test('a gateway that restarts has the same port mapped again within 5 s, and proven again', async (t) => {
  const { lan, server, open, kinds } = setUp()
  const { prove, calls } = prover(proven)
  const lease = await open({ prove, request: { ...REQUEST, externalPort: 9_000 } })
  await lan.pass(60_000)
  lan.announce(server.restart(), GATEWAY_IP)
  await lan.pass(1_000)
  t.deepEqual(kinds(), ['restoring', 'active'])
  t.is(server.mappings[0]?.externalPort, 9_000)
  t.is(calls.length, 2)
  await lan.run(lease.close())
  t.deepEqual(server.mappings, [])
})

test('any port: the one it had is asked for again', async (t) => {
  const { lan, server, open } = setUp()
  server.occupy(8_080)
  const lease = await open()
  t.is(lease.external?.port, 8_081)
  await lan.pass(60_000)
  lan.announce(server.restart(), GATEWAY_IP)
  await lan.pass(1_000)
  t.is(lease.external?.port, 8_081)
})

test('a gateway that is away for a while has it mapped when it is back, though nobody announces it', async (t) => {
  const { lan, server, open, kinds } = setUp()
  const lease = await open({ request: { ...REQUEST, lifetimeS: 100 } })
  server.behavior.losses = Infinity
  await lan.pass(300_000)
  t.is(lease.state.kind, 'lost')
  t.is(lease.external, undefined)
  server.restart()
  server.behavior.losses = 0
  await lan.pass(65_000)
  t.is(lease.state.kind, 'active')
  t.is(kinds()[0], 'restoring')
  t.is(server.mappings.length, 1)
})

test('while it is lost, a gateway that comes back is asked at once', async (t) => {
  const { lan, server, open } = setUp()
  const lease = await open({ request: { ...REQUEST, lifetimeS: 100 } })
  server.behavior.losses = Infinity
  await lan.pass(3_000_000)
  t.is(lease.state.kind, 'lost')
  server.behavior.losses = 0
  lan.announce(server.restart(), GATEWAY_IP)
  await lan.pass(4_000)
  t.is(lease.state.kind, 'active')
})

test('another gateway: mapped there, within one look at the network and some seconds', async (t) => {
  const { lan, server, journal, open, states } = setUp()
  const lease = await open()
  lan.gateways = []
  const next = lan.addGateway({}, '192.168.1.254')
  await lan.pass(10_000)
  t.like(lease.state, { kind: 'active', grant: { gatewayIp: '192.168.1.254' } })
  t.is(next.mappings.length, 1)
  t.deepEqual(states[0], { kind: 'restoring', reason: 'network-change' })
  // The old gateway can't be asked any more; who comes back to it removes what is left.
  t.is(server.mappings.length, 1)
  t.is(journal.notes.get('ipv4/tcp/8080')?.length, 2)
})

test('another address of this host: the mapping leads there', async (t) => {
  const { lan, server, open } = setUp()
  await open()
  lan.ips = ['192.168.1.77']
  await lan.pass(10_000)
  t.true(server.mappings.some(({ internal }) => internal.ip === '192.168.1.77'))
})

test('a network change that leaves gateway and address alone renews and proves', async (t) => {
  const { lan, server, open, kinds } = setUp()
  const { prove, calls } = prover(proven)
  await open({ prove })
  lan.ips = [...lan.ips, '10.9.9.9']
  await lan.pass(10_000)
  t.is(maps(server.heard), 2)
  t.is(calls.length, 2)
  t.deepEqual(kinds(), ['active'])
})

test('nothing comes in: removed, made once more, and told with its cause', async (t) => {
  const { lan, server, mapper, journal, open } = setUp({ natPmp: false })
  const { prove, calls } = prover(failed)
  const error = await t.throwsAsync(open({ prove }), { code: 'ERR_REACH_MAPPING_UNREACHABLE' })
  t.like(error, { details: { cause: 'silence' } })
  t.is(calls.length, 2)
  t.deepEqual(server.mappings, [])
  t.is(journal.notes.size, 0)
  await lan.run(mapper.close())
  t.is(lan.openSockets, 0)
  t.is(lan.clock.pendingTimers, 0)
  await t.notThrowsAsync(mapper.own(REQUEST)) // nobody owns it any more
})

test('the second time it works: that is what some routers need', async (t) => {
  const { server, open } = setUp()
  const { prove } = prover((grant, call) => (call === 1 ? failed(grant) : proven(grant)))
  const lease = await open({ prove })
  t.is(lease.proof?.proof, 'proven')
  t.deepEqual(
    server.heard.filter((kind) => kind.endsWith('map')),
    ['pcp-map', 'pcp-unmap', 'pcp-map'],
  )
})

test('the best proven protocol wins: PCP’s mapping is dead, NAT-PMP’s is not', async (t) => {
  const { server, open } = setUp()
  const { prove } = prover((grant) => (grant.protocol === 'pcp' ? failed(grant) : proven(grant)))
  const lease = await open({ prove })
  t.like(lease.state, { grant: { protocol: 'nat-pmp' } })
  t.is(server.mappings.length, 1)
})

test('nobody can tell: the lease stands, unproven', async (t) => {
  const { open } = setUp()
  const unproven = await open({ prove: () => Promise.resolve({ proof: 'unproven', why: 'no-relay' }) })
  t.deepEqual(unproven.proof, { proof: 'unproven', why: 'no-relay' })
  const { open: again } = setUp()
  const broken = await again({ prove: () => Promise.reject(new ReachError('ERR_REACH_SOCKET', 'gone')) })
  t.is(broken.proof?.proof, 'unproven')
})

test('a mapping that dies is found at its renewal, and never told of as reachable', async (t) => {
  const { lan, server, open, states } = setUp({ natPmp: false })
  let isDead = false
  const { prove } = prover((grant) => (isDead ? failed(grant) : proven(grant)))
  const lease = await open({ prove })
  isDead = true
  await lan.pass(3_605_000)
  t.is(lease.state.kind, 'lost')
  t.is(lease.external, undefined)
  t.deepEqual(server.mappings, [])
  t.deepEqual(states[0], { kind: 'restoring', reason: 'proof-failed' })
  isDead = false
  await lan.pass(660_000)
  t.is(lease.proof?.proof, 'proven')
})

test('exactly this port: another one at a renewal is given back', async (t) => {
  const { lan, server, open, kinds } = setUp({ natPmp: false })
  const lease = await open({ request: { ...REQUEST, externalPort: 9_000, acceptsOtherPort: false } })
  server.restart()
  server.occupy(9_000)
  await lan.pass(3_610_000)
  t.is(lease.state.kind, 'lost')
  t.deepEqual(kinds().slice(0, 2), ['restoring', 'lost'])
  t.deepEqual(
    server.mappings.map(({ externalPort }) => externalPort),
    [9_000],
  )
})

test('an abort while it is opened leaves nothing behind', async (t) => {
  const { lan, server, mapper, journal } = setUp()
  const stop = new AbortController()
  const prove: Prove = (_grant, _context, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const opening = MappingLease.open({ mapper, request: REQUEST, prove, signal: stop.signal })
  await lan.pass(100)
  t.is(server.mappings.length, 1)
  stop.abort(new Error('enough'))
  await t.throwsAsync(lan.run(opening), { message: 'enough' })
  t.deepEqual(server.mappings, [])
  t.is(journal.notes.size, 0)
  await lan.run(mapper.close())
  t.is(lan.clock.pendingTimers, 0)
})

test('closing does not wait for a prover, nor for a gateway that is away', async (t) => {
  const { lan, server, open, journal } = setUp()
  let proofs = 0
  const prove: Prove = (grant, _context, signal) => {
    if (proofs++ === 0) return Promise.resolve(proven(grant))
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const lease = await open({ prove })
  await lan.pass(3_600_100)
  t.is(proofs, 2)
  server.behavior.losses = Infinity
  const startMs = lan.clock.nowMs()
  await lan.run(lease.close())
  t.true(lan.clock.nowMs() - startMs <= 3_000)
  t.is(lease.state.kind, 'closed')
  // The gateway did not confirm it, so the next start tries again.
  t.is(journal.notes.get('ipv4/tcp/8080')?.length, 1)
})

test('two leases of one port are refused; when the first is closed, the second may', async (t) => {
  const { lan, open } = setUp()
  const first = await open()
  await t.throwsAsync(open(), { code: 'ERR_REACH_MAPPING_REFUSED' })
  await lan.run(first.close())
  const second = await open()
  t.is(second.state.kind, 'active')
})

test('its changes can be followed, from the present state to the end', async (t) => {
  const { lan, server, open } = setUp()
  const lease = await open()
  const seen: string[] = []
  const following = (async () => {
    for await (const { kind } of lease.changes()) seen.push(kind)
  })()
  await lan.pass(60_000)
  lan.announce(server.restart(), GATEWAY_IP)
  await lan.pass(1_000)
  await lan.run(lease.close())
  await lan.run(following)
  t.deepEqual(seen, ['active', 'restoring', 'active', 'closed'])
})

test('a prover gets a second mapping beside the first, which it removes', async (t) => {
  const { server, open } = setUp()
  const prove: Prove = async (grant, { mapSecond }, signal) => {
    const second = await mapSecond(transportAddress(CLIENT_IP, 9_999, 'tcp'), signal)
    t.is(server.mappings.length, 2)
    await second.remove()
    return proven(grant)
  }
  await open({ prove })
  t.is(server.mappings.length, 1)
})

test('a disk that is full keeps a lease from beginning, not from going on', async (t) => {
  const { lan, server, journal, open, kinds } = setUp()
  const lease = await open()
  journal.failure = new ReachError('ERR_REACH_FILE', 'the disk is full')
  await lan.pass(3_610_000)
  t.is(maps(server.heard), 2)
  t.deepEqual(kinds(), ['active'])
  await t.throwsAsync(open({ request: { ...REQUEST, port: 9_000 } }), { code: 'ERR_REACH_FILE' })
  t.is(server.mappings.length, 1)
  await lan.run(lease.close())
  t.deepEqual(server.mappings, [])
})
