import test from 'ava'
import { VirtualInternet } from './virtual-internet.ts'
import type { NatOptions } from './virtual-nat-options.ts'
import { Probe } from './virtual-probe.ts'

function scene(options: NatOptions = {}) {
  const net = new VirtualInternet({ seed: 1 })
  const server = new Probe(net, net.host(), { port: 3478 })
  const nat = net.nat({ ports: { kind: 'random' }, ...options })
  const host = net.host({ behind: nat })
  return { net, server, nat, host, client: new Probe(net, host) }
}

test('a mapping lives as long as its timeout after the last packet out, not longer', (t) => {
  const { net, server, client } = scene({ udpTimeoutMs: 60_000 })
  const mapped = client.shows(server)
  net.clock.advance(58_000)
  t.true(server.reaches(mapped, client))
  net.clock.advance(2000)
  t.false(server.reaches(mapped, client))
  t.is(net.trace.dropped('no-mapping'), 1)
})

test('after its end, the next packet out makes a new mapping', (t) => {
  const { net, server, client } = scene({ udpTimeoutMs: 60_000 })
  const before = client.showsPort(server)
  net.clock.advance(61_000)
  t.not(client.showsPort(server), before)
})

test('packets out keep a mapping alive (RFC 4787 REQ-6)', (t) => {
  const { net, server, client } = scene({ udpTimeoutMs: 60_000 })
  const before = client.showsPort(server)
  for (let i = 0; i < 5; i++) {
    net.clock.advance(50_000)
    t.is(client.showsPort(server), before)
  }
})

test('packets in keep a mapping alive only where that is told', (t) => {
  const survives = (refresh: 'outbound' | 'both') => {
    const { net, server, client } = scene({ udpTimeoutMs: 60_000, refresh })
    const mapped = client.shows(server)
    for (let i = 0; i < 5; i++) {
      net.clock.advance(40_000)
      server.reaches(mapped, client)
    }
    return server.reaches(mapped, client)
  }
  t.false(survives('outbound'))
  t.true(survives('both'))
})

test('packets that the filter stops keep nothing alive', (t) => {
  const { net, server, client } = scene({ udpTimeoutMs: 60_000, refresh: 'both' })
  const stranger = new Probe(net, net.host())
  const mapped = client.shows(server)
  net.clock.advance(40_000)
  t.false(stranger.reaches(mapped, client))
  net.clock.advance(30_000)
  t.false(server.reaches(mapped, client))
})

test('a mapping that was never answered ends sooner where that is told', (t) => {
  const options: NatOptions = { udpTimeoutMs: 120_000, unansweredUdpTimeoutMs: 30_000, refresh: 'both' }
  const unanswered = scene(options)
  const mapped = unanswered.client.shows(unanswered.server)
  unanswered.net.clock.advance(30_000)
  t.false(unanswered.server.reaches(mapped, unanswered.client))

  const answered = scene(options)
  const other = answered.client.shows(answered.server)
  t.true(answered.server.reaches(other, answered.client))
  answered.net.clock.advance(110_000)
  t.true(answered.server.reaches(other, answered.client))
})

test('a permission ends by itself although other traffic keeps the mapping', (t) => {
  const { net, server, client } = scene({ udpTimeoutMs: 60_000 })
  const other = new Probe(net, net.host())
  const mapped = client.shows(server)
  net.clock.advance(40_000)
  client.shows(other)
  net.clock.advance(25_000)
  t.false(server.reaches(mapped, client))
  t.true(other.reaches(mapped, client))
})

test('more mappings than a host may have are refused, other hosts are not concerned', (t) => {
  const { net, server, nat, host } = scene({ maxMappingsPerHost: 3 })
  const seen = Array.from({ length: 4 }, () => new Probe(net, host).showsPort(server) !== undefined)
  t.deepEqual(seen, [true, true, true, false])
  t.is(net.trace.dropped('mapping-limit'), 1)
  t.not(new Probe(net, net.host({ behind: nat })).showsPort(server), undefined)
})

test('what a host has let expire no longer counts against its limit', (t) => {
  const { net, server, host } = scene({ maxMappingsPerHost: 1, udpTimeoutMs: 30_000 })
  t.not(new Probe(net, host).showsPort(server), undefined)
  t.is(new Probe(net, host).showsPort(server), undefined)
  net.clock.advance(30_000)
  t.not(new Probe(net, host).showsPort(server), undefined)
})

test('a NAT that is full refuses everybody', (t) => {
  const { net, server, nat, host } = scene({ maxMappings: 2 })
  const hosts = [host, net.host({ behind: nat }), net.host({ behind: nat })]
  t.deepEqual(
    hosts.map((each) => new Probe(net, each).showsPort(server) !== undefined),
    [true, true, false],
  )
})

test('a reboot forgets all mappings', (t) => {
  const { server, client, nat } = scene()
  const mapped = client.shows(server)
  nat.reboot()
  t.false(server.reaches(mapped, client))
  t.is(nat.mappingCount, 0)
  t.not(client.showsPort(server), mapped?.port)
})

test('a reboot takes its time', (t) => {
  const { net, server, client, nat } = scene()
  nat.reboot({ downMs: 10_000 })
  t.is(client.shows(server), undefined)
  net.clock.advance(10_000)
  t.not(client.shows(server), undefined)
})

test('a NAT can come back with another address; the former is nobody’s then', (t) => {
  const { net, server, client, nat } = scene()
  const mapped = client.shows(server)
  nat.reboot({ newAddresses: true })
  const after = client.shows(server)
  t.not(after?.ip, mapped?.ip)
  t.false(server.reaches(mapped, client))
  t.is(net.trace.dropped('no-route'), 1)
  t.true(server.reaches(after, client))
})

test('the address that a NAT has given up can be had by somebody else', (t) => {
  const { net, server, nat } = scene()
  const [former = ''] = nat.externalIps
  nat.renumber()
  const heir = new Probe(net, net.host({ ipv4: [former] }))
  t.true(server.reaches(heir.address, heir))
})

test('a NAT can be given its new addresses', (t) => {
  const { server, client, nat } = scene()
  nat.renumber(['192.0.2.200'])
  t.is(client.shows(server)?.ip, '192.0.2.200')
})
