import test from 'ava'
import { ipToBytes } from '../../lib/base/transport-address.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { NatOptions } from './virtual-nat-options.ts'
import { Probe, payload } from './virtual-probe.ts'

function scene(options: NatOptions) {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host(), { port: 3478 })
  const nat = net.nat(options)
  const host = net.host({ behind: nat, pathMtuDiscovery: 'dont' })
  return { net, server, nat, host, client: new Probe(net, host, { port: 5000 }) }
}

/** A payload with an address in it as STUN's MAPPED-ADDRESS has it: port, then IP. */
const naming = (ip: string, port: number) => Uint8Array.of(9, 9, port >> 8, port & 0xff, ...ipToBytes(ip), 7)

test('an ALG rewrites its own address in payloads, both ways', (t) => {
  const { server, client, host, nat } = scene({ alg: 'address', ports: { kind: 'random' } })
  const [outside = ''] = nat.externalIps
  const mapped = client.shows(server, { bytes: naming(host.ip, 5000) })
  t.deepEqual(server.packets[0]?.bytes, naming(outside, 5000))
  server.reaches(mapped, client, { bytes: naming(outside, mapped?.port ?? 0) })
  t.deepEqual(client.packets[0]?.bytes, naming(host.ip, mapped?.port ?? 0))
})

test('an ALG that knows ports rewrites the one before the address', (t) => {
  const { server, client, host, nat } = scene({ alg: 'address-and-port', ports: { kind: 'random' } })
  const [outside = ''] = nat.externalIps
  const mapped = client.shows(server, { bytes: naming(host.ip, 5000) })
  t.deepEqual(server.packets[0]?.bytes, naming(outside, mapped?.port ?? 0))
  server.reaches(mapped, client, { bytes: naming(outside, mapped?.port ?? 0) })
  t.deepEqual(client.packets[0]?.bytes, naming(host.ip, 5000))
})

test('an ALG leaves other addresses alone, and the sender’s own buffer', (t) => {
  const { server, client, host } = scene({ alg: 'address-and-port' })
  const other = naming('198.18.7.7', 5000)
  client.shows(server, { bytes: other })
  t.deepEqual(server.packets[0]?.bytes, naming('198.18.7.7', 5000))
  const own = naming(host.ip, 5000)
  client.shows(server, { bytes: own })
  t.deepEqual(own, naming(host.ip, 5000))
})

test('a NAT without ALG changes no payload', (t) => {
  const { server, client, host } = scene({})
  client.shows(server, { bytes: naming(host.ip, 5000) })
  t.deepEqual(server.packets[0]?.bytes, naming(host.ip, 5000))
})

test('a forwarded port is open to everybody, until a reboot', (t) => {
  const { net, nat, client, host } = scene({})
  const stranger = new Probe(net, net.host())
  const [ip = ''] = nat.externalIps
  const outside = { ...stranger.address, ip, port: 7777 }
  t.false(stranger.reaches(outside, client))
  nat.forwardPort({ transport: 'udp', externalPort: 7777, internalIp: host.ip, internalPort: 5000 })
  t.true(stranger.reaches(outside, client))
  net.clock.advance(10_000_000)
  t.true(stranger.reaches(outside, client))
  nat.reboot()
  t.false(stranger.reaches(outside, client))
})

test('a NAT may drop fragments', (t) => {
  for (const [fragments, expected] of [
    ['pass', true],
    ['drop', false],
  ] as const) {
    const { server, client, host } = scene({ fragments })
    host.configureLink({ mtu: 1280 })
    t.not(client.shows(server, { bytes: payload(1200) }), undefined)
    t.is(client.shows(server, { bytes: payload(1400) }) !== undefined, expected)
  }
})

test('IPv6 is routed without translation, behind a stateful filter', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host({ ipv4: 0, ipv6: 1 }))
  const stranger = new Probe(net, net.host({ ipv4: 0, ipv6: 1 }))
  const client = new Probe(net, net.host({ behind: net.nat(), ipv4: 0, ipv6: 1 }))
  t.false(server.reaches(client.address, client))
  t.deepEqual(client.shows(server), client.address)
  t.true(server.reaches(client.address, client))
  t.false(stranger.reaches(client.address, client))
})

for (const ipv6 of ['open', 'block'] as const) {
  test(`IPv6 can be ${ipv6} at a NAT`, (t) => {
    const net = new VirtualInternet({ seed: 1 })
    const server = new Probe(net, net.host({ ipv4: 0, ipv6: 1 }))
    const client = new Probe(net, net.host({ behind: net.nat({ ipv6 }), ipv4: 0, ipv6: 1 }))
    t.is(server.reaches(client.address, client), ipv6 === 'open')
    t.is(client.shows(server) !== undefined, ipv6 === 'open')
  })
}

test('rules of an administrator apply before anything is mapped', (t) => {
  const { net, server, client, nat } = scene({ rules: { udp: 'block' } })
  t.is(client.shows(server), undefined)
  t.is(net.trace.dropped('blocked'), 1)
  t.is(nat.mappingCount, 0)
})
