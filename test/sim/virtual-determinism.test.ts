import test from 'ava'
import { delay } from '../../lib/base/deadline.ts'
import type { Runtime } from '../../lib/base/runtime.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { bindingRequest } from '../../lib/protocol/stun/message.ts'
import { VirtualInternet } from './virtual-internet.ts'
import { payload } from './virtual-probe.ts'

const LINK = { delayMs: 12, jitterMs: 20, reorder: true, loss: 0.15, duplicate: 0.05 }

/** A world with every kind of luck in it. */
function world(seed: number, extra = false) {
  const net = new VirtualInternet({ seed, recordTrace: true })
  const server = net.stunServer()
  const cgn = net.nat({
    externalIps: 3,
    pooling: 'arbitrary',
    ports: { kind: 'sequential', noisePerSecond: 50 },
  })
  const home = net.nat({ behind: cgn, mapping: 'address-and-port-dependent', ports: { kind: 'random' } })
  const host = net.host({ behind: home, link: LINK })
  if (extra) net.host({ name: 'bystander' })
  return { net, server, host }
}

function callbackTrace(seed: number): string {
  const { net, server, host } = world(seed)
  for (let i = 0; i < 40; i++) {
    host.openUdp().send(bindingRequest(host.runtime.random.bytes(12)), server.address)
    net.clock.advance(7)
  }
  net.clock.advance(1000)
  return net.trace.hash()
}

/** A program with several tasks that await sockets, timers and each other. */
async function promiseTrace(seed: number): Promise<string> {
  const { net, server, host } = world(seed)
  const task = async ({ network, clock, random }: Runtime, to: TransportAddress, pauseMs: number) => {
    const socket = await network.openUdp({ family: 'ipv4' })
    for (let i = 0; i < 10; i++) {
      socket.send(bindingRequest(random.bytes(12)), to)
      await delay(clock, pauseMs)
    }
    socket.close()
  }
  const tasks = [3, 5, 5, 8].map((pauseMs) => task(host.runtime, server.address, pauseMs))
  await net.clock.runUntilSettled(Promise.all(tasks), 10_000)
  return net.trace.hash()
}

test('the same seed gives the same packets at the same moments, another seed others', (t) => {
  const traces = [1, 2, 3, 4, 5].map(callbackTrace)
  t.deepEqual([1, 2, 3, 4, 5].map(callbackTrace), traces)
  t.is(new Set(traces).size, 5)
})

test('so it is with programs that live on promises', async (t) => {
  const first = await promiseTrace(1)
  t.is(await promiseTrace(1), first)
  t.not(await promiseTrace(2), first)
})

test('the luck of one part does not depend on parts that were added', (t) => {
  const ports = (extra: boolean) => {
    const { net, server, host } = world(1, extra)
    const seen: number[] = []
    net.trace.listener = ({ kind, packet }) => {
      if (kind === 'sent' && packet.sourcePort === server.address.port) seen.push(packet.destinationPort)
    }
    for (let i = 0; i < 20; i++) host.openUdp().send(bindingRequest(new Uint8Array(12)), server.address)
    net.clock.advance(1000)
    return seen
  }
  t.true(ports(false).length > 5)
  t.deepEqual(ports(true), ports(false))
})

test('the trace tells one changed byte, one changed moment and one lost packet', (t) => {
  const traceOf = (bytes: Uint8Array, atMs: number, ttl: number) => {
    const net = new VirtualInternet({ seed: 1, recordTrace: true })
    const [a, b] = [net.host(), net.host()]
    b.openUdp({ port: 9 })
    net.clock.advance(atMs)
    a.openUdp({ port: 8 }).send(bytes, { family: 'ipv4', ip: b.ip, port: 9, transport: 'udp' }, { ttl })
    net.clock.advance(100)
    return net.trace.hash()
  }
  const base = traceOf(payload(50), 1, 64)
  t.is(traceOf(payload(50), 1, 64), base)
  t.not(traceOf(payload(50).with(49, 0), 1, 64), base)
  t.not(traceOf(payload(50), 1.5, 64), base)
  t.not(traceOf(payload(50), 1, 1), base)
})

test('a hash of what was not recorded is refused', (t) => {
  t.throws(() => new VirtualInternet({ seed: 1 }).trace.hash(), { message: /not recorded/ })
})

test('every packet that was sent is delivered or dropped for a reason', (t) => {
  const { net, server, host } = world(9)
  for (let i = 0; i < 200; i++) host.openUdp().send(bindingRequest(new Uint8Array(12)), server.address)
  let copies = 0
  net.clock.runUntilIdle(60_000)
  copies = net.trace.delivered + net.trace.dropped() - net.trace.sent
  t.true(copies > 0 && copies < 60, `${copies} duplicates`)
  t.true(net.trace.dropped('loss') > 20)
})
