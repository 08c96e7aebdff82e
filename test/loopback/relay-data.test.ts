import test from 'ava'
import { formatAddress } from '../../lib/base/transport-address.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { networkOf } from './network-support.ts'
import { formatMetrics } from '../../relay-server/metrics.ts'
import {
  connectionOf,
  dataOf,
  listenWith,
  pathBetween,
  peerIdOf,
  peerOf,
  until,
} from './relay-data-support/members.ts'
import { freePortPair } from './relay-support/relay.ts'
import { receiveHashed, sendHashed } from './splice-support/hashed-stream.ts'

/* Paths that the relay carries between two members. */

const MIB = 1024 * 1024

test('64 MiB each way arrive whole, and each direction ends by itself', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const [a, b] = await pathBetween(t, alice, bob)
  const [sentByA, gotByB] = await Promise.all([
    sendHashed(a, 64 * MIB, new SeededRandom(1)),
    receiveHashed(b),
  ])
  t.is(gotByB, sentByA)
  // a has ended its direction; the other one still carries everything.
  const [sentByB, gotByA] = await Promise.all([
    sendHashed(b, 64 * MIB, new SeededRandom(2)),
    receiveHashed(a),
  ])
  t.is(gotByA, sentByB)
  await until(() => dataOf(network).counters.paths === 0)
  const { pathsTotal, bytesTotal, waitingLegs } = dataOf(network).counters
  t.deepEqual(
    { pathsTotal, bytesTotal, waitingLegs },
    { pathsTotal: 1, bytesTotal: 128 * MIB, waitingLegs: 0 },
  )
})

test('a member is dialled by its name, and both are told who the other one is', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const seen: string[] = []
  await listenWith(t, bob, (socket) => socket.end('hello'))
  const answer = bob.client.onIncoming
  bob.client.onIncoming = (incoming) => {
    seen.push(`${incoming.name ?? ''} ${incoming.peerId}`)
    answer?.(incoming)
  }
  const { leg, peerId, name } = await alice.client.dial('bob')
  const socket = leg.stream
  t.teardown(() => socket.destroy())
  t.deepEqual([peerId, name], [bob.membership.certificate.peerId, 'bob'])
  t.deepEqual(seen, [`alice ${alice.membership.certificate.peerId}`])
  t.is(Buffer.concat(await socket.toArray()).toString(), 'hello')
})

test('who takes sessions is listed with name and time, and counted for the operator', async (t) => {
  const beforeMs = Date.now()
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  t.deepEqual(await alice.client.peers(), [])
  await pathBetween(t, alice, bob)
  const [present, ...others] = await alice.client.peers()
  t.deepEqual([present?.peerId, present?.name, others.length], [peerIdOf(bob), 'bob', 0])
  t.true(present !== undefined && present.sinceMs >= beforeMs && present.sinceMs <= Date.now())
  await t.throwsAsync(alice.client.dial('nobody'), { code: 'ERR_REACH_PEER_UNKNOWN' })
  await until(() => network.relay.metrics().newcomers === 0) // connections by which they joined end
  const metrics = formatMetrics(network.relay.metrics())
  for (const line of [
    'p2p_reach_registered 1',
    'p2p_reach_paths 1',
    'p2p_reach_paths_total 1',
    'p2p_reach_waiting_legs 0',
    'p2p_reach_relayed_bytes_total 0',
    'p2p_reach_requests_refused_total{code="ERR_REACH_PEER_UNKNOWN"} 1',
    'p2p_reach_newcomers 0',
  ]) {
    t.true(metrics.split('\n').includes(line), `${line} is not in\n${metrics}`)
  }
})

test('a member whose certificate ends while it is connected gets no paths until it has renewed it', async (t) => {
  const network = await networkOf(t, { leafLifetimeMs: 4000, renewGraceMs: 60_000 })
  const alice = await peerOf(t, network, 'alice')
  await alice.client.register()
  const endMs = alice.membership.certificate.notAfterMs
  await until(() => Date.now() > endMs + 50, 10_000)
  await t.throwsAsync(alice.client.peers(), { code: 'ERR_REACH_TRUST_EXPIRED' })
  await t.throwsAsync(alice.client.dial('bob'), { code: 'ERR_REACH_TRUST_EXPIRED' })
  // A connection that is made now is for renewal alone.
  const late = await connectionOf(t, alice.membership)
  await t.throwsAsync(late.client.register(), { code: 'ERR_REACH_TRUST_EXPIRED' })
  await alice.membership.renewOn(alice.control)
  t.is((await alice.client.peers()).length, 1)
})

test('members see what others say of their networks, as it was said last', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const natOfBob = async () => (await alice.client.peers()).find(({ name }) => name === 'bob')?.nat
  let superseded = 0
  bob.client.onSuperseded = () => superseded++
  const first = await bob.client.register()
  t.is(await natOfBob(), undefined)
  const behavior = {
    mapping: 'address-and-port-dependent',
    filtering: 'unknown',
    portAllocation: 'sequential',
    ports: { step: 2 },
  } as const
  const nat = { behavior, udpWorks: true }
  t.is(await bob.client.register(undefined, nat), first)
  t.deepEqual(await natOfBob(), nat)
  const later = { behavior, udpWorks: false }
  t.is(await bob.client.register(undefined, later), first)
  t.deepEqual(await natOfBob(), later)
  t.is(superseded, 0)
})

test('a relay says where its STUN is; one without STUN says that, too', async (t) => {
  const port = await freePortPair(['127.0.0.1'])
  const withStun = await networkOf(t, {}, { stun: [{ host: '127.0.0.1', port }] })
  const alice = await peerOf(t, withStun, 'alice')
  const servers = await alice.client.stunServers()
  t.deepEqual(servers.map(formatAddress), [`127.0.0.1:${port}`])
  const without = await networkOf(t, {}, { stun: [] })
  const bob = await peerOf(t, without, 'bob')
  t.deepEqual(await bob.client.stunServers(), [])
})
