import test from 'ava'
import type { FirewallOptions } from './virtual-firewall.ts'
import { VirtualInternet } from './virtual-internet.ts'
import { Probe, payload } from './virtual-probe.ts'

function scene(options: Partial<FirewallOptions> = {}) {
  const net = new VirtualInternet({ seed: 1 })
  const server = net.host()
  const firewall = net.firewall(options)
  const host = net.host({ behind: firewall })
  return {
    net,
    server,
    firewall,
    host,
    y1: new Probe(net, server, { port: 1111 }),
    y2: new Probe(net, server, { port: 2222 }),
    stranger: new Probe(net, net.host(), { port: 1111 }),
    x: new Probe(net, host, { port: 5000 }),
  }
}

test('a firewall translates nothing: the host is seen with its own, public address', (t) => {
  const { x, y1 } = scene()
  t.deepEqual(x.shows(y1), x.address)
})

test('a stateful firewall lets nobody in who was not written to', (t) => {
  const { x, y1, net } = scene()
  t.false(y1.reaches(x.address, x))
  t.is(net.trace.dropped('filtered'), 1)
  x.send(y1.address)
  t.true(y1.reaches(x.address, x))
})

for (const [filtering, expected] of [
  ['endpoint-independent', { y1: true, y2: true, stranger: true }],
  ['address-dependent', { y1: true, y2: true, stranger: false }],
  ['address-and-port-dependent', { y1: true, y2: false, stranger: false }],
] as const) {
  test(`a firewall with ${filtering} filtering lets in whom RFC 4787 §5 says`, (t) => {
    const { x, y1, y2, stranger } = scene({ filtering })
    t.false(stranger.reaches(x.address, x))
    x.send(y1.address)
    const passes = {
      y1: y1.reaches(x.address, x),
      y2: y2.reaches(x.address, x),
      stranger: stranger.reaches(x.address, x),
    }
    t.deepEqual(passes, expected)
  })
}

test('its memory ends, is refreshed both ways, and is lost in a restart', (t) => {
  const { net, x, y1, firewall } = scene({ udpTimeoutMs: 30_000 })
  x.send(y1.address)
  net.clock.advance(25_000)
  t.true(y1.reaches(x.address, x))
  net.clock.advance(25_000)
  t.true(y1.reaches(x.address, x))
  net.clock.advance(31_000)
  t.false(y1.reaches(x.address, x))
  x.send(y1.address)
  firewall.flush()
  t.false(y1.reaches(x.address, x))
})

test('an open router lets everybody in', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const x = new Probe(net, net.host({ behind: net.router() }))
  t.true(new Probe(net, net.host()).reaches(x.address, x))
})

test('a firewall that blocks inbound lets not even answers in', (t) => {
  const { x, y1 } = scene({ inbound: 'block' })
  t.not(x.shows(y1), undefined)
  t.false(y1.reaches(x.address, x))
})

test('blocked UDP gets neither out nor in', (t) => {
  const { net, x, y1 } = scene({ inbound: 'open', rules: { udp: 'block' } })
  t.is(x.shows(y1), undefined)
  t.false(y1.reaches(x.address, x))
  t.is(net.trace.dropped('blocked'), 2)
})

test('only the ports that are allowed are open to the inside, and the answers come back', (t) => {
  const { x, y1, y2 } = scene({ rules: { udpPorts: [2222] } })
  t.is(x.shows(y1), undefined)
  t.not(x.shows(y2), undefined)
  t.true(y2.reaches(x.address, x))
})

test('only the destinations that are allowed can be reached', (t) => {
  const { x, y1, stranger } = scene({ rules: { destinations: ['203.0.113.1'] } })
  t.is(y1.address.ip, '203.0.113.1')
  t.not(x.shows(y1), undefined)
  t.is(x.shows(stranger), undefined)
})

test('packets above a size vanish, both ways', (t) => {
  const { x, y1 } = scene({ rules: { maxPacketSize: 1000 } })
  t.not(x.shows(y1, { bytes: payload(972) }), undefined)
  t.is(x.shows(y1, { bytes: payload(973) }), undefined)
  t.false(y1.reaches(x.address, x, { bytes: payload(973) }))
})

test('hosts behind one firewall reach each other', (t) => {
  const { net, firewall, x } = scene()
  const neighbour = new Probe(net, net.host({ behind: firewall }))
  t.true(neighbour.reaches(x.address, x))
})

test('a firewall is a hop unless it is the host’s own', (t) => {
  const routed = scene()
  t.is(routed.x.shows(routed.y1, { ttl: 2 }), undefined)
  const bridged = scene({ isHop: false })
  t.not(bridged.x.shows(bridged.y1, { ttl: 2 }), undefined)
})
