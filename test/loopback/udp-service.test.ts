import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ReachError } from '../../lib/base/errors.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { exposeTarget, forwardTo } from '../../lib/peer/forward.ts'
import { parseForwardTarget } from '../../lib/peer/forward-target.ts'
import { forwardUdp } from '../../lib/peer/forward-udp.ts'
import type { ForwardEvent } from '../../lib/peer/forwarding.ts'
import { Peer } from '../../lib/peer/peer.ts'
import type { DatagramFlow } from '../../lib/session/datagram-flow.ts'
import type { TestNetwork } from './network-support.ts'
import { joinWith, networkOf } from './network-support.ts'
import { deferred, pattern, sha256 } from './session-support/hosts.ts'
import { failsWith } from '../support/fails-with.ts'

/* Datagrams between members over a real relay, to real UDP sockets on the loopback address. */

interface Members {
  readonly network: TestNetwork
  readonly alice: Peer
  readonly bob: Peer
}

async function peerOf(
  t: ExecutionContext,
  network: TestNetwork,
  name: string,
  runtime = nodeRuntime(),
): Promise<Peer> {
  const { home } = await joinWith(t, await network.invite(name))
  const peer = await Peer.open({ home, relayOnly: true, runtime })
  t.teardown(() => peer.close())
  return peer
}

async function membersOf(t: ExecutionContext): Promise<Members> {
  const network = await networkOf(t)
  return { network, alice: await peerOf(t, network, 'alice'), bob: await peerOf(t, network, 'bob') }
}

/** A bound UDP socket of the test. */
async function udpSocket(t: ExecutionContext, port = 0): Promise<Socket> {
  const socket = createSocket('udp4')
  t.teardown(() => new Promise<void>((resolve) => socket.close(() => resolve())).catch(() => undefined))
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  socket.setRecvBufferSize(1 << 20)
  return socket
}

/** Gives back what it gets, to whom it came from. */
async function udpEcho(t: ExecutionContext): Promise<{ readonly port: number; readonly froms: Set<number> }> {
  const socket = await udpSocket(t)
  const froms = new Set<number>()
  socket.on('message', (bytes, from) => {
    froms.add(from.port)
    socket.send(bytes, from.port, from.address)
  })
  return { port: socket.address().port, froms }
}

function portOf(local: string): number {
  return Number(local.split(':').at(-1))
}

/** Sends until it is answered with the same: over loopback, too, a datagram may be lost. */
async function answered(socket: Socket, port: number, bytes: Uint8Array): Promise<Buffer> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const answer = new Promise<Buffer | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), 1000)
      socket.once('message', (message: Buffer) => {
        clearTimeout(timer)
        resolve(message)
      })
    })
    socket.send(bytes, port, '127.0.0.1')
    const message = await answer
    socket.removeAllListeners('message')
    if (message?.equals(bytes) === true) return message
  }
  throw new Error('no answer')
}

const echo = (flow: DatagramFlow) => {
  flow.onMessage = (bytes) => flow.send(bytes)
}

test('datagrams of every length come back whole over the relay', async (t) => {
  const { alice, bob, network } = await membersOf(t)
  await alice.listenDatagrams('echo', echo)
  await using flow = await bob.connectDatagrams('alice/echo')
  for (const length of [0, 1, 1200, 1472, 9000, 65_507]) {
    const bytes = pattern(length, length + 1)
    flow.send(bytes)
    const came = await new Promise<Uint8Array>((resolve) => {
      flow.onMessage = resolve
    })
    t.is(came.length, length)
    t.is(sha256(came), sha256(bytes))
  }
  t.throws(() => flow.send(new Uint8Array(65_508)), { instanceOf: RangeError })
  t.is(flow.droppedDatagrams, 0)
  t.like(bob.session('alice').currentPaths[0], { kind: 'relay', via: `127.0.0.1:${network.port}` })
})

test('who iterates gets each datagram with its boundaries, until the other side closes', async (t) => {
  const { alice, bob } = await membersOf(t)
  await alice.listenDatagrams('count', async (flow, from) => {
    for (let number = 1; number <= 100; number++) flow.send(Buffer.from(`${from.name} ${number}`))
    await flow.close()
  })
  const flow = await bob.connectDatagrams('alice/count')
  const came: string[] = []
  for await (const bytes of flow) came.push(Buffer.from(bytes).toString())
  t.deepEqual(
    came,
    Array.from({ length: 100 }, (_, at) => `bob ${at + 1}`),
  )
  t.is(await flow.closed, undefined)
  flow.send(Buffer.from('late'))
  t.is(flow.droppedDatagrams, 1)
})

test('a burst of 10,000 costs little memory, and the newest arrive', async (t) => {
  const { alice, bob } = await membersOf(t)
  const numbers: number[] = []
  const last = deferred<undefined>()
  await alice.listenDatagrams('sink', (flow) => {
    flow.onMessage = (bytes) => {
      t.is(bytes.length, 1200)
      const number = Buffer.from(bytes).readUInt32BE()
      numbers.push(number)
      if (number === 9999) last.resolve(undefined)
    }
  })
  await using flow = await bob.connectDatagrams('alice/sink')
  const session = await bob.sessionWith('alice')
  for (let number = 0; number < 10_000; number++) {
    const bytes = Buffer.alloc(1200)
    bytes.writeUInt32BE(number)
    flow.send(bytes)
  }
  await Promise.resolve()
  t.true(session.memory.unacknowledged < 200_000, `${session.memory.unacknowledged} bytes`)
  await last.promise
  t.is(numbers.length + flow.droppedDatagrams, 10_000)
  t.true(numbers.length < 400, `${numbers.length} arrived`)
  t.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
  )
})

test('flows and streams are refused for each other, and for those who may not', async (t) => {
  const { alice, bob, network } = await membersOf(t)
  const carol = await peerOf(t, network, 'carol')
  await alice.listenDatagrams('game', echo, { allow: ['bob'] })
  await alice.listen('web', (stream) => stream.end())
  await failsWith(t, bob.connect('alice/game'), 'ERR_REACH_STREAM_REFUSED', /another transport/)
  await failsWith(t, bob.connectDatagrams('alice/web'), 'ERR_REACH_STREAM_REFUSED', /another transport/)
  await failsWith(t, carol.connectDatagrams('alice/game'), 'ERR_REACH_STREAM_REFUSED', /does not let us/)
  await failsWith(t, carol.connect('alice/game'), 'ERR_REACH_STREAM_REFUSED', /does not let us/)
  await failsWith(t, bob.connectDatagrams('alice/none'), 'ERR_REACH_STREAM_REFUSED', /no service none/)
  await failsWith(
    t,
    alice.listenDatagrams('game', echo),
    'ERR_REACH_SERVICE_IN_USE',
    /exposes a service game/,
  )
  const aborted = AbortSignal.abort(new Error('no time'))
  await t.throwsAsync(bob.connectDatagrams('alice/game', { signal: aborted }), { message: 'no time' })
  await t.throwsAsync(bob.connectDatagrams('alice/game', { idleMs: 0 }), { instanceOf: RangeError })
})

// Alone: beside the others' keys and handshakes a busy flow can be held up for longer than it may be silent.
test.serial('a silent flow ends on both sides, a busy one does not', async (t) => {
  const { alice, bob } = await membersOf(t)
  const served: DatagramFlow[] = []
  await alice.listenDatagrams(
    'echo',
    (flow) => {
      served.push(flow)
      echo(flow)
    },
    { idleMs: 1500 },
  )
  const silent = await bob.connectDatagrams('alice/echo')
  await using busy = await bob.connectDatagrams('alice/echo')
  let echoes = 0
  busy.onMessage = () => echoes++
  const timer = setInterval(() => busy.send(Buffer.from('x')), 50)
  t.teardown(() => clearInterval(timer))
  t.is(await silent.closed, undefined)
  t.is(await served[0]?.closed, undefined)
  t.true(busy.isOpen)
  t.true(echoes > 0)
  clearInterval(timer)
  t.is(await busy.closed, undefined)
})

test('when there are too many flows, the longest silent of who has most of them ends', async (t) => {
  const { alice, bob, network } = await membersOf(t)
  const carol = await peerOf(t, network, 'carol')
  await alice.listenDatagrams('echo', echo, { maxFlows: 3 })
  const hers = await carol.connectDatagrams('alice/echo')
  const first = await bob.connectDatagrams('alice/echo')
  const second = await bob.connectDatagrams('alice/echo')
  first.send(Buffer.from('busy'))
  await new Promise((resolve) => (first.onMessage = resolve))
  const third = await bob.connectDatagrams('alice/echo')
  t.is(await second.closed, undefined)
  for (const flow of [hers, first, third]) {
    flow.send(Buffer.from('still there'))
    await new Promise((resolve) => (flow.onMessage = resolve))
    t.true(flow.isOpen)
  }
})

test('a flow whose frames make no sense is reset, and the session goes on', async (t) => {
  const { alice, bob } = await membersOf(t)
  const came: number[] = []
  const ended = deferred<ReachError | undefined>()
  await alice.listenDatagrams('sink', (flow) => {
    flow.onMessage = (bytes) => came.push(bytes.length)
    void flow.closed.then(ended.resolve)
  })
  const flow = await bob.connectDatagrams('alice/sink')
  flow.stream.write(Buffer.from([0, 2, 7, 7, 0xff, 0xf0, 1]))
  const error = await ended.promise
  t.is(error?.code, 'ERR_REACH_DECODE')
  t.is((await flow.closed)?.details['reason'], 'malformed')
  t.deepEqual(came, [2])
  await using other = await bob.connectDatagrams('alice/sink')
  t.true(other.isOpen)
})

test('a UDP port of one is a UDP port of the other, with a flow for each sender', async (t) => {
  const { alice, bob } = await membersOf(t)
  const target = await udpEcho(t)
  const events: ForwardEvent[] = []
  await exposeTarget(alice, 'echo', parseForwardTarget(`udp:${target.port}`))
  const listen = { kind: 'udp', endpoint: { host: '127.0.0.1', port: 0 } } as const
  const forwarding = await forwardTo(bob, 'alice/echo', listen, { onEvent: (event) => events.push(event) })
  t.regex(forwarding.local, /^127\.0\.0\.1:[0-9]+$/)
  const port = portOf(forwarding.local)
  const senders = await Promise.all(Array.from({ length: 50 }, () => udpSocket(t)))
  await Promise.all(senders.map((socket, at) => answered(socket, port, pattern(100 + at, at))))
  t.is(target.froms.size, 50)
  const [first] = senders
  if (first === undefined) throw new Error('no sender')
  for (const length of [0, 1, 1472, 9000, 65_507]) await answered(first, port, pattern(length, length))
  t.is(target.froms.size, 50)
  await forwarding.close()
  t.is(events.filter(({ kind }) => kind === 'flow-closed').length, 50)
  const carried = events.flatMap((event) => (event.kind === 'flow-closed' ? [event.datagramsIn] : []))
  t.is(Math.max(...carried) >= 6, true)
})

test('a program that is away ends no flow, and is told of once; it is reached when it comes', async (t) => {
  const { alice, bob } = await membersOf(t)
  const away = await udpSocket(t)
  const { port } = away.address()
  await new Promise<void>((resolve) => away.close(() => resolve()))
  const events: ForwardEvent[] = []
  const told = deferred<ForwardEvent>()
  await exposeTarget(alice, 'game', parseForwardTarget(`udp:${port}`), {
    onEvent: (event) => {
      events.push(event)
      told.resolve(event)
    },
  })
  await using forwarding = await forwardUdp(bob, 'alice/game', { host: '127.0.0.1', port: 0 })
  const sender = await udpSocket(t)
  const local = portOf(forwarding.local)
  const timer = setInterval(() => sender.send('hello?', local, '127.0.0.1'), 20)
  t.teardown(() => clearInterval(timer))
  const event = await told.promise
  t.is(event.kind === 'failed' && event.error.code, 'ERR_REACH_SOCKET')
  t.truthy(event.kind === 'failed' && event.error.hint)
  const back = await udpSocket(t, port)
  back.on('message', (bytes, from) => back.send(bytes, from.port, from.address))
  const [answer] = (await once(sender, 'message')) as [Buffer]
  t.is(answer.toString(), 'hello?')
  t.is(events.length, 1)
  clearInterval(timer)
  await forwarding.close()
  while (events.length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  const [, closed] = events
  t.true(closed?.kind === 'flow-closed' && closed.refused > 0 && closed.datagramsOut > 0)
})

test('what is no target is refused when it is exposed; what is not served, when something is sent', async (t) => {
  const { alice, bob, network } = await membersOf(t)
  const runtime = nodeRuntime()
  const nobody = () => Promise.resolve({ kind: 'not-found', code: 'ENOTFOUND' } as const)
  const resolver = { lookup: nobody, query: nobody, servers: () => [] }
  const carol = await peerOf(t, network, 'carol', { ...runtime, resolver })
  await failsWith(
    t,
    exposeTarget(carol, 'x', parseForwardTarget('udp:no-such-host.invalid:53')),
    'ERR_REACH_HOST_NOT_FOUND',
    /no-such-host\.invalid/,
  )
  await alice.listen('web', (stream) => stream.end())
  const told = deferred<ForwardEvent>()
  const onEvent = (event: ForwardEvent) => told.resolve(event)
  await using forwarding = await forwardUdp(bob, 'alice/web', { host: '127.0.0.1', port: 0 }, { onEvent })
  const sender = await udpSocket(t)
  sender.send('hello', portOf(forwarding.local), '127.0.0.1')
  const event = await told.promise
  t.is(event.kind === 'failed' && event.error.code, 'ERR_REACH_STREAM_REFUSED')
  t.regex(event.kind === 'failed' ? (event.error.hint ?? '') : '', /--udp on both sides/)
})
