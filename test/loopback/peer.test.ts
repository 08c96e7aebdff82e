import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { ReachError } from '../../lib/base/errors.ts'
import type { Clock } from '../../lib/base/runtime.ts'
import { WATCH_INTERVAL_MS } from '../../lib/net/network-change-watcher.ts'
import { exposeTarget, forwardTo } from '../../lib/peer/forward.ts'
import { parseForwardTarget } from '../../lib/peer/forward-target.ts'
import type { PeerOptions } from '../../lib/peer/peer-options.ts'
import { Peer } from '../../lib/peer/peer.ts'
import type { SessionStream } from '../../lib/session/session-stream.ts'
import { readToEnd } from './identity-support/transports.ts'
import { joinWith, networkOf, peerOf, runtimeAt } from './network-support.ts'
import { folderOf, freePortPair } from './relay-support/relay.ts'
import { digest, feed } from './session-support/hosts.ts'
import { failsWith } from '../support/fails-with.ts'

const MIB = 1024 * 1024

const echo = (stream: SessionStream) => {
  stream.pipe(stream)
}

test('a stream to a service by name, by PeerId, and with first bytes', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob, events } = await peerOf(t, network, 'bob')
  await alice.listen('echo', echo)
  for (const target of ['alice/echo', `${alice.peerId}/echo`, 'Alice/ECHO']) {
    const stream = await bob.connect(target, { firstBytes: Buffer.from('first ') })
    stream.end('last')
    t.is((await readToEnd(stream)).toString(), 'first last')
  }
  const stream = await bob.connect('alice/echo')
  const sent = feed(stream, 8 * MIB)
  t.deepEqual(await digest(stream), { length: 8 * MIB, hash: await sent })
  // One session carried it all, over the relay.
  t.is(events.filter(({ kind }) => kind === 'session').length, 1)
  const paths = events.flatMap((event) => (event.kind === 'path' ? [event.path] : []))
  t.like(paths[0], { kind: 'relay', via: `127.0.0.1:${network.port}` })
  const [path] = bob.session('alice').currentPaths
  t.like(path, { kind: 'relay', isActive: true })
  t.deepEqual(
    (await bob.peers()).map(({ name }) => name),
    ['alice'],
  )
})

test('each way not to get a stream has its code and a hint', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob } = await peerOf(t, network, 'bob')
  const { peer: carol } = await peerOf(t, network, 'carol')
  await alice.listen('for-bob', echo, { allow: ['bob'] })
  await alice.listen('for-key', echo, { allow: [bob.peerId] })
  const nowhere = parseForwardTarget('127.0.0.1:1')
  await exposeTarget(alice, 'nowhere', nowhere)
  await failsWith(
    t,
    bob.connect('alice/nothing'),
    'ERR_REACH_STREAM_REFUSED',
    /alice exposes no service nothing/,
  )
  await failsWith(
    t,
    carol.connect('alice/for-bob'),
    'ERR_REACH_STREAM_REFUSED',
    /does not let us use for-bob/,
  )
  await failsWith(t, bob.connect('alice/nowhere'), 'ERR_REACH_STREAM_REFUSED', /nothing answers behind it/)
  await failsWith(t, bob.connect('carol/web'), 'ERR_REACH_PEER_OFFLINE')
  await failsWith(t, bob.connect('nobody/web'), 'ERR_REACH_PEER_UNKNOWN')
  await failsWith(t, bob.connect('alice'), 'ERR_REACH_NAME')
  await failsWith(t, bob.connect('alice/a b'), 'ERR_REACH_NAME')
  await failsWith(t, alice.listen('for-bob', echo), 'ERR_REACH_SERVICE_IN_USE')
  await failsWith(t, alice.listen('p2p-reach.mine', echo), 'ERR_REACH_NAME')
  for (const target of ['alice/for-bob', 'alice/for-key']) (await bob.connect(target)).destroy()
  const aborted = AbortSignal.abort(new Error('no time'))
  await t.throwsAsync(bob.connect('alice/for-bob', { signal: aborted }), { message: 'no time' })
  await network.relay.close()
  await failsWith(t, carol.connect('bob/web'), 'ERR_REACH_RELAY_UNREACHABLE')
})

test('both dial each other at once', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob } = await peerOf(t, network, 'bob')
  await Promise.all([alice.listen('echo', echo), bob.listen('echo', echo)])
  const [one, other] = await Promise.all([alice.connect('bob/echo'), bob.connect('alice/echo')])
  one.end('from alice')
  other.end('from bob')
  t.is((await readToEnd(one)).toString(), 'from alice')
  t.is((await readToEnd(other)).toString(), 'from bob')
})

test('many who dial at once share one session', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob } = await peerOf(t, network, 'bob')
  await alice.listen('echo', echo)
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const stream = await bob.connect('alice/echo')
      stream.end(String(index))
      return (await readToEnd(stream)).toString()
    }),
  )
  t.deepEqual(
    answers,
    Array.from({ length: 200 }, (_, index) => String(index)),
  )
  t.is(network.relay.metrics().network?.paths, 1)
})

// Alone: beside the others' keys and handshakes so many take longer than a dial may.
test.serial('many peers that dial one at once leave no warning behind', async (t) => {
  const network = await networkOf(t)
  const { peer: alice, home } = await peerOf(t, network, 'alice')
  await alice.listen('echo', echo)
  const warnings: string[] = []
  const onWarning = ({ name }: Error) => warnings.push(name)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const { home: bobHome } = await joinWith(t, await network.invite('bob'))
  t.not(home, bobHome)
  const bobs = await Promise.all(
    Array.from({ length: 16 }, () => peerOf(t, network, 'bob', { home: bobHome })),
  )
  const words = await Promise.all(
    bobs.map(async ({ peer }) => {
      const stream = await peer.connect('alice/echo')
      stream.end('one of many')
      return (await readToEnd(stream)).toString()
    }),
  )
  t.deepEqual(
    words,
    Array.from({ length: 16 }, () => 'one of many'),
  )
  t.deepEqual(warnings, [])
})

test('the newest registration of a key gets the sessions, and the older one hears of it', async (t) => {
  const network = await networkOf(t)
  const first = await peerOf(t, network, 'alice')
  const { peer: bob } = await peerOf(t, network, 'bob')
  await first.peer.listen('who', (stream) => void stream.end('first'))
  const second = await peerOf(t, network, 'alice', { home: first.home })
  await second.peer.listen('who', (stream) => void stream.end('second'))
  t.is((await readToEnd(await bob.connect('alice/who'))).toString(), 'second')
  t.true(first.events.some(({ kind }) => kind === 'superseded'))
  // What goes late takes nothing with it.
  await first.peer.close()
  const { peer: carol } = await peerOf(t, network, 'carol')
  t.is((await readToEnd(await carol.connect('alice/who'))).toString(), 'second')
})

test('a relay that is restarted finds its peers again, and a transfer goes on', async (t) => {
  const home = join(folderOf(t), 'relay')
  const port = await freePortPair(['127.0.0.1'])
  const network = await networkOf(t, { home }, { listen: [{ host: '127.0.0.1', port }] })
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob, events } = await peerOf(t, network, 'bob')
  await alice.listen('echo', echo)
  const stream = await bob.connect('alice/echo')
  const length = 64 * MIB
  const sent = feed(stream, length)
  const came = digest(stream)
  await sleep(50)
  await network.relay.close()
  await sleep(200)
  t.true(events.some(({ kind }) => kind === 'path-lost'))
  const startMs = performance.now()
  await networkOf(t, { home }, { listen: [{ host: '127.0.0.1', port }] })
  t.deepEqual(await came, { length, hash: await sent })
  t.log(`whole ${Math.round(performance.now() - startMs)} ms after the relay is back`)
  t.is(events.filter(({ kind }) => kind === 'session').length, 1)
})

test('a relay that comes back after the resume time finds the session lost, and the next stream begins another', async (t) => {
  const home = join(folderOf(t), 'relay')
  const port = await freePortPair(['127.0.0.1'])
  const listen = [{ host: '127.0.0.1', port }]
  const network = await networkOf(t, { home }, { listen })
  const link = { resumeTimeMs: 300 }
  const { peer: alice } = await peerOf(t, network, 'alice', { link })
  const { peer: bob, events } = await peerOf(t, network, 'bob', { link })
  await alice.listen('echo', echo)
  const stream = await bob.connect('alice/echo')
  const failed = once(stream, 'error')
  await network.relay.close()
  const [error] = (await failed) as unknown[]
  t.true(ReachError.is(error, 'ERR_REACH_SESSION_LOST'), String(error))
  const ended = events.find(({ kind }) => kind === 'session-ended')
  t.like(ended, { error: { code: 'ERR_REACH_SESSION_LOST' } })
  await networkOf(t, { home }, { listen })
  const next = await connectsAgain(bob, 'alice/echo')
  next.end('again')
  t.is((await readToEnd(next)).toString(), 'again')
  t.is(events.filter(({ kind }) => kind === 'session').length, 2)
})

/** The relay has to be found again first, by both. */
async function connectsAgain(peer: Peer, service: string): Promise<SessionStream> {
  for (let tries = 1; ; tries++) {
    try {
      return await peer.connect(service)
    } catch (error) {
      if (tries > 100 || !ReachError.is(error)) throw error
      await sleep(100)
    }
  }
}

test('clocks that jump, forward beyond every certificate and back before them, end no session', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  let shiftMs = 0
  const real = runtimeAt()
  const watchSoon: Clock['setTimer'] = (ms, callback) =>
    real.clock.setTimer(ms === WATCH_INTERVAL_MS ? 50 : ms, callback)
  const clock = { ...real.clock, wallMs: () => real.clock.wallMs() + shiftMs, setTimer: watchSoon }
  const { peer: bob, events } = await peerOf(t, network, 'bob', { runtime: { ...real, clock } })
  await alice.listen('echo', echo)
  const stream = await bob.connect('alice/echo')
  const echoes = async (text: string) => {
    const came = once(stream, 'data')
    stream.write(text)
    t.is(String((await came)[0]), text)
  }
  for (const days of [0, 3, -3, 0]) {
    shiftMs = days * 86_400_000
    await echoes(`before anybody noticed ${days}`)
    await sleep(200) // some looks at the clock
    await echoes(`after ${days}`)
  }
  t.deepEqual(
    events.filter(({ kind }) => ['path-lost', 'session-ended', 'relay-down'].includes(kind)),
    [],
  )
  stream.end()
  // With the right time, whoever is new is believed again.
  const { peer: carol } = await peerOf(t, network, 'carol')
  await bob.listen('echo', echo)
  const other = await carol.connect('bob/echo')
  other.end('hello')
  t.is((await readToEnd(other)).toString(), 'hello')
})

test('local connections are carried, each direction to its own end', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob } = await peerOf(t, network, 'bob')
  // Answers only when it has seen the end of what came.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    void digest(socket).then(({ hash }) => socket.end(hash))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await exposeTarget(alice, 'hash', parseForwardTarget(String(port)))
  await using forwarding = await forwardTo(bob, 'alice/hash', {
    kind: 'tcp',
    endpoint: { host: '127.0.0.1', port: 0 },
  })
  const results = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const socket = connect({
        port: Number(forwarding.local.split(':')[1]),
        host: '127.0.0.1',
        allowHalfOpen: true,
      })
      const sent = feed(socket, MIB + index, index + 1)
      const answer = (await readToEnd(socket)).toString()
      return { answer, sent: await sent }
    }),
  )
  for (const { answer, sent } of results) t.is(answer, sent)
})

test('a session of somebody who is revoked dies, and there is no other', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await alice.listen('echo', echo)
  const stream = await bob.peer.connect('alice/echo')
  stream.write('still here')
  await once(stream, 'data')
  const died = new Promise((resolve) => stream.once('error', resolve))
  const startMs = performance.now()
  await network.admin.revoke('bob', 'test')
  const end = await bob.peer.closed
  t.true(ReachError.is(end, 'ERR_REACH_TRUST_REVOKED'))
  t.true(ReachError.is(await died, 'ERR_REACH_TRUST_REVOKED'))
  t.log(`gone after ${Math.round(performance.now() - startMs)} ms`)
  t.is(network.relay.metrics().network?.paths, 0)
})

test('datagrams and pings', async (t) => {
  const network = await networkOf(t)
  const came: string[] = []
  const onDatagram: PeerOptions['onDatagram'] = ({ name }, bytes) => {
    came.push(`${name ?? '?'}: ${Buffer.from(bytes).toString()}`)
  }
  const { peer: alice } = await peerOf(t, network, 'alice', { onDatagram })
  const { peer: bob } = await peerOf(t, network, 'bob')
  await alice.listen('any', echo)
  await bob.session('alice').sendDatagram(Buffer.from('hello'))
  const rtts = []
  for await (const { rttMs, path } of bob.session('alice').ping({ count: 3, intervalMs: 10 })) {
    rtts.push(rttMs)
    t.is(path?.kind, 'relay')
  }
  t.is(rtts.length, 3)
  t.deepEqual(came, ['bob: hello'])
})

test('a peer that is closed leaves nothing running, and refuses politely', async (t) => {
  const network = await networkOf(t)
  const { peer: alice } = await peerOf(t, network, 'alice')
  const { peer: bob } = await peerOf(t, network, 'bob')
  await alice.listen('echo', echo)
  const stream = await bob.connect('alice/echo')
  stream.on('error', () => undefined)
  const sent = feed(stream, 2 * MIB)
  t.is((await digest(stream)).hash, await sent)
  await bob.close()
  t.is(await bob.closed, undefined)
  const error = await t.throwsAsync(bob.connect('alice/echo'))
  t.true(ReachError.is(error, 'ERR_REACH_ABORTED'))
  for (let wait = 0; wait < 100 && network.relay.metrics().network?.paths !== 0; wait++) await sleep(10)
  t.like(network.relay.metrics().network, { paths: 0, members: 1 })
})
