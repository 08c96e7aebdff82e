import { buffer, text as textOf } from 'node:stream/consumers'
import test from 'ava'
import { ReachError } from '../../lib/base/errors.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { forSeedsAsync } from './for-seeds.ts'
import type { VirtualHost } from './virtual-host.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { AccessLinkOptions } from './virtual-link.ts'
import type { VirtualTcpSocket } from './virtual-tcp-socket.ts'
import { payload } from './virtual-probe.ts'

const LIMIT_MS = 6_000_000

function scene(link: AccessLinkOptions = { delayMs: 10 }, seed = 1) {
  const net = new VirtualInternet({ seed })
  const server = net.host({ link: {} })
  const client = net.host({ link })
  const run = <T>(promise: Promise<T>) => net.clock.runUntilSettled(promise, LIMIT_MS)
  return { net, server, client, run, at: transportAddress(server.ip, 443, 'tcp') }
}

/** Code of a rejected connection attempt. */
async function refusal(
  run: <T>(promise: Promise<T>) => Promise<T>,
  attempt: Promise<unknown>,
): Promise<unknown> {
  const outcome = await run(attempt.then(() => undefined).catch((error: unknown) => error))
  return ReachError.is(outcome, 'ERR_REACH_SOCKET') ? outcome.details.code : outcome
}

const echo = (socket: VirtualTcpSocket) => void socket.pipe(socket)

test('a connection takes one round trip, and each side knows both ends', async (t) => {
  const { net, server, client, run, at } = scene()
  const accepted: VirtualTcpSocket[] = []
  server.listenTcp(443, (socket) => accepted.push(socket))
  const socket = await run(client.runtime.network.connectTcp(at, { localPort: 5000 }))
  t.is(net.clock.nowMs(), 20)
  t.deepEqual(socket.local, transportAddress(client.ip, 5000, 'tcp'))
  t.deepEqual(socket.remote, at)
  await net.clock.runUntilSettled(Promise.resolve(net.clock.advance(20)), 1)
  t.deepEqual(accepted[0]?.remote, socket.local)
  t.deepEqual(accepted[0]?.local, at)
})

test('bytes arrive whole and in order, and each direction ends by itself', async (t) => {
  const { server, client, run, at } = scene()
  const sent = Buffer.from(payload(200_000))
  server.listenTcp(443, (socket) => {
    const chunks: Buffer[] = []
    // Not by async iteration, which destroys the socket at its end.
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('end', () => socket.end(Buffer.concat(chunks)))
  })
  const socket = await run(client.connectTcp(at))
  socket.end(sent)
  t.true((await run(buffer(socket))).equals(sent))
})

for (const loss of [0.05, 0.3]) {
  test(`nothing is lost, doubled or reordered over a link that loses ${loss}, doubles and reorders`, async (t) => {
    await forSeedsAsync(3, async (seed) => {
      const { server, client, run, at } = scene(
        { delayMs: 10, jitterMs: 15, reorder: true, loss, duplicate: 0.1 },
        seed,
      )
      server.listenTcp(443, echo)
      const sent = Buffer.from(payload(300_000))
      const socket = await run(client.connectTcp(at))
      socket.end(sent)
      t.true((await run(buffer(socket))).equals(sent))
    })
  })
}

test('a writer waits for a reader that rests, for however long, and loses nothing', async (t) => {
  const { net, server, client, run, at } = scene()
  const accepted: VirtualTcpSocket[] = []
  server.listenTcp(443, (socket) => accepted.push(socket))
  const socket = await run(client.connectTcp(at))
  const sent = Buffer.from(payload(4_000_000))
  let isWritten = false
  socket.end(sent, () => (isWritten = true))
  await run(new Promise((resolve) => void net.clock.setTimer(5_000_000, () => resolve(undefined))))
  t.false(isWritten)
  const [reader] = accepted
  if (reader === undefined) return t.fail('nothing was accepted')
  reader.end()
  t.true((await run(buffer(reader))).equals(sent))
})

test('nobody listens: refused after a round trip', async (t) => {
  const { net, client, run, at } = scene()
  t.is(await refusal(run, client.connectTcp(at)), 'ECONNREFUSED')
  t.is(net.clock.nowMs(), 20)
})

test('silence: timed out after 127 s, as Linux does', async (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const server = net.host()
  const client = net.host({ behind: net.firewall({ rules: { tcp: 'block' } }) })
  const run = <T>(promise: Promise<T>) => net.clock.runUntilSettled(promise, LIMIT_MS)
  t.is(await refusal(run, client.connectTcp(transportAddress(server.ip, 443, 'tcp'))), 'ETIMEDOUT')
  t.is(net.clock.nowMs(), 127_000)
})

test('no route: refused at once', async (t) => {
  const { client, run } = scene()
  t.is(await refusal(run, client.connectTcp(transportAddress('2001:db8::1', 443, 'tcp'))), 'ENETUNREACH')
})

test('a firewall may allow some ports, and reset the others', async (t) => {
  const { net, server, run, at } = scene()
  const firewall = net.firewall({ rules: { udp: 'block', tcpPorts: [443], rejectTcp: 'reset' } })
  const client = net.host({ behind: firewall })
  server.listenTcp(443, echo)
  server.listenTcp(22, echo)
  const socket = await run(client.connectTcp(at))
  t.deepEqual(socket.remote, at)
  t.is(await refusal(run, client.connectTcp(transportAddress(server.ip, 22, 'tcp'))), 'ECONNREFUSED')
})

test('connections go through NATs, nested ones too, and nobody gets in unasked', async (t) => {
  const { net, server, run, at } = scene()
  const cgn = net.nat({
    lan: '100.64.0.0/10',
    mapping: 'address-and-port-dependent',
    ports: { kind: 'random' },
  })
  const home = net.nat({ behind: cgn })
  const client = net.host({ behind: home })
  client.listenTcp(80, echo)
  const accepted: VirtualTcpSocket[] = []
  server.listenTcp(443, (socket) => {
    accepted.push(socket)
    echo(socket)
  })
  const socket = await run(client.connectTcp(at))
  socket.end('hello')
  t.is(await run(textOf(socket)), 'hello')
  t.is(accepted[0]?.remote.ip, cgn.externalIps[0])
  const outside = transportAddress(cgn.externalIps[0] ?? '', 80, 'tcp')
  t.is(await refusal(run, server.connectTcp(outside)), 'ETIMEDOUT')
})

test('a forwarded port lets connections in', async (t) => {
  const { net, server, run } = scene()
  const nat = net.nat()
  const client = net.host({ behind: nat })
  client.listenTcp(80, echo)
  nat.forwardPort({ transport: 'tcp', externalPort: 8080, internalIp: client.ip, internalPort: 80 })
  const socket = await run(server.connectTcp(transportAddress(nat.externalIps[0] ?? '', 8080, 'tcp')))
  socket.end('hello')
  t.is(await run(textOf(socket)), 'hello')
})

test('a NAT may answer unsolicited connections with a reset', async (t) => {
  const { net, server, run } = scene()
  const nat = net.nat({ tcp: { unsolicited: 'reset' } })
  const to = transportAddress(nat.externalIps[0] ?? '', 80, 'tcp')
  t.is(await refusal(run, server.connectTcp(to)), 'ECONNREFUSED')
})

test('simultaneous open: two sides behind NATs that drop unsolicited SYNs meet', async (t) => {
  const { net, run } = scene()
  const [a, b] = [net.nat(), net.nat()]
  const alice = net.host({ behind: a })
  const bob = net.host({ behind: b })
  const dial = (from: VirtualHost, to: string | undefined) =>
    from.connectTcp(transportAddress(to ?? '', 5000, 'tcp'), { localPort: 5000 })
  const [one, two] = await run(Promise.all([dial(alice, b.externalIps[0]), dial(bob, a.externalIps[0])]))
  one.end('from alice')
  two.end('from bob')
  t.deepEqual(await run(Promise.all([textOf(one), textOf(two)])), ['from bob', 'from alice'])
})

test('a NAT that has forgotten a connection passes none of its packets', async (t) => {
  const { net, server, run, at } = scene()
  const nat = net.nat()
  const client = net.host({ behind: nat })
  server.listenTcp(443, echo)
  const socket = await run(client.connectTcp(at))
  nat.reboot()
  socket.write('hello')
  const failed = new Promise((resolve) => socket.once('error', resolve))
  const error = await run(failed)
  t.like(error, { code: 'ETIMEDOUT' })
  t.true(net.trace.dropped('tcp-state') > 5)
})

test('a connection survives a cut of a few seconds', async (t) => {
  const { net, server, client, run, at } = scene()
  server.listenTcp(443, echo)
  const socket = await run(client.connectTcp(at))
  client.configureLink({ isCut: true })
  socket.end('hello')
  void net.clock.setTimer(10_000, () => client.configureLink({ isCut: false }))
  t.is(await run(textOf(socket)), 'hello')
})

test('a port is taken towards one destination, free towards another', async (t) => {
  const { server, client, run, at } = scene()
  server.listenTcp(443, echo)
  server.listenTcp(444, echo)
  await run(client.connectTcp(at, { localPort: 5000 }))
  await t.throwsAsync(run(client.connectTcp(at, { localPort: 5000 })), { code: 'ERR_REACH_ADDRESS_IN_USE' })
  await t.notThrowsAsync(run(client.connectTcp(transportAddress(server.ip, 444, 'tcp'), { localPort: 5000 })))
  t.throws(() => server.listenTcp(443, echo), { code: 'ERR_REACH_ADDRESS_IN_USE' })
})

test('an attempt can be aborted, before and while it runs', async (t) => {
  const { net, client, run, at } = scene({ delayMs: 10, loss: 1 })
  const reason = new Error('enough')
  const controller = new AbortController()
  const attempt = client.connectTcp(at, { signal: controller.signal })
  controller.abort(reason)
  t.is(await t.throwsAsync(run(attempt)), reason)
  t.is(await t.throwsAsync(run(client.connectTcp(at, { signal: controller.signal }))), reason)
  t.true(net.clock.runUntilIdle(1000))
})

test('destroying a connection ends it for the other side after what was written', async (t) => {
  const { server, client, run, at } = scene()
  const accepted: Promise<VirtualTcpSocket> = new Promise((resolve) => void server.listenTcp(443, resolve))
  const socket = await run(client.connectTcp(at))
  const peer = await run(accepted)
  socket.write('last words', () => socket.destroy())
  t.is(await run(textOf(peer)), 'last words')
})

test('destroying it with bytes unread resets the other side', async (t) => {
  const { net, server, client, run, at } = scene()
  const accepted: Promise<VirtualTcpSocket> = new Promise((resolve) => void server.listenTcp(443, resolve))
  const socket = await run(client.connectTcp(at))
  const peer = await run(accepted)
  const reset = new Promise((resolve) => peer.once('error', resolve))
  peer.write('not read by anybody')
  await run(new Promise((resolve) => void net.clock.setTimer(100, () => resolve(undefined))))
  socket.destroy()
  t.like(await run(reset), { code: 'ECONNRESET' })
})

test('a connection ends in peace although every packet arrives twice', async (t) => {
  const { net, server, client, run, at } = scene({ delayMs: 10, duplicate: 1 })
  const accepted: Promise<VirtualTcpSocket> = new Promise((resolve) => void server.listenTcp(443, resolve))
  const socket = await run(client.connectTcp(at))
  const peer = await run(accepted)
  const ended = new Promise((resolve) => peer.resume().once('end', resolve))
  const errors: Error[] = []
  peer.on('error', (error) => errors.push(error))
  socket.destroy()
  await run(ended)
  // The peer keeps its half open: a reset that comes too late would still hit it.
  net.clock.advance(1000)
  await net.clock.settle()
  t.deepEqual(errors, [])
})

test('when all is over, nothing is left to happen', async (t) => {
  const { net, server, client, run, at } = scene()
  server.listenTcp(443, echo)
  const socket = await run(client.connectTcp(at))
  socket.end('hello')
  await run(textOf(socket))
  t.true(net.clock.runUntilIdle(LIMIT_MS))
  t.true(net.clock.nowMs() < 1000)
})
