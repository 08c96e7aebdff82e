import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ReachError } from '../../lib/base/errors.ts'
import type { ControlStream } from '../../lib/base/relay-dialer.ts'
import type { Clock, Gateway, Runtime } from '../../lib/base/runtime.ts'
import { joinNetwork } from '../../lib/peer/join.ts'
import type { ProxyEnvironment } from '../../lib/net/outward/proxy-environment.ts'
import { Peer } from '../../lib/peer/peer.ts'
import type { PeerEvent } from '../../lib/peer/peer-event.ts'
import type { PeerOptions } from '../../lib/peer/peer-options.ts'
import { WATCH_INTERVAL_MS } from '../../lib/net/network-change-watcher.ts'
import { RelayWays } from '../../lib/ways/relay-ways.ts'
import { IMPROVE_PAUSES_MS } from '../../lib/peer/way-improver.ts'
import type { Middlebox } from '../support/middleboxes.ts'
import {
  connectProxy,
  idleCutter,
  interceptor,
  interceptorCertificate,
  onlyTlsBox,
} from '../support/middleboxes.ts'
import type { TestNetwork } from './network-support.ts'
import { networkOf, runtimeAt } from './network-support.ts'
import { folderOf } from './relay-support/relay.ts'
import { digest, feed } from './session-support/hosts.ts'

const MIB = 1024 * 1024
const ANY_PORT = { host: '127.0.0.1', port: 0 }

/** A network whose relay stands behind something. */
async function behind<Box extends Middlebox>(
  t: ExecutionContext,
  open: (relay: { readonly host: string; readonly port: number }) => Promise<Box>,
  host = '127.0.0.1',
): Promise<{ readonly network: TestNetwork; readonly box: Box }> {
  const relay = { host: '127.0.0.1', port: 0 }
  const box = await open(relay)
  t.teardown(() => box.close())
  const network = await networkOf(t, { publicAddresses: () => [{ host, port: box.port }] })
  relay.port = network.port
  return { network, box }
}

interface Watched {
  readonly home: string
  readonly peer: Peer
  readonly events: PeerEvent[]
  readonly until: <K extends PeerEvent['kind']>(kind: K) => Promise<Extract<PeerEvent, { kind: K }>>
}

async function peerOf(
  t: ExecutionContext,
  home: string,
  options: Partial<PeerOptions> = {},
): Promise<Watched> {
  const events: PeerEvent[] = []
  let tell = (): void => undefined
  const peer = await Peer.open({
    ...{ home, runtime: runtimeAt(), relayOnly: true, ...options },
    onEvent: (event) => {
      events.push(event)
      tell()
    },
  })
  t.teardown(() => peer.close())
  const until: Watched['until'] = async (kind) => {
    for (;;) {
      const found = events.find((event) => event.kind === kind)
      if (found !== undefined) return found as never
      await new Promise<void>((resolve) => (tell = resolve))
    }
  }
  return { home, peer, events, until }
}

/** Sends bytes both ways and compares what came; answers over which way alice’s side sends. */
async function carriesBothWays(
  t: ExecutionContext,
  alice: Watched,
  bob: Watched,
): Promise<string | undefined> {
  await alice.peer.listen('echo', (stream) => void stream.pipe(stream))
  const stream = await bob.peer.connect('alice/echo')
  const back = digest(stream)
  const sent = await feed(stream, 8 * MIB)
  t.deepEqual(await back, { length: 8 * MIB, hash: sent })
  return (await bob.until('path')).path.way
}

/** Two members that join and stay by the ways that there are. */
async function membersOf(
  t: ExecutionContext,
  network: TestNetwork,
  env: ProxyEnvironment = {},
  runtime: Runtime = runtimeAt(),
) {
  const watched: Watched[] = []
  for (const name of ['alice', 'bob']) {
    const home = folderOf(t)
    await joinNetwork({ home, joinString: await network.invite(name), runtime, env })
    watched.push(await peerOf(t, home, { env, runtime }))
  }
  const [alice, bob] = watched
  if (alice === undefined || bob === undefined) throw new Error('two members')
  return { alice, bob }
}

test('with nothing in between, members come and send directly', async (t) => {
  const { alice, bob } = await membersOf(t, await networkOf(t))
  t.is(await carriesBothWays(t, alice, bob), 'direct')
  t.like(await bob.until('relay-up'), { way: 'direct', interceptedBy: undefined })
})

test('where only TLS passes, data go in TLS', async (t) => {
  const { network } = await behind(t, (relay) => onlyTlsBox(ANY_PORT, relay))
  const { alice, bob } = await membersOf(t, network)
  t.is(await carriesBothWays(t, alice, bob), 'tls')
})

test('an interceptor that speaks HTTP only carries WebSockets: it is named, and reads nothing', async (t) => {
  const { network, box } = await behind(t, (relay) => interceptor(ANY_PORT, relay, interceptorCertificate()))
  const { alice, bob } = await membersOf(t, network)
  t.is(await carriesBothWays(t, alice, bob), 'websocket')
  const up = await bob.until('relay-up')
  t.is(up.way, 'websocket')
  t.regex(up.interceptedBy ?? '', /Example Corp TLS Inspection/)
  const seen = box.seen()
  t.regex(seen, /GET \/ws HTTP\/1\.1/)
  // Neither side masks what it sends: the interceptor could read it.
  t.regex(seen, /HTTP\/1\.1 101 /)
  t.notRegex(seen, /welcome|rootSet|denyList|peerId/)
})

test('a proxy with a password carries members; without it the error says what to type', async (t) => {
  const network = await networkOf(t, { publicAddresses: () => [{ host: 'relay.invalid', port: 443 }] })
  const proxy = await namedProxy(t, network, 'user:pass word')
  const env = { HTTPS_PROXY: `http://user:pass%20word@127.0.0.1:${proxy.port}` }
  const { alice, bob } = await membersOf(t, network, env)
  t.is(await carriesBothWays(t, alice, bob), 'connect-proxy')

  const home = folderOf(t)
  const runtime = runtimeAt()
  const open = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` }
  const joining = joinNetwork({ home, joinString: await network.invite('carol'), runtime, env: open })
  const error: unknown = await joining.catch((reason: unknown) => reason)
  if (!ReachError.is(error, 'ERR_REACH_RELAY_UNREACHABLE')) return t.fail(String(error))
  t.regex(error.message, /wants a user name and a password \(407\)/)
  t.regex(error.hint ?? '', /USER:PASSWORD@/)
  t.like(error.details['ways'], [
    { way: 'direct' },
    { way: 'websocket' },
    { way: 'connect-proxy', code: 'HTTP 407' },
    { way: 'connect-proxy+websocket', code: 'HTTP 407' },
  ])
})

test('what worked is tried first by the next process, and a name that can’t be resolved any more does not matter', async (t) => {
  const { network } = await behind(t, (relay) => idleCutter(ANY_PORT, relay, 60_000), 'localhost')
  const { alice, bob } = await membersOf(t, network)
  t.is(await carriesBothWays(t, alice, bob), 'direct')
  const home = folderOf(t)
  const runtime = runtimeAt()
  await joinNetwork({ home, joinString: await network.invite('carol'), runtime })
  const first = await peerOf(t, home)
  await first.until('relay-up')
  await first.peer.close()
  const lookup = () => Promise.resolve({ kind: 'failed' as const, code: 'EAI_AGAIN' })
  const deaf = { ...runtime, resolver: { ...runtime.resolver, lookup, servers: () => [], query: lookup } }
  const again = await peerOf(t, home, { runtime: deaf })
  t.like(await again.until('relay-up'), { way: 'direct' })
})

test('a better way that works by now takes over, and nothing of what is under way is lost', async (t) => {
  const upstream = { host: '127.0.0.1', port: 0 }
  let inspector: Middlebox | undefined
  const { network } = await behind(t, async (relay) => {
    inspector = await interceptor(ANY_PORT, relay, interceptorCertificate())
    t.teardown(() => inspector?.close())
    upstream.port = inspector.port
    return idleCutter(ANY_PORT, upstream, 60_000)
  })
  const { alice, bob } = await membersOf(
    t,
    network,
    {},
    runtimeWith((ms) => (isPause(ms) ? 100 : ms)),
  )
  await alice.peer.listen('sink', (stream) => void digest(stream).then(({ hash }) => stream.end(hash)))
  const stream = await bob.peer.connect('alice/sink')
  const came = read(stream)
  t.is((await bob.until('path')).path.way, 'websocket')
  const sent = createHash('sha256')
  const write = async (length: number) => {
    const bytes = randomBytes(length)
    sent.update(bytes)
    if (!stream.write(bytes)) await once(stream, 'drain')
  }
  await write(4 * MIB)
  upstream.port = network.port // inspection ends; what is open stays
  const isThere = (event: PeerEvent) => event.kind === 'path' && event.path.way === 'direct'
  while (!bob.events.some(isThere)) await write(100_000)
  await write(4 * MIB)
  stream.end()
  t.is(await came, sent.digest('hex'))
  for (const { events, until } of [alice, bob]) {
    t.like(await until('way-improved'), { way: 'direct', interceptedBy: undefined })
    t.deepEqual(
      events.filter(({ kind }) => ['path-lost', 'relay-down', 'superseded'].includes(kind)),
      [],
    )
  }
  t.deepEqual(
    bob.peer.session('alice').currentPaths.map(({ way }) => way),
    ['direct'],
  )
  // Whoever comes now finds alice over her new connection.
  await bob.peer.close()
  await inspector?.close()
  const again = await peerOf(t, bob.home)
  const last = await again.peer.connect('alice/sink')
  last.end()
  t.is(await read(last), createHash('sha256').digest('hex'))
  t.is((await again.until('path')).path.way, 'direct')
})

test('how often to speak, learnt by cuts on one way, is known on another', async (t) => {
  const { port } = await networkOf(t)
  const ways = new RelayWays({ runtime: runtimeAt() })
  t.teardown(() => ways.close())
  const over = async (way: string): Promise<ControlStream> => {
    const open = (stream: ControlStream) =>
      stream.way === way ? Promise.resolve(stream) : Promise.reject(new Error(`not over ${stream.way}`))
    const trial = { open, discard: ({ stream }: ControlStream) => void stream.destroy() }
    const stream = await ways.dial({ host: '127.0.0.1', port }, trial, new AbortController().signal)
    t.teardown(() => stream.stream.destroy())
    return stream
  }
  const direct = await over('direct')
  direct.wasCut(10_000)
  t.is((await over('direct')).keepaliveMs, undefined, 'once may be a coincidence')
  direct.wasCut(10_100)
  t.is((await over('direct')).keepaliveMs, 5000)
  await over('websocket')
  t.is((await over('websocket')).keepaliveMs, 5000)
})

test('another network makes a peer look for a better way at once', async (t) => {
  const upstream = { host: '127.0.0.1', port: 0 }
  const { network } = await behind(t, async (relay) => {
    const inspector = await interceptor(ANY_PORT, relay, interceptorCertificate())
    t.teardown(() => inspector.close())
    upstream.port = inspector.port
    return idleCutter(ANY_PORT, upstream, 60_000)
  })
  // It never looks by itself, and notices soon where it is.
  const runtime = runtimeWith((ms) => (isPause(ms) ? 1_000_000 : ms === WATCH_INTERVAL_MS ? 50 : ms))
  let gateways: readonly Gateway[] = []
  const moving = { ...runtime.network, defaultGateways: () => Promise.resolve(gateways) }
  const home = folderOf(t)
  await joinNetwork({ home, joinString: await network.invite('alice'), runtime })
  const alice = await peerOf(t, home, { runtime: { ...runtime, network: moving } })
  t.is((await alice.until('relay-up')).way, 'websocket')
  upstream.port = network.port
  gateways = [{ ip: '192.0.2.1', interfaceName: 'eth0', family: 'ipv4', metric: 0 }]
  t.is((await alice.until('way-improved')).way, 'direct')
})

/** Real, but for how long its timers take. */
function runtimeWith(takes: (ms: number) => number): Runtime {
  const runtime = runtimeAt()
  const { clock } = runtime
  const setTimer: Clock['setTimer'] = (ms, callback) => clock.setTimer(takes(ms), callback)
  return { ...runtime, clock: { ...clock, setTimer } }
}

function isPause(ms: number): boolean {
  const pauses: readonly number[] = IMPROVE_PAUSES_MS
  return pauses.includes(ms)
}

/** All that comes, as text. */
async function read(stream: Readable): Promise<string> {
  let text = ''
  stream.on('data', (chunk: Uint8Array) => (text += Buffer.from(chunk).toString('latin1')))
  await once(stream, 'end')
  return text
}

/** A proxy that alone knows where `relay.invalid` is. */
async function namedProxy(t: ExecutionContext, { port }: TestNetwork, login: string): Promise<Middlebox> {
  const box = await connectProxy(ANY_PORT, login, () => ({ host: '127.0.0.1', port }))
  t.teardown(() => box.close())
  return box
}
