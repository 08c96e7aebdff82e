import test from 'ava'
import { ReachError } from '../../lib/base/errors.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { VirtualInternet } from './virtual-internet.ts'
import { Probe, payload, text } from './virtual-probe.ts'

const newNet = () => new VirtualInternet({ seed: 1 })

test('a socket has the port that was asked for, or an ephemeral one of Linux', (t) => {
  const host = newNet().host()
  t.is(host.openUdp({ port: 5000 }).local.port, 5000)
  const ports = Array.from({ length: 50 }, () => host.openUdp().local.port)
  t.true(ports.every((port) => port >= 32_768 && port <= 60_999))
  t.is(new Set(ports).size, 50)
})

test('a port that is taken is refused, on one address and on all', async (t) => {
  const host = newNet().host({ ipv4: 2 })
  const [first, second] = host.ips
  host.openUdp({ ip: first ?? '', port: 5000 })
  t.notThrows(() => host.openUdp({ ip: second ?? '', port: 5000 }))
  t.notThrows(() => host.openUdp({ family: 'ipv6', port: 5000 }))
  await t.throwsAsync(host.runtime.network.openUdp({ family: 'ipv4', port: 5000 }), {
    instanceOf: ReachError,
    code: 'ERR_REACH_ADDRESS_IN_USE',
  })
})

test('a closed port is free again, and gets nothing more', (t) => {
  const net = newNet()
  const sender = new Probe(net, net.host())
  const host = net.host()
  const socket = host.openUdp({ port: 5000 })
  socket.onPacket = () => t.fail()
  socket.close()
  socket.close()
  sender.send(transportAddress(host.ip, 5000))
  t.is(net.trace.dropped('no-socket'), 1)
  t.is(host.openSocketCount, 0)
  t.notThrows(() => host.openUdp({ port: 5000 }))
})

test('an address that the host does not have is refused', (t) => {
  const error = t.throws(() => newNet().host().openUdp({ ip: '192.0.2.77' }), { code: 'ERR_REACH_SOCKET' })
  t.true(error instanceof ReachError && error.details.code === 'EADDRNOTAVAIL')
})

test('a socket that is bound to one address gets only what is for it, and sends from it', (t) => {
  const net = newNet()
  const server = net.host({ ipv4: 2 })
  const [first = '', second = ''] = server.ips
  const one = new Probe(net, server, { ip: first, port: 1 })
  const two = new Probe(net, server, { ip: second, port: 1 })
  const client = new Probe(net, net.host())
  t.true(client.reaches(two.address, two))
  t.is(one.packets.length, 0)
  t.is(two.shows(client)?.ip, second)
})

test('what comes in belongs to the receiver: the sender may use its buffer again', (t) => {
  const net = newNet()
  const receiver = new Probe(net, net.host())
  const sender = new Probe(net, net.host())
  for (const length of [4, 100, 5000]) {
    const bytes = Buffer.from(payload(length))
    sender.socket.send(bytes, receiver.address)
    bytes.fill(0)
    net.clock.advance(100)
    t.deepEqual(receiver.packets.at(-1)?.bytes, payload(length))
  }
})

test('no callback comes within send, not even over loopback', (t) => {
  const net = newNet()
  const host = net.host({ link: {} })
  const probe = new Probe(net, host, { ip: host.ip })
  probe.socket.send(payload(1), probe.address)
  probe.socket.send(payload(1), { ...probe.address, port: 0 })
  t.is(probe.packets.length, 0)
  t.deepEqual(probe.refusals, [])
  net.clock.advance(0)
  t.is(probe.packets.length, 1)
  t.deepEqual(probe.refusals, ['EINVAL'])
})

test('loopback connects the sockets of one host, without any link', (t) => {
  const net = newNet()
  const host = net.host({ link: { isCut: true } })
  const one = new Probe(net, host, { ip: '127.0.0.1', port: 1 })
  const two = new Probe(net, host, { ip: '127.0.0.1', port: 2 })
  t.is(text(one.shows(two)), '127.0.0.1:1')
})

test('what the system refuses comes to onSendError with its code', (t) => {
  const net = newNet()
  const probe = new Probe(net, net.host())
  const errors: unknown[] = []
  probe.socket.onSendError = (error) => errors.push(error)
  const ipv6 = transportAddress('2001:db8::7', 1)
  const ipv4 = transportAddress('192.0.2.1', 1)
  probe.send(ipv6)
  probe.send(ipv4, { bytes: new Uint8Array(65_508) })
  t.deepEqual(errors, [
    { to: ipv6, code: 'EAFNOSUPPORT', length: 8 },
    { to: ipv4, code: 'EMSGSIZE', length: 65_508 },
  ])
})

test('a host without a network has no route, no address and no gateway', async (t) => {
  const net = newNet()
  const host = net.host()
  const socket = host.openUdp()
  const codes: string[] = []
  socket.onSendError = ({ code }) => codes.push(code)
  host.disconnect()
  socket.send(payload(1), transportAddress('192.0.2.1', 1))
  net.clock.advance(1)
  t.deepEqual(codes, ['ENETUNREACH'])
  const { network } = host.runtime
  t.deepEqual(network.interfaces(), [])
  t.deepEqual(await network.defaultGateways(), [])
  t.is(await network.sourceIpTowards(transportAddress('192.0.2.1', 1)), undefined)
})

test('a host that moves keeps its sockets and gets another address; the old one is nobody’s', (t) => {
  const net = newNet()
  const server = new Probe(net, net.host())
  const host = net.host({ behind: net.nat() })
  const socket = host.openUdp({ port: 5000 })
  const seen: string[] = []
  server.socket.onPacket = ({ from }) => seen.push(from.ip)
  socket.send(payload(1), server.address)
  net.clock.advance(100)
  const cafe = net.nat({ lan: '10.7.0.0/16' })
  host.moveTo({ behind: cafe })
  t.is(host.ip, '10.7.0.10')
  socket.send(payload(1), server.address)
  net.clock.advance(100)
  t.is(seen.length, 2)
  t.is(seen[1], cafe.externalIps[0])
})

test('interfaces, gateways and source addresses are those of the place', async (t) => {
  const net = newNet()
  const nat = net.nat({ lan: '10.9.0.0/16' })
  const host = net.host({ behind: nat, ipv6: 1 })
  const { network } = host.runtime
  const [ipv4 = '', ipv6 = ''] = host.ips
  t.deepEqual(network.interfaces(), [
    {
      name: 'eth0',
      addresses: [
        { family: 'ipv4', ip: ipv4, prefixLength: 16 },
        { family: 'ipv6', ip: ipv6, prefixLength: 64 },
      ],
    },
  ])
  t.deepEqual(await network.defaultGateways(), [
    { family: 'ipv4', ip: '10.9.0.1', interfaceName: 'eth0', metric: 100 },
    { family: 'ipv6', ip: 'fe80::1%eth0', interfaceName: 'eth0', metric: 100 },
  ])
  t.is(await network.sourceIpTowards(transportAddress('203.0.113.99', 1)), ipv4)
  t.is(await network.sourceIpTowards(transportAddress('2001:db8::99', 1)), ipv6)
})

test('of two networks the one with the lower metric is used, unless the destination is on the other', (t) => {
  const net = newNet()
  const server = new Probe(net, net.host())
  const [cable, mobile] = [net.nat({ lan: '10.1.0.0/16' }), net.nat({ lan: '10.2.0.0/16' })]
  const neighbour = new Probe(net, net.host({ behind: cable }))
  const host = net.host({
    behind: cable,
    metric: 200,
    interfaces: [{ name: 'wwan0', behind: mobile, metric: 50 }],
  })
  const socket = host.openUdp({ port: 5000 })
  const seen = (to: Probe) => {
    socket.send(payload(1), to.address)
    net.clock.advance(100)
    return to.packets.at(-1)?.from.ip
  }
  t.is(seen(server), mobile.externalIps[0])
  t.is(seen(neighbour), '10.1.0.11')
  const bound = new Probe(net, host, { ip: '10.1.0.11' })
  t.is(bound.shows(server)?.ip, cable.externalIps[0])
})

test('a suspended host hears nothing and fires no timer; on waking its calendar has jumped, its clock has not', (t) => {
  const net = newNet()
  const server = new Probe(net, net.host())
  const host = net.host()
  const probe = new Probe(net, host)
  const { clock } = host.runtime
  const wallStartMs = clock.wallMs()
  const fired: number[] = []
  clock.setTimer(1000, () => fired.push(net.clock.nowMs()))
  net.clock.advance(400)
  host.suspend(60_000)
  t.false(server.reaches(probe.address, probe))
  t.is(net.trace.dropped('asleep'), 1)
  t.is(clock.nowMs(), 400)
  net.clock.runUntil(60_400)
  t.is(clock.nowMs(), 400)
  net.clock.runUntil(61_000)
  t.deepEqual(fired, [61_000])
  t.is(clock.nowMs(), 1000)
  t.is(clock.wallMs() - wallStartMs, 61_000)
  t.true(server.reaches(probe.address, probe))
})

test('timers of a suspended host can be cancelled, and those that come due while it sleeps wait', (t) => {
  const net = newNet()
  const host = net.host()
  const { clock } = host.runtime
  let count = 0
  clock.setTimer(10, () => count++)
  const cancelled = clock.setTimer(10, () => t.fail())
  host.suspend(100)
  net.clock.advance(50)
  cancelled.cancel()
  t.is(count, 0)
  net.clock.advance(61)
  t.is(count, 1)
  t.is(net.clock.pendingTimers, 0)
})

test('a timer that is due at the very moment of falling asleep waits, too', (t) => {
  const net = newNet()
  const host = net.host()
  net.clock.setTimer(10, () => host.suspend(100))
  const fired: number[] = []
  host.clock.setTimer(10, () => fired.push(net.clock.nowMs()))
  net.clock.advance(200)
  t.deepEqual(fired, [110])
})

test('one host’s calendar may be wrong', (t) => {
  const net = newNet()
  const [right, wrong] = [net.host(), net.host()]
  wrong.clock.jumpWall(-7_200_000)
  t.is(right.clock.wallMs() - wrong.clock.wallMs(), 7_200_000)
})

test('hosts draw different random bytes, the same ones in each run', (t) => {
  const draw = () => {
    const net = newNet()
    return [net.host(), net.host()].map((host) => host.runtime.random.bytes(12).join())
  }
  const [first, second] = draw()
  t.not(first, second)
  t.deepEqual(draw(), [first, second])
})

test('a trace shows the routers on the way and the destination', async (t) => {
  const net = newNet()
  const server = net.host()
  const cgn = net.nat({ lan: '100.64.0.0/10' })
  const host = net.host({ behind: net.nat({ behind: cgn }) })
  const hops = await net.clock.runUntilSettled(
    host.runtime.network.traceHops(transportAddress(server.ip, 0), { maxHops: 8, timeoutMs: 1000 }),
    2000,
  )
  t.deepEqual(hops, [
    { ttl: 1, ip: '192.168.2.1', reached: false },
    { ttl: 2, ip: '100.64.0.1', reached: false },
    { ttl: 3, ip: '203.0.113.254', reached: false },
    { ttl: 4, ip: server.ip, reached: true },
  ])
  t.true(net.clock.nowMs() < 100)
})

test('a trace agrees with what the TTL does to packets', async (t) => {
  const net = newNet()
  const server = new Probe(net, net.host({ behind: net.router(), link: { down: { hops: 2 } } }))
  const client = new Probe(
    net,
    net.host({ behind: net.nat({ behind: net.firewall() }), link: { up: { hops: 1 } } }),
  )
  const reachedAt = Array.from({ length: 12 }, (_, i) => i + 1).find(
    (ttl) => client.shows(server, { ttl }) !== undefined,
  )
  const host = net.host({ behind: net.nat({ behind: net.firewall() }), link: { up: { hops: 1 } } })
  const traced = await net.clock.runUntilSettled(
    host.runtime.network.traceHops(server.address, { maxHops: 20, timeoutMs: 1000 }),
    2000,
  )
  t.is(traced?.find(({ reached }) => reached)?.ttl, reachedAt)
})

test('who is silent costs the whole time of a trace', async (t) => {
  const net = newNet()
  const server = net.host({ answersTraces: false })
  const host = net.host({ behind: net.nat({ answersTraces: false }) })
  const to = transportAddress(server.ip, 0)
  const hops = await net.clock.runUntilSettled(
    host.runtime.network.traceHops(to, { maxHops: 4, timeoutMs: 1000 }),
    2000,
  )
  t.deepEqual(
    hops?.map(({ ip }) => ip),
    [undefined, '203.0.113.254', undefined, undefined],
  )
  t.is(net.clock.nowMs(), 1000)
})

test('behind a firewall that blocks ICMP, a trace sees no further', async (t) => {
  const net = newNet()
  const server = net.host()
  const host = net.host({ behind: net.nat({ rules: { icmp: 'block' } }) })
  const to = transportAddress(server.ip, 0)
  const hops = await net.clock.runUntilSettled(
    host.runtime.network.traceHops(to, { maxHops: 3, timeoutMs: 100 }),
    200,
  )
  t.deepEqual(
    hops?.map(({ ip, reached }) => ({ ip, reached })),
    [
      { ip: '192.168.1.1', reached: false },
      { ip: undefined, reached: false },
      { ip: undefined, reached: false },
    ],
  )
})

test('a trace can be aborted, and a host without ping has none', async (t) => {
  const net = newNet()
  const to: TransportAddress = transportAddress(net.host({ answersTraces: false }).ip, 0)
  const reason = new Error('enough')
  const controller = new AbortController()
  const { network } = net.host().runtime
  const trace = network.traceHops(to, { maxHops: 4, timeoutMs: 1000, signal: controller.signal })
  controller.abort(reason)
  t.is(await t.throwsAsync(net.clock.runUntilSettled(trace, 100)), reason)
  t.is(net.clock.pendingTimers, 0)
  const without = net.host({ hasPing: false }).runtime.network
  t.is(await without.traceHops(to, { maxHops: 4, timeoutMs: 1000 }), undefined)
})
