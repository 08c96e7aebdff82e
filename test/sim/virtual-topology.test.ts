import test from 'ava'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { VirtualInternet } from './virtual-internet.ts'
import { Probe, text } from './virtual-probe.ts'

const CGN_LAN = '100.64.0.0/10'

function homeBehindCgn() {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host(), { port: 3478 })
  const cgn = net.nat({
    lan: CGN_LAN,
    filtering: 'endpoint-independent',
    hairpin: 'external',
    ports: { kind: 'block', size: 512 },
  })
  const home = net.nat({ behind: cgn })
  const host = net.host({ behind: home })
  return { net, server, cgn, home, host, client: new Probe(net, host, { port: 5000 }) }
}

test('NATs nest: the outer one translates what the inner one has translated', (t) => {
  const { server, cgn, home, client, host } = homeBehindCgn()
  t.deepEqual(home.externalIps, ['100.64.0.10'])
  t.true(host.ip.startsWith('192.168.'))
  const seen = client.shows(server)
  t.is(seen?.ip, cgn.externalIps[0])
  t.true((seen?.port ?? 0) >= 1024 && (seen?.port ?? 0) < 1536)
})

test('with nested NATs the strictest filter counts', (t) => {
  const { net, server, client } = homeBehindCgn()
  const stranger = new Probe(net, net.host())
  const seen = client.shows(server)
  t.true(server.reaches(seen, client))
  t.false(stranger.reaches(seen, client))
  t.is(net.trace.dropped('filtered'), 1)
})

test('customers of one CGN reach each other by hairpin, and within its network', (t) => {
  const { net, server, cgn, client } = homeBehindCgn()
  const neighbour = net.nat({ behind: cgn, filtering: 'endpoint-independent' })
  const bob = new Probe(net, net.host({ behind: neighbour }), { port: 6000 })
  const bobSeen = bob.shows(server)
  t.true(client.reaches(bobSeen, bob))
  t.is(bob.packets[0]?.from.ip, cgn.externalIps[0])
  const inside: TransportAddress = { ...bob.address, ip: neighbour.externalIps[0] ?? '', port: 6000 }
  t.true(client.reaches(inside, bob))
  t.is(text(bob.packets[1]?.from), '100.64.0.10:5000')
})

test('NATs nest to any depth', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host())
  let inner = net.nat()
  for (let i = 0; i < 5; i++) inner = net.nat({ behind: inner })
  const client = new Probe(net, net.host({ behind: inner }))
  const seen = client.shows(server)
  t.true(server.reaches(seen, client))
})

test('two homes may use the same private addresses', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host())
  const alice = new Probe(net, net.host({ behind: net.nat() }), { port: 5000 })
  const bob = new Probe(net, net.host({ behind: net.nat() }), { port: 5000 })
  t.is(text(alice.address), text(bob.address))
  t.true(server.reaches(alice.shows(server), alice))
  t.true(server.reaches(bob.shows(server), bob))
})

test('a name can be had only once', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  net.host({ name: 'alice' })
  t.throws(() => net.nat({ name: 'alice' }), { instanceOf: RangeError })
})

test('an address can be had only once', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  net.host({ ipv4: ['192.0.2.9'] })
  t.throws(() => net.host({ ipv4: ['192.0.2.9'] }), { instanceOf: RangeError })
})

test('given addresses are not given again', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const taken = net.host({ ipv4: ['203.0.113.1', '198.51.100.1'] })
  const ips = Array.from({ length: 900 }, () => net.host().ip)
  t.is(new Set([...ips, ...taken.ips]).size, 902)
})

test('every router on the way takes one from the TTL', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host({ behind: net.router() }))
  const nat = net.nat({ behind: net.router() })
  const client = new Probe(net, net.host({ behind: net.router({ behind: nat }) }))
  // Router, NAT, router, core, router.
  t.is(client.shows(server, { ttl: 5 }), undefined)
  t.not(client.shows(server, { ttl: 6 }), undefined)
})

test('routers that are only counted take theirs, too', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host())
  const client = new Probe(net, net.host({ link: { up: { hops: 3 }, down: { hops: 10 } } }))
  t.is(client.shows(server, { ttl: 4 }), undefined)
  t.not(client.shows(server, { ttl: 5 }), undefined)
})

test('a packet that dies at a NAT leaves no mapping there; one that dies behind it does', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host())
  const nat = net.nat()
  const client = new Probe(net, net.host({ behind: nat }))
  client.send(server.address, { ttl: 1 })
  t.is(nat.mappingCount, 0)
  client.send(server.address, { ttl: 2 })
  t.is(nat.mappingCount, 1)
  t.is(net.trace.dropped('ttl'), 2)
  t.is(server.packets.length, 0)
})

test('a packet that dies at an outer NAT opens the inner one only', (t) => {
  const { server, cgn, home, client } = homeBehindCgn()
  client.send(server.address, { ttl: 2 })
  t.is(home.mappingCount, 1)
  t.is(cgn.mappingCount, 0)
})

test('a packet that dies on its way in at a NAT does not keep the mapping alive', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host())
  const client = new Probe(net, net.host({ behind: net.nat({ udpTimeoutMs: 60_000, refresh: 'both' }) }))
  const mapped = client.shows(server)
  net.clock.advance(40_000)
  t.false(server.reaches(mapped, client, { ttl: 2 }))
  net.clock.advance(20_000)
  t.false(server.reaches(mapped, client))
})

test('addresses that nobody has are nowhere', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const client = new Probe(net, net.host({ behind: net.nat() }))
  client.send({ family: 'ipv4', ip: '192.0.2.99', port: 1, transport: 'udp' })
  client.send({ family: 'ipv4', ip: '10.1.2.3', port: 1, transport: 'udp' })
  t.is(net.trace.dropped('no-route'), 2)
})

test('a host behind a router behind a NAT is in the NAT’s network', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host())
  const nat = net.nat()
  const near = new Probe(net, net.host({ behind: nat }))
  const far = new Probe(net, net.host({ behind: net.router({ behind: nat }) }))
  t.true(server.reaches(far.shows(server), far))
  t.true(near.reaches(far.address, far))
  t.true(far.reaches(near.address, near))
})
