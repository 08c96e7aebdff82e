import test from 'ava'
import { forSeeds } from './for-seeds.ts'
import { VirtualInternet } from './virtual-internet.ts'
import { LINUX_NAT, LINUX_NAT_WITHOUT_FILTER } from './virtual-nat-options.ts'
import type { NatOptions } from './virtual-nat-options.ts'
import { Probe } from './virtual-probe.ts'

function scene(options: NatOptions, seed = 1) {
  const net = new VirtualInternet({ seed })
  const server = net.host()
  const nat = net.nat(options)
  const host = net.host({ behind: nat })
  return { net, server, nat, host, client: new Probe(net, host, { port: 5000 }) }
}

test('Linux preserves the port towards every destination, although each flow has its own mapping', (t) => {
  const { net, server, nat, client } = scene(LINUX_NAT)
  const ports = [1, 2, 3].map((port) => client.showsPort(new Probe(net, server, { port })))
  t.deepEqual(ports, [5000, 5000, 5000])
  t.is(nat.mappingCount, 3)
})

test('two hosts behind Linux share a port as long as their destinations differ', (t) => {
  const { net, server, nat, client } = scene(LINUX_NAT)
  const other = new Probe(net, net.host({ behind: nat }), { port: 5000 })
  const first = new Probe(net, server, { port: 1 })
  const second = new Probe(net, server, { port: 2 })
  t.is(client.showsPort(first), 5000)
  t.is(other.showsPort(second), 5000)
  const collided = other.showsPort(first)
  t.not(collided, 5000)
  t.not(collided, undefined)
  t.true(first.reaches({ ...first.address, ip: nat.externalIps[0] ?? '', port: 5000 }, client))
  t.true(first.reaches({ ...first.address, ip: nat.externalIps[0] ?? '', port: collided ?? 0 }, other))
  t.true(second.reaches({ ...first.address, ip: nat.externalIps[0] ?? '', port: 5000 }, other))
})

test('a source that had to change its port keeps the new one for later destinations, as nf_nat does', (t) => {
  const { net, server, nat, client } = scene(LINUX_NAT)
  const other = new Probe(net, net.host({ behind: nat }), { port: 5000 })
  const target = new Probe(net, server, { port: 1 })
  client.showsPort(target)
  const changed = other.showsPort(target)
  t.is(other.showsPort(new Probe(net, server, { port: 2 })), changed)
})

test('with fully random ports each flow has its own, also on Linux', (t) => {
  forSeeds(5, (seed) => {
    const { net, server, host } = scene({ ...LINUX_NAT, sharesPorts: false, ports: { kind: 'random' } }, seed)
    const client = new Probe(net, host)
    const ports = [1, 2, 3].map((port) => client.showsPort(new Probe(net, server, { port })))
    t.is(new Set(ports).size, 3)
  })
})

test('Linux forgets an unanswered flow after 30 s and an answered one after 120 s', (t) => {
  const { net, server, nat, client } = scene(LINUX_NAT)
  const target = new Probe(net, server, { port: 1 })
  const mapped = client.shows(target)
  net.clock.advance(31_000)
  t.false(target.reaches(mapped, client))
  client.shows(target)
  t.true(target.reaches(mapped, client))
  net.clock.advance(115_000)
  t.true(target.reaches(mapped, client))
  t.is(nat.mappingCount, 1)
})

/** A peer's packet comes before ours went out, at a NAT that maps the port to the server already. */
function punchTooEarly(options: NatOptions, ttl?: number) {
  const { net, server, client, nat } = scene(options)
  const rendezvous = new Probe(net, server, { port: 1 })
  const peer = new Probe(net, net.host(), { port: 9000 })
  const mapped = client.shows(rendezvous)
  const early = peer.reaches(mapped, client, ttl === undefined ? {} : { ttl })
  return { net, nat, peer, client, mapped, early }
}

test('poison: an early packet at a Linux router without a filter costs the preserved port', (t) => {
  const { peer, client, early } = punchTooEarly(LINUX_NAT_WITHOUT_FILTER)
  t.false(early)
  t.not(client.showsPort(peer), 5000)
})

test('poison lasts as long as the peer keeps sending to the port, and 30 s more', (t) => {
  const { net, peer, client, mapped } = punchTooEarly(LINUX_NAT_WITHOUT_FILTER)
  for (let i = 0; i < 10; i++) {
    net.clock.advance(20_000)
    t.false(peer.reaches(mapped, client))
  }
  net.clock.advance(15_000)
  t.not(client.showsPort(peer), 5000)
  net.clock.advance(31_000)
  t.is(client.showsPort(peer), 5000)
})

test('poison concerns the one remote endpoint alone', (t) => {
  const { net, client } = punchTooEarly(LINUX_NAT_WITHOUT_FILTER)
  t.is(client.showsPort(new Probe(net, net.host(), { port: 9000 })), 5000)
})

test('a Linux router with a filter is not poisoned', (t) => {
  const { peer, client, early } = punchTooEarly(LINUX_NAT)
  t.false(early)
  t.is(client.showsPort(peer), 5000)
})

test('who has sent first is not poisoned', (t) => {
  const { net, server, client } = scene(LINUX_NAT_WITHOUT_FILTER)
  const rendezvous = new Probe(net, server, { port: 1 })
  const peer = new Probe(net, net.host(), { port: 9000 })
  const mapped = client.shows(rendezvous)
  t.is(client.showsPort(peer), 5000)
  t.true(peer.reaches(mapped, client))
})

test('an opener that dies before the peer’s NAT poisons nothing there, and opens the own one', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const rendezvous = new Probe(net, net.host())
  const alice = new Probe(net, net.host({ behind: net.nat(LINUX_NAT_WITHOUT_FILTER) }), { port: 5000 })
  const bob = new Probe(net, net.host({ behind: net.nat(LINUX_NAT_WITHOUT_FILTER) }), { port: 6000 })
  const aliceSeen = alice.shows(rendezvous)
  const bobSeen = bob.shows(rendezvous)
  // Two hops: through her own NAT, dead at the core.
  t.false(alice.reaches(bobSeen, bob, { ttl: 2 }))
  t.true(bob.reaches(aliceSeen, alice))
  t.true(alice.reaches(bobSeen, bob))
})

test('a packet that arrives at the router with its last hop still poisons: nobody forwards it', (t) => {
  // Own NAT absent: core, then the router itself.
  const { peer, client } = punchTooEarly(LINUX_NAT_WITHOUT_FILTER, 2)
  t.not(client.showsPort(peer), 5000)
})
