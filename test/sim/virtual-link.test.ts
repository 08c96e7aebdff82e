import test from 'ava'
import { forSeeds } from './for-seeds.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { AccessLinkOptions } from './virtual-link.ts'
import type { HostOptions } from './virtual-host.ts'
import { Probe, payload } from './virtual-probe.ts'

/** A sender whose access link is under test, and a receiver without any delay. */
function scene(seed: number, link: AccessLinkOptions, host: HostOptions = {}) {
  const net = new VirtualInternet({ seed })
  const receiver = new Probe(net, net.host({ link: {} }), { port: 9 })
  const sendingHost = net.host({ ...host, link })
  const sender = new Probe(net, sendingHost, { port: 10 })
  return { net, receiver, sender, sendingHost }
}

test('a packet takes the delay of each link that it crosses', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const receiver = new Probe(net, net.host({ link: { delayMs: 7 } }))
  const nat = net.nat({ link: { delayMs: 20 } })
  const sender = new Probe(net, net.host({ behind: nat, link: { delayMs: 1.5 } }))
  let arrivedAtMs = 0
  receiver.socket.onPacket = () => (arrivedAtMs = net.clock.nowMs())
  sender.socket.send(payload(1), receiver.address)
  net.clock.advance(28.4)
  t.is(arrivedAtMs, 0)
  net.clock.advance(0.2)
  t.is(arrivedAtMs, 28.5)
})

test('each direction may have its own delay', (t) => {
  const { net, receiver, sender } = scene(1, { up: { delayMs: 5 }, down: { delayMs: 50 } })
  const arrivals: number[] = []
  receiver.socket.onPacket = ({ bytes, from }) => {
    arrivals.push(net.clock.nowMs())
    receiver.socket.send(bytes, from)
  }
  sender.socket.onPacket = () => arrivals.push(net.clock.nowMs())
  sender.socket.send(payload(1), receiver.address)
  net.clock.advance(100)
  t.deepEqual(arrivals, [5, 55])
})

for (const loss of [0.05, 0.2, 0.5]) {
  test(`of packets on a link with a loss of ${loss}, that share is lost`, (t) => {
    forSeeds(5, (seed) => {
      const count = 4000
      const { net, receiver, sender } = scene(seed, { up: { loss } })
      for (let i = 0; i < count; i++) sender.socket.send(payload(1), receiver.address)
      net.clock.advance(100)
      const lost = count - receiver.packets.length
      const sigma = Math.sqrt(count * loss * (1 - loss))
      t.true(Math.abs(lost - count * loss) < 4 * sigma, `${lost} of ${count}`)
      t.is(net.trace.dropped('loss'), lost)
    })
  })
}

test('losses are independent: pairs in a row are lost as often as chance has it', (t) => {
  const loss = 0.2
  const count = 20_000
  const { net, receiver, sender } = scene(3, { up: { loss } })
  for (let i = 0; i < count; i++) sender.socket.send(Uint8Array.of(i >> 8, i & 0xff), receiver.address)
  net.clock.advance(100)
  const arrived = new Set(receiver.packets.map(({ bytes }) => ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)))
  let pairs = 0
  for (let i = 0; i + 1 < count; i++) if (!arrived.has(i) && !arrived.has(i + 1)) pairs++
  t.true(Math.abs(pairs / count - loss * loss) < 0.006, String(pairs / count))
})

test('loss in one direction leaves the other alone', (t) => {
  const { receiver, sender } = scene(1, { down: { loss: 1 } })
  t.not(sender.shows(receiver), undefined)
  t.false(receiver.reaches(sender.address, sender))
})

/** Numbered packets, a millisecond apart; the numbers in order of arrival. */
function arrivals(seed: number, link: AccessLinkOptions): number[] {
  const { net, receiver, sender } = scene(seed, link)
  for (let i = 0; i < 200; i++) {
    sender.socket.send(Uint8Array.of(i), receiver.address)
    net.clock.advance(1)
  }
  net.clock.advance(1000)
  return receiver.packets.map(({ bytes }) => bytes[0] ?? -1)
}

const inOrder = Array.from({ length: 200 }, (_, i) => i)

test('jitter keeps the order unless told', (t) => {
  forSeeds(10, (seed) => t.deepEqual(arrivals(seed, { up: { delayMs: 10, jitterMs: 30 } }), inOrder))
})

test('jitter reorders where it is told, and loses nothing', (t) => {
  forSeeds(10, (seed) => {
    const order = arrivals(seed, { up: { delayMs: 10, jitterMs: 30, reorder: true } })
    t.notDeepEqual(order, inOrder)
    t.deepEqual(
      order.toSorted((a, b) => a - b),
      inOrder,
    )
  })
})

test('jitter is spread evenly between the delay and the delay with all of it', (t) => {
  const { net, receiver, sender } = scene(1, { up: { delayMs: 10, jitterMs: 20, reorder: true } })
  const delays: number[] = []
  receiver.socket.onPacket = ({ bytes }) => delays.push(net.clock.nowMs() - 100 * (bytes[0] ?? 0))
  for (let i = 0; i < 200; i++) {
    sender.socket.send(Uint8Array.of(i), receiver.address)
    net.clock.runUntil(100 * (i + 1))
  }
  const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length
  t.true(Math.min(...delays) >= 10 && Math.max(...delays) <= 30.01)
  t.true(Math.min(...delays) < 12 && Math.max(...delays) > 28)
  t.true(Math.abs(mean - 20) < 1.5, String(mean))
})

test('a packet does not overtake one that arrives at the same moment, even where the delay has become none', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const receiver = new Probe(net, net.host({ link: {} }))
  const sender = net.host({ link: { delayMs: 10 } })
  const socket = sender.openUdp()
  net.clock.setTimer(10, () => {
    sender.configureLink({ delayMs: 0 })
    socket.send(Uint8Array.of(2), receiver.address)
  })
  socket.send(Uint8Array.of(1), receiver.address)
  net.clock.advance(20)
  t.deepEqual(
    receiver.packets.map(({ bytes }) => bytes[0]),
    [1, 2],
  )
})

test('a link may deliver twice, each time a copy', (t) => {
  const { receiver, sender } = scene(1, { up: { duplicate: 1 } })
  sender.send(receiver.address, { bytes: payload(5) })
  t.is(receiver.packets.length, 2)
  receiver.packets[0]?.bytes.fill(99)
  t.deepEqual(receiver.packets[1]?.bytes, payload(5))
})

test('a cut link loses what is sent and what is under way; mended, it works again', (t) => {
  const { net, receiver, sender, sendingHost } = scene(1, { delayMs: 100 })
  sender.socket.send(payload(1), receiver.address)
  net.clock.advance(50)
  sendingHost.configureLink({ isCut: true })
  net.clock.advance(100)
  t.is(sender.shows(receiver), undefined)
  t.is(net.trace.dropped('cut'), 2)
  sendingHost.configureLink({ isCut: false })
  t.not(sender.shows(receiver), undefined)
})

test('the largest packet that fits passes, one byte more does not (IPv4 and UDP headers: 28 bytes)', (t) => {
  const { net, receiver, sender } = scene(1, { up: { mtu: 1280, mtuMode: 'blackhole' } })
  t.not(sender.shows(receiver, { bytes: payload(1252) }), undefined)
  t.is(sender.shows(receiver, { bytes: payload(1253) }), undefined)
  t.is(net.trace.dropped('mtu'), 1)
})

test('IPv6 headers are 20 bytes longer', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const receiver = new Probe(net, net.host({ ipv4: 0, ipv6: 1 }))
  const sender = new Probe(net, net.host({ ipv4: 0, ipv6: 1, link: { mtu: 1280, mtuMode: 'blackhole' } }))
  t.not(sender.shows(receiver, { bytes: payload(1232) }), undefined)
  t.is(sender.shows(receiver, { bytes: payload(1233) }), undefined)
})

test('in a black hole, large packets vanish for ever', (t) => {
  const { receiver, sender } = scene(1, { up: { mtu: 1280, mtuMode: 'blackhole' } })
  for (let i = 0; i < 5; i++) t.is(sender.shows(receiver, { bytes: payload(1400) }), undefined)
})

test('where ICMP works, a large packet is lost once, and cut up by the sender from then on (Linux)', (t) => {
  const { net, receiver, sender } = scene(1, { up: { mtu: 1280 } })
  t.is(sender.shows(receiver, { bytes: payload(1400) }), undefined)
  t.not(sender.shows(receiver, { bytes: payload(1400) }), undefined)
  t.is(receiver.packets[0]?.bytes.length, 1400)
  t.is(net.trace.dropped('mtu'), 1)
})

test('a sender that insists on whole packets is told EMSGSIZE once ICMP has come', (t) => {
  const { receiver, sender } = scene(1, { up: { mtu: 1280 } }, { pathMtuDiscovery: 'do' })
  t.is(sender.shows(receiver, { bytes: payload(1400) }), undefined)
  t.deepEqual(sender.refusals, [])
  t.is(sender.shows(receiver, { bytes: payload(1400) }), undefined)
  t.deepEqual(sender.refusals, ['EMSGSIZE'])
  t.not(sender.shows(receiver, { bytes: payload(1252) }), undefined)
})

test('the ICMP message takes its time', (t) => {
  const { net, receiver, sender } = scene(1, { up: { delayMs: 100 }, down: {} }, { pathMtuDiscovery: 'do' })
  const narrow = net.host({ link: { mtu: 1280, delayMs: 0 } })
  const there = new Probe(net, narrow)
  sender.socket.send(payload(1400), there.address)
  net.clock.advance(150)
  sender.socket.send(payload(1400), there.address)
  net.clock.advance(60)
  sender.socket.send(payload(1400), there.address)
  net.clock.advance(500)
  t.deepEqual(sender.refusals, ['EMSGSIZE'])
  t.is(receiver.packets.length, 0)
})

test('a sender that lets routers cut loses nothing', (t) => {
  const { receiver, sender } = scene(
    1,
    { up: { mtu: 1280, mtuMode: 'blackhole' } },
    { pathMtuDiscovery: 'dont' },
  )
  t.not(sender.shows(receiver, { bytes: payload(1400) }), undefined)
})
