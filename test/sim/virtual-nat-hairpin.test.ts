import test from 'ava'
import { VirtualInternet } from './virtual-internet.ts'
import type { NatOptions } from './virtual-nat-options.ts'
import { Probe, text } from './virtual-probe.ts'

function scene(options: NatOptions) {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host(), { port: 3478 })
  const nat = net.nat({ ports: { kind: 'random' }, ...options })
  const alice = new Probe(net, net.host({ behind: nat }), { port: 5000 })
  const bob = new Probe(net, net.host({ behind: nat }), { port: 6000 })
  return { net, server, nat, alice, bob, aliceSeen: alice.shows(server), bobSeen: bob.shows(server) }
}

test('without hairpinning, a packet for the NAT’s own outside is dropped', (t) => {
  const { net, alice, bob, bobSeen } = scene({ filtering: 'endpoint-independent' })
  t.false(alice.reaches(bobSeen, bob))
  t.is(net.trace.dropped('hairpin'), 1)
})

test('hairpinned packets come from the external address (RFC 4787 REQ-9)', (t) => {
  const { alice, bob, aliceSeen, bobSeen } = scene({ hairpin: 'external', filtering: 'endpoint-independent' })
  t.true(alice.reaches(bobSeen, bob))
  t.is(text(bob.packets[0]?.from), text(aliceSeen))
})

test('a NAT that hairpins badly shows the internal address', (t) => {
  const { alice, bob, bobSeen } = scene({ hairpin: 'internal', filtering: 'endpoint-independent' })
  t.true(alice.reaches(bobSeen, bob))
  t.is(text(bob.packets[0]?.from), text(alice.address))
})

test('the filter applies to hairpinned packets, too', (t) => {
  const { alice, bob, aliceSeen, bobSeen } = scene({ hairpin: 'external' })
  t.false(alice.reaches(bobSeen, bob))
  t.true(bob.reaches(aliceSeen, alice))
  t.true(alice.reaches(bobSeen, bob))
})

for (const filtering of ['endpoint-independent', 'address-and-port-dependent'] as const) {
  test(`a socket reaches itself through its own mapping (${filtering} filtering)`, (t) => {
    const { alice, aliceSeen } = scene({ hairpin: 'external', filtering })
    t.true(alice.reaches(aliceSeen, alice))
    t.is(text(alice.packets[0]?.from), text(aliceSeen))
  })
}

test('hosts behind one NAT reach each other directly, without a hop and without translation', (t) => {
  const { alice, bob } = scene({})
  t.true(alice.reaches(bob.address, bob, { ttl: 1 }))
  t.is(text(bob.packets[0]?.from), text(alice.address))
})

test('client isolation leaves them only the hairpin', (t) => {
  const options: NatOptions = { isolatesHosts: true, hairpin: 'external', filtering: 'endpoint-independent' }
  const { net, alice, bob, bobSeen } = scene(options)
  t.false(alice.reaches(bob.address, bob))
  t.is(net.trace.dropped('isolated'), 1)
  t.true(alice.reaches(bobSeen, bob))
})

test('client isolation does not keep anybody from the gateway', (t) => {
  const { net, nat, alice } = scene({ isolatesHosts: true })
  const gateway = new Probe(net, net.host({ behind: nat, ipv4: [nat.gatewayIp] }), { port: 5351 })
  t.true(alice.reaches(gateway.address, gateway))
  t.true(gateway.reaches(alice.address, alice))
})

test('packets for an unused address of the LAN stay there', (t) => {
  const { net, nat, alice } = scene({})
  alice.send({ ...alice.address, ip: '192.168.1.250' })
  t.is(net.trace.dropped('no-route'), 1)
  t.is(nat.mappingCount, 2)
})
