import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Socket, connect, createServer as createTcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Runtime } from '../../lib/base/runtime.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { selfSignedCertificate } from '../../lib/identity/issue/certificate-profiles.ts'
import { generateKeyPair } from '../../lib/identity/keys/key-pair.ts'
import { commonTlsOptions } from '../../lib/identity/tls/tls-options.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { TcpServer } from '../../lib/net/tcp-server.ts'
import { listenTcp } from '../../lib/net/tcp-server.ts'
import { CheckKeys, encodeCheck, iceCredentials } from '../../lib/protocol/ice/connectivity-check.ts'
import { encodeCheckFrame } from '../../lib/protocol/punch/check-frames.ts'
import { decodeTcpPunchMessage, encodeTcpPunchMessage } from '../../lib/protocol/punch/tcp-punch-message.ts'
import type { TcpAttemptSetup, TcpPath } from '../../lib/punch/tcp-attempt.ts'
import { TcpAttempt } from '../../lib/punch/tcp-attempt.ts'
import { TcpListener } from '../../lib/punch/tcp-listener.ts'
import { StunService } from '../../relay-server/stun-service.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'
import { closed } from './identity-support/transports.ts'
import { CrossingNetwork } from './punch-support/crossing-network.ts'

const runtime = nodeRuntime()
const MIB = 1024 * 1024

const credentialsOf = (seed: number) => iceCredentials(new Uint8Array(24).fill(seed))

/** An attempt of Alice (1, controlling) with Bob (2), seen from either side. */
function setup(side: 'alice' | 'bob', part: Partial<TcpAttemptSetup> = {}): TcpAttemptSetup {
  const [alice, bob] = [credentialsOf(1), credentialsOf(2)]
  const [localCredentials, remoteCredentials] = side === 'alice' ? [alice, bob] : [bob, alice]
  const role = side === 'alice' ? 'controlling' : 'controlled'
  return {
    ...{ runtime, role, localCredentials, remoteCredentials, stunServers: [], signallingRttMs: 2 },
    maySendTo: ({ ip }) => ip === '127.0.0.1' || ip === '::1',
    signal: () => undefined,
    ...part,
  }
}

function attempt(
  t: ExecutionContext,
  side: 'alice' | 'bob',
  part: Partial<TcpAttemptSetup> = {},
): TcpAttempt {
  const made = new TcpAttempt(setup(side, part))
  t.teardown(async () => {
    made.close()
    const path = await made.result
    path?.socket.destroy()
  })
  return made
}

async function listener(t: ExecutionContext, ip = '127.0.0.1', on: Runtime = runtime): Promise<TcpListener> {
  const family = ip.includes(':') ? 'ipv6' : 'ipv4'
  const opened = await TcpListener.open(on, family, { ip })
  t.teardown(() => opened.close())
  return opened
}

async function pathsOf(t: ExecutionContext, ...attempts: readonly TcpAttempt[]): Promise<TcpPath[]> {
  const paths = await Promise.all(attempts.map(({ result }) => result))
  return paths.map((path) => path ?? t.fail('there is no path'))
}

async function hashOf(stream: Duplex): Promise<string> {
  const hash = createHash('sha256')
  stream.on('data', (chunk: Uint8Array) => hash.update(chunk))
  await once(stream, 'end')
  return hash.digest('hex')
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** 16 MiB in each direction over TLS, begun by one of them. */
async function carriesTls(t: ExecutionContext, client: TcpPath, server: TcpPath): Promise<void> {
  const keys = generateKeyPair()
  const chain = [await selfSignedCertificate(keys, Date.now())]
  const accepting = createServer(commonTlsOptions({ chain, privateKey: keys.privateKey }))
  const accepted = new Promise<TLSSocket>((resolve) => accepting.once('secureConnection', resolve))
  accepting.emit('connection', server.socket)
  const dialling = connectTls({ socket: client.socket, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
  const ends = [dialling, await accepted]
  const got = Promise.all(ends.map(hashOf))
  const sent = ends.map((end) => {
    const bytes = randomBytes(16 * MIB)
    end.end(bytes)
    return sha256(bytes)
  })
  t.deepEqual(await got, sent.reverse())
}

for (const { family, ip, skipReason } of await loopbackFamilies()) {
  if (skipReason !== undefined) {
    console.log(`skipped direct paths over TCP, ${family}: ${skipReason}`)
    continue
  }

  for (const dials of ['alice', 'bob'] as const) {
    test(`${family}: the ${dials === 'alice' ? 'controlling' : 'controlled'} side dials, and both get the same connection`, async (t) => {
      const listening = await listener(t, ip)
      const dialler = attempt(t, dials)
      const taker = attempt(t, dials === 'alice' ? 'bob' : 'alice', { listeners: [listening] })
      dialler.dial(listening.local)
      const [dialled, accepted] = await pathsOf(t, dialler, taker)
      t.deepEqual([dialled?.how, accepted?.how], ['dialled', 'accepted'])
      t.deepEqual([dialled?.local, dialled?.remote], [accepted?.remote, accepted?.local])
      t.deepEqual([dialler.counters.dials, taker.counters.accepted, listening.counters.assigned], [1, 1, 1])
      t.true(dialled?.socket instanceof Socket && accepted?.socket instanceof Socket)
    })
  }
}

for (const client of ['alice', 'bob'] as const) {
  test(`TLS that ${client} begins runs over the socket itself: 16 MiB each way`, async (t) => {
    const listening = await listener(t)
    const [alice, bob] = [attempt(t, 'alice'), attempt(t, 'bob', { listeners: [listening] })]
    alice.dial(listening.local)
    const [ofAlice, ofBob] = await pathsOf(t, alice, bob)
    if (ofAlice === undefined || ofBob === undefined) return
    if (client === 'alice') await carriesTls(t, ofAlice, ofBob)
    else await carriesTls(t, ofBob, ofAlice)
  })
}

test('bytes that come in the same segment as the last check are read first', async (t) => {
  const listening = await listener(t)
  const alice = attempt(t, 'alice', { listeners: [listening] })
  const bob = attempt(t, 'bob')
  bob.dial(listening.local)
  const [path] = await pathsOf(t, bob)
  // Before the event loop has turned: behind the answer to the nomination.
  path?.socket.write('hello')
  path?.socket.end(' world')
  const [other] = await pathsOf(t, alice)
  if (other === undefined) return
  t.true(other.socket.isPaused())
  const chunks = await other.socket.toArray()
  t.is(Buffer.concat(chunks as Buffer[]).toString(), 'hello world')
})

test('two attempts on one listener are told apart', async (t) => {
  const listening = await listener(t)
  const pairs = [10, 20].map((seed) => {
    const [mine, theirs] = [credentialsOf(seed), credentialsOf(seed + 1)]
    const taker = attempt(t, 'bob', {
      ...{ listeners: [listening], localCredentials: mine, remoteCredentials: theirs },
    })
    const dialler = attempt(t, 'alice', { localCredentials: theirs, remoteCredentials: mine })
    return { taker, dialler }
  })
  for (const { dialler } of [...pairs].reverse()) dialler.dial(listening.local)
  for (const { taker, dialler } of pairs) {
    const [accepted, dialled] = await pathsOf(t, taker, dialler)
    t.deepEqual(accepted?.remote, dialled?.local)
  }
  const taken = { listeners: [listening], localCredentials: credentialsOf(30) }
  attempt(t, 'bob', taken)
  t.throws(() => new TcpAttempt(setup('bob', taken)), { instanceOf: RangeError })
})

test('of several connections one is used, and all others are closed', async (t) => {
  const listeners = await Promise.all([1, 2, 3].map(() => listener(t)))
  const alice = attempt(t, 'alice')
  const bob = attempt(t, 'bob', { listeners })
  for (const { local } of listeners) alice.dial(local)
  const [path, other] = await pathsOf(t, alice, bob)
  t.deepEqual(path?.remote, other?.local)
  t.is(alice.counters.connects, 3)
  for (const listening of listeners)
    await listeningHolds(listening, listening.local.port === path?.remote.port ? 1 : 0)
})

/** Waits until a listener has so many connections open. */
async function listeningHolds(listening: TcpListener, count: number): Promise<void> {
  while (listening.connectionCount !== count) await new Promise((resolve) => setImmediate(resolve))
}

test('what is dialled: each address once, eight at most, only where we may; errors are counted', async (t) => {
  const free = await listenTcp({ ip: '127.0.0.1', port: 0 }, () => undefined)
  await free.close()
  const alice = attempt(t, 'alice', { maySendTo: ({ port }) => port !== 9 })
  alice.dial(transportAddress('127.0.0.1', 9, 'tcp'))
  t.is(alice.counters.dials, 0)
  alice.dial(free.local)
  alice.dial(free.local)
  t.is(alice.counters.dials, 1)
  while (Object.keys(alice.counters.errors).length === 0)
    await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(alice.counters.errors, { ECONNREFUSED: 1 })
  const server = await silentServer(t)
  for (let last = 1; last <= 12; last++)
    alice.dial(transportAddress(`127.0.1.${last}`, server.local.port, 'tcp'))
  t.deepEqual([alice.counters.dials, alice.counters.connects], [8, 8])
})

/** Takes connections on all of 127.0.0.0/8 and says nothing. */
async function silentServer(t: ExecutionContext): Promise<TcpServer> {
  const server = await listenTcp({ ip: '0.0.0.0', port: 0 }, (socket) => void socket.resume())
  t.teardown(() => server.close())
  return server
}

const strange: readonly (readonly [string, Uint8Array])[] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['a ClientHello', Buffer.from('16030100c8010000c40303', 'hex')],
  ['random bytes', Buffer.concat([Buffer.of(0, 64), randomBytes(64)])],
  ['a check to somebody whom we do not expect', check('nobody00')],
]

for (const [what, bytes] of strange) {
  test(`a connection to the port that brings ${what} is closed, counted, and harms nobody`, async (t) => {
    const listening = await listener(t)
    const bob = attempt(t, 'bob', { listeners: [listening] })
    const stranger = connect({ port: listening.local.port, host: '127.0.0.1' })
    stranger.on('error', () => undefined).resume()
    stranger.write(bytes)
    await closed(stranger)
    t.deepEqual([listening.counters.garbage, listening.pendingCount, bob.counters.accepted], [1, 0, 0])
    const alice = attempt(t, 'alice')
    alice.dial(listening.local)
    await pathsOf(t, alice, bob)
  })
}

/** A framed check to a fragment, with a password that is nobody's. */
function check(ufrag: string): Uint8Array {
  const keys = new CheckKeys(credentialsOf(7), { ...credentialsOf(8), ufrag })
  return encodeCheckFrame(
    encodeCheck(keys, {
      ...{ transactionId: randomBytes(12), role: 'controlling', tieBreaker: 1n, priority: 1 },
      useCandidate: true,
    }),
  )
}

test('who knows the fragment and not the password gets no answer; the peer is still found', async (t) => {
  const listening = await listener(t)
  const bob = attempt(t, 'bob', { listeners: [listening] })
  const impostor = connect({ port: listening.local.port, host: '127.0.0.1' })
  const heard = once(impostor, 'close')
  const got: Buffer[] = []
  impostor.on('error', () => undefined).on('data', (chunk: Buffer) => got.push(chunk))
  impostor.write(check(credentialsOf(2).ufrag))
  await heard
  // Bob's own check, which names its addressee; no success.
  t.true(Buffer.concat(got).length < 200)
  t.deepEqual([bob.counters.accepted, bob.counters.forged], [1, 1])
  const alice = attempt(t, 'alice')
  alice.dial(listening.local)
  const [path] = await pathsOf(t, bob, alice)
  t.is(path?.how, 'accepted')
})

test('somebody else at the address that a peer named is found out', async (t) => {
  const echo = createTcpServer((socket) => void socket.on('error', () => undefined).pipe(socket))
  await once(echo.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => echo.close())
  const address = echo.address()
  const alice = attempt(t, 'alice')
  alice.dial(transportAddress('127.0.0.1', typeof address === 'object' ? (address?.port ?? 0) : 0, 'tcp'))
  while (alice.counters.forged === 0) await new Promise((resolve) => setImmediate(resolve))
  t.is(alice.counters.forged, 1)
})

test('silence is closed after 5 s, and of more than 64 strangers the oldest goes', async (t) => {
  const clock = new FakeClock()
  const listening = await listener(t, '127.0.0.1', { ...runtime, clock })
  const strangers: Socket[] = []
  for (let count = 1; count <= 65; count++) {
    const stranger = connect({ port: listening.local.port, host: '127.0.0.1' })
    strangers.push(stranger.on('error', () => undefined).resume())
    while (listening.pendingCount + listening.counters.crowdedOut < count) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  t.deepEqual([listening.pendingCount, listening.counters.crowdedOut], [64, 1])
  await closed(strangers[0] ?? t.fail())
  t.false(strangers[1]?.destroyed)
  // Half a frame is not enough.
  strangers[64]?.write(check(credentialsOf(2).ufrag).subarray(0, 40))
  clock.advance(4999)
  t.is(listening.pendingCount, 64)
  clock.advance(1)
  t.deepEqual([listening.pendingCount, listening.counters.silent, clock.pendingTimers], [0, 64, 0])
  await Promise.all(strangers.map(closed))
})

test('a peer that takes a connection and says nothing is given up after 5 s, and the next one is taken', async (t) => {
  const clock = new FakeClock()
  const silent = await silentServer(t)
  const alice = attempt(t, 'alice', { runtime: { ...runtime, clock } })
  alice.dial(transportAddress('127.0.0.1', silent.local.port, 'tcp'))
  while (silent.connectionCount === 0) await new Promise((resolve) => setImmediate(resolve))
  const listening = await listener(t)
  const bob = attempt(t, 'bob', { listeners: [listening] })
  clock.advance(6000)
  while (silent.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve))
  alice.dial(listening.local)
  const [path] = await pathsOf(t, alice, bob)
  t.deepEqual(path?.remote, listening.local)
  t.is(clock.pendingTimers, 0)
})

test('a closed attempt ends without a path, and leaves neither connections nor timers', async (t) => {
  const clock = new FakeClock()
  const silent = await silentServer(t)
  const listening = await listener(t)
  const stunServers = [transportAddress('127.0.0.1', silent.local.port, 'tcp')]
  const alice = attempt(t, 'alice', {
    ...{ runtime: { ...runtime, clock }, listeners: [listening], stunServers },
  })
  alice.dial(transportAddress('127.0.0.1', silent.local.port, 'tcp'))
  alice.startPunch({ portIsPreserved: true })
  while (silent.connectionCount < 2) await new Promise((resolve) => setImmediate(resolve))
  alice.close()
  alice.close()
  t.is(await alice.result, undefined)
  await alice.punched
  while (silent.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve))
  t.is(clock.pendingTimers, 0)
  alice.dial(listening.local)
  alice.startPunch({ portIsPreserved: true })
  t.is(alice.counters.dials, 1)
  // Its place at the listener is free again.
  attempt(t, 'alice', { listeners: [listening] })
})

/** A STUN server over TCP as a relay has it. */
async function stunOverTcp(t: ExecutionContext): Promise<TransportAddress> {
  const service = await StunService.open({ addresses: [{ ip: '127.0.0.1', port: 0 }] }, runtime.clock)
  const server = await listenTcp({ ip: '127.0.0.1', port: 0 }, (socket) => service.serveTcp(socket))
  t.teardown(() => Promise.all([service.close(), server.close()]))
  return server.local
}

/** Alice and Bob, who hear each other's messages a little later, over the wire format. */
function punchPair(t: ExecutionContext, on: Runtime, stunServers: readonly TransportAddress[]) {
  const part = (to: () => TcpAttempt): Partial<TcpAttemptSetup> => ({
    ...{ runtime: on, stunServers },
    signal: (message) => {
      const text = encodeTcpPunchMessage(message)
      setImmediate(() => to().receive(decodeTcpPunchMessage(text)))
    },
  })
  const alice: TcpAttempt = attempt(
    t,
    'alice',
    part(() => bob),
  )
  const bob: TcpAttempt = attempt(
    t,
    'bob',
    part(() => alice),
  )
  return { alice, bob }
}

test('a simultaneous open through NATs that refuse: both get one connection, and it carries TLS', async (t) => {
  const server = await stunOverTcp(t)
  const crossing = new CrossingNetwork(t, runtime.network, [server])
  const { alice, bob } = punchPair(t, { ...runtime, network: crossing.network }, [server])
  alice.startPunch({ portIsPreserved: true })
  bob.startPunch({ portIsPreserved: false })
  const [ofAlice, ofBob] = await pathsOf(t, alice, bob)
  if (ofAlice === undefined || ofBob === undefined) return
  t.deepEqual([ofAlice.how, ofBob.how], ['simultaneous', 'simultaneous'])
  t.deepEqual([ofAlice.local, ofAlice.remote], [ofBob.remote, ofBob.local])
  t.is(
    alice.counters.errors['ECONNREFUSED'] ?? 0,
    crossing.refused - (bob.counters.errors['ECONNREFUSED'] ?? 0),
  )
  await carriesTls(t, ofAlice, ofBob)
})

test('loopback answers at once: all rounds are refused, and the counters say so', async (t) => {
  const server = await stunOverTcp(t)
  const clock = new FakeClock()
  const { alice, bob } = punchPair(t, { ...runtime, clock }, [server])
  alice.startPunch({ portIsPreserved: false })
  bob.startPunch({ portIsPreserved: false })
  let isOver = false
  void Promise.all([alice.punched, bob.punched]).then(() => (isOver = true))
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(2)
  }
  t.deepEqual([alice.counters.rounds, bob.counters.rounds], [3, 3])
  for (const { counters } of [alice, bob]) {
    t.true((counters.errors['ECONNREFUSED'] ?? 0) > 10)
    t.deepEqual([counters.forged, counters.dials], [0, 0])
  }
})
