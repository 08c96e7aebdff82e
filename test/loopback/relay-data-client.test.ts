import { getEventListeners } from 'node:events'
import test from 'ava'
import { parseEndpoint } from '../../lib/base/endpoint.ts'
import type { ErrorCode } from '../../lib/base/errors.ts'
import { ReachError } from '../../lib/base/errors.ts'
import type { Runtime, TcpSocket } from '../../lib/base/runtime.ts'
import { plainStream } from '../../lib/net/direct-dialer.ts'
import type { ControlChannel } from '../../lib/protocol/relay/control-channel.ts'
import { RelayClient } from '../../lib/relay/relay-client.ts'
import type { Incoming } from '../../lib/relay/relay-client.ts'
import { networkOf, runtimeAt } from './network-support.ts'
import type { TestNetwork } from './network-support.ts'
import {
  connectionOf,
  dataOf,
  listenWith,
  nextIncoming,
  peerOf,
  until,
} from './relay-data-support/members.ts'
import type { TestPeer } from './relay-data-support/members.ts'

/* The client of a relay: what leaves when, and what is left after an abort at any stage. */

/** A client on a peer's connection that notes what it does, and holds dials back until told. */
function watched({ control }: TestPeer): {
  readonly client: RelayClient
  readonly log: string[]
  readonly sockets: TcpSocket[]
  letDialsThrough: () => void
} {
  const log: string[] = []
  const sockets: TcpSocket[] = []
  const runtime = runtimeAt()
  let letDialsThrough: () => void = () => undefined
  const gate = new Promise<void>((resolve) => (letDialsThrough = resolve))
  const network: Runtime['network'] = {
    ...runtime.network,
    setsDontFragment: runtime.network.setsDontFragment,
    connectTcp: async (to, options) => {
      log.push('leg SYN')
      await Promise.race([gate, firing(options?.signal)])
      const socket = await runtime.network.connectTcp(to, options)
      sockets.push(socket)
      return socket
    },
  }
  const channel: ControlChannel = {
    closed: control.closed,
    via: {
      remote: control.via.remote,
      openLeg: async (dialSignal) => {
        if (control.via.remote === undefined) throw new Error('no address')
        return plainStream(await network.connectTcp(control.via.remote, { signal: dialSignal }), 'direct')
      },
    },
    seenAs: control.seenAs,
    stunPorts: control.stunPorts,
    nextId: () => control.nextId(),
    watch: (listener) => control.watch(listener),
    ask: async (request, types, signal) => {
      log.push(`ask ${String(request['type'])}`)
      const reply = await control.ask(request, types, signal)
      log.push(`answer ${reply.type}`)
      return reply
    },
  }
  const relay = parseEndpoint('127.0.0.1:1')
  const client = new RelayClient({ channel, runtime: { ...runtime, network }, relay })
  return { client, log, sockets, letDialsThrough: () => letDialsThrough() }
}

test('the request and the leg leave together, before any answer: one round trip to the other side, one for go', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await listenWith(t, bob, (socket) => socket.end())
  const { client, log, letDialsThrough } = watched(alice)
  const dialling = client.dial('bob')
  // In the very turn of the call, before anything could have come back.
  t.deepEqual(log, ['ask open', 'leg SYN'])
  // The other side is told without the leg: it dials while our SYN is still on its way.
  await until(() => log.includes('answer opening') && dataOf(network).counters.waitingLegs === 1)
  letDialsThrough()
  const { stream: socket } = (await dialling).leg
  socket.destroy()
  t.deepEqual(log, ['ask open', 'leg SYN', 'answer opening'])
})

test('a leg that is there before its request is answered needs no second round trip either', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await listenWith(t, bob, (socket) => socket.end())
  const { client, log, letDialsThrough, sockets } = watched(alice)
  letDialsThrough()
  const { stream: socket } = (await client.dial('bob')).leg
  socket.destroy()
  t.deepEqual([log.length, sockets.length], [3, 1])
})

test('nothing but the other side’s bytes comes out of a socket, those behind go in the same packet included', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await listenWith(t, bob, (socket) => socket.end('at once'))
  for (let turn = 0; turn < 20; turn++) {
    const { stream: socket } = (await alice.client.dial('bob')).leg
    t.true(socket.allowHalfOpen)
    await new Promise((resolve) => setTimeout(resolve, turn % 3)) // bytes wait in the socket meanwhile
    t.is(Buffer.concat(await socket.toArray()).toString(), 'at once')
    socket.destroy()
  }
})

type Stage = 'before the call' | 'at once' | 'while the leg dials' | 'while the other side is awaited'
const REASON = new Error('changed my mind')

for (const stage of [
  'before the call',
  'at once',
  'while the leg dials',
  'while the other side is awaited',
] as const) {
  test(`a dial that is aborted ${stage} rejects with the reason and leaves nothing`, async (t) => {
    // The relay would wait for longer than the test may take.
    const network = await networkOf(t, { dataLimits: { timeoutMs: 60_000 } })
    const alice = await peerOf(t, network, 'alice')
    const bob = await peerOf(t, network, 'bob')
    const incoming = nextIncoming(bob)
    await bob.client.register()
    const { client, log, sockets, letDialsThrough } = watched(alice)
    const abort = new AbortController()
    if (stage === 'before the call') abort.abort(REASON)
    const dialling = client.dial('bob', abort.signal)
    dialling.catch(() => undefined)
    await reach(stage, { log, letDialsThrough, network })
    abort.abort(REASON)
    t.is(await dialling.catch((error: unknown) => error), REASON)
    letDialsThrough()
    if (stage === 'before the call') t.deepEqual(log, [])
    else t.true(await isGivenUp(await incoming))
    await until(
      () => dataOf(network).counters.waitingLegs === 0 && sockets.every(({ destroyed }) => destroyed),
    )
    t.is(getEventListeners(abort.signal, 'abort').length, 0)
    // The connection is as good as before.
    await listenWith(t, bob, (socket) => socket.end())
    const next = new AbortController()
    const { stream: socket } = (await client.dial('bob', next.signal)).leg
    socket.destroy()
    t.is(getEventListeners(next.signal, 'abort').length, 0)
  })
}

/** Whoever was dialled is told: by the relay, or by the other leg that came and has ended. */
async function isGivenUp(incoming: Incoming): Promise<boolean> {
  try {
    const { stream } = await incoming.accept()
    return (await stream.end().toArray()).length === 0
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_PEER_OFFLINE')) return true
    throw error
  }
}

function firing(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
}

async function reach(
  stage: Stage,
  at: { readonly log: readonly string[]; letDialsThrough: () => void; readonly network: TestNetwork },
): Promise<void> {
  if (stage === 'while the leg dials') await until(() => at.log.includes('answer opening'))
  if (stage !== 'while the other side is awaited') return
  at.letDialsThrough()
  await until(() => at.log.includes('answer opening') && dataOf(at.network).counters.waitingLegs === 1)
}

test('an accept that is aborted rejects with the reason, and the dialling side is told at once', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const incoming = nextIncoming(bob)
  await bob.client.register()
  const dialling = alice.client.dial('bob')
  dialling.catch(() => undefined)
  const offered = await incoming
  t.is(await offered.accept(AbortSignal.abort(REASON)).catch((error: unknown) => error), REASON)
  // Having changed its mind again, it may still bring the leg: the ticket was not used.
  const theirs = await offered.accept()
  const { stream: socket } = (await dialling).leg
  for (const end of [socket, theirs.stream]) end.destroy()
})

test('many requests run at once on one connection, and each answer finds its own', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  const carol = await connectionOf(t, alice.membership)
  await listenWith(t, bob, (socket) => socket.end('bob'))
  await listenWith(t, carol, (socket) => socket.end('alice'))
  const results = await Promise.all(
    Array.from({ length: 60 }, async (_, at) => {
      if (at % 3 === 2) return codeOf(alice.client.dial(`nobody-${at}`))
      const { leg, name } = await alice.client.dial(at % 3 === 0 ? 'bob' : 'alice')
      const said = Buffer.concat(await leg.stream.end().toArray()).toString()
      return said === name ? said : `${said} for ${name ?? ''}`
    }),
  )
  const expected = ['bob', 'alice', 'ERR_REACH_PEER_UNKNOWN']
  t.deepEqual(
    results,
    results.map((_, at) => expected[at % 3]),
  )
})

test('an aborted signal rejects a request at once, and what nobody asked for reaches every listener', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  t.is(await alice.client.peers(AbortSignal.abort(REASON)).catch((error: unknown) => error), REASON)
  const heard: string[] = []
  alice.control.watch(({ type }) => heard.push(`first ${type}`))
  const unwatch = alice.control.watch(({ type }) => heard.push(`second ${type}`))
  await alice.client.register()
  const young = await connectionOf(t, alice.membership)
  await young.client.register()
  await until(() => heard.length === 2)
  t.deepEqual(heard, ['first superseded', 'second superseded'])
  unwatch()
})

test('a relay whose port for data is closed: a code, a hint and the cause', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await bob.client.register()
  const { control } = alice
  const channel: ControlChannel = {
    ...{ closed: control.closed, seenAs: control.seenAs, stunPorts: control.stunPorts },
    nextId: () => control.nextId(),
    watch: (listener) => control.watch(listener),
    ask: (request, types, signal) => control.ask(request, types, signal),
    via: { remote: undefined, openLeg: () => Promise.reject(new ReachError('ERR_REACH_SOCKET', 'refused')) },
  }
  const relay = parseEndpoint('relay.example:443')
  const client = new RelayClient({ channel, runtime: runtimeAt(), relay })
  const error = await client.dial('bob').catch((thrown: unknown) => thrown)
  if (!ReachError.is(error, 'ERR_REACH_RELAY_UNREACHABLE')) return t.fail(String(error))
  t.true(ReachError.is(error.cause, 'ERR_REACH_SOCKET'))
  t.truthy(error.hint)
  t.is(error.details['relay'], 'relay.example:443')
})

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return ReachError.is(error) ? error.code : 'none'
  }
}
