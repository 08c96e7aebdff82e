import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { parseEndpoint } from '../../lib/base/endpoint.ts'
import { ReachError } from '../../lib/base/errors.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Runtime } from '../../lib/base/runtime.ts'
import type { ControlClient } from '../../lib/membership/control-client.ts'
import type { Membership } from '../../lib/membership/membership.ts'
import { LEG_STATUS, encodeLegHead } from '../../lib/protocol/relay/data-leg.ts'
import type { Incoming } from '../../lib/relay/relay-client.ts'
import { RelayClient } from '../../lib/relay/relay-client.ts'
import type { TestNetwork } from './network-support.ts'
import { memberOf, networkOf, runtimeAt } from './network-support.ts'
import { deferred, digest, feed, pattern } from './session-support/hosts.ts'

/* The relay's data plane, below TLS: what members and strangers can do to it with bytes alone. */

const MIB = 1024 * 1024

interface TestClient {
  readonly client: RelayClient
  readonly control: ControlClient
  readonly peerId: PeerId
}

async function clientOf(
  t: ExecutionContext,
  network: TestNetwork,
  member: Membership | string,
  runtime: Runtime = runtimeAt(),
): Promise<TestClient> {
  const membership = typeof member === 'string' ? await memberOf(t, network, member) : member
  const relay = `127.0.0.1:${network.port}`
  const { client: control } = await membership.connectTo(relay)
  t.teardown(() => control.close())
  const client = new RelayClient({ channel: control, runtime, relay: parseEndpoint(relay) })
  return { client, control, peerId: membership.peerId }
}

/** Two members; what bob is offered is accepted. Answers both ends of one path. */
async function aPath(t: ExecutionContext, network: TestNetwork) {
  const alice = await clientOf(t, network, 'alice')
  const bob = await clientOf(t, network, 'bob')
  const accepted = deferred<Awaited<ReturnType<Incoming['accept']>>>()
  bob.client.onIncoming = (incoming) => void incoming.accept().then(accepted.resolve)
  await bob.client.register()
  const dialled = await alice.client.dial('bob')
  const there = await accepted.promise
  t.teardown(() => [dialled.socket, there].map((socket) => socket.destroy()))
  return { alice, bob, here: dialled.socket, there, dialled }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return ReachError.is(error) ? error.code : String(error)
}

/** A connection that sends these bytes; answers all that comes until it is closed. */
function rawLeg(
  t: ExecutionContext,
  port: number,
  bytes: Uint8Array,
): { readonly socket: Socket; readonly came: Promise<Buffer> } {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  const chunks: Buffer[] = []
  const came = new Promise<Buffer>((resolve) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('end', () => socket.end())
    socket.once('close', () => resolve(Buffer.concat(chunks)))
  })
  socket.write(bytes)
  return { socket, came }
}

async function until(condition: () => boolean): Promise<void> {
  for (let wait = 0; wait < 500 && !condition(); wait++) await sleep(10)
}

test('a path carries bytes both ways, and each direction ends by itself', async (t) => {
  const network = await networkOf(t)
  const { here, there, dialled, bob } = await aPath(t, network)
  t.is(dialled.peerId, bob.peerId)
  t.is(dialled.name, 'bob')
  const toBob = feed(here, 32 * MIB, 1)
  const atBob = await digest(there)
  t.deepEqual(atBob, { length: 32 * MIB, hash: await toBob })
  // Bob answers after the end of what came.
  const toAlice = feed(there, 16 * MIB, 2)
  t.deepEqual(await digest(here), { length: 16 * MIB, hash: await toAlice })
  await until(() => network.relay.metrics().network?.paths === 0)
  t.like(network.relay.metrics().network, { paths: 0, pathsTotal: 1, bytesTotal: 48 * MIB, waitingLegs: 0 })
})

test('the request and the data leg leave together, and a path takes two round trips', async (t) => {
  const network = await networkOf(t)
  const bob = await clientOf(t, network, 'bob')
  bob.client.onIncoming = (incoming) => void incoming.accept().then((socket) => socket.end())
  await bob.client.register()
  // A network on which the relay answers nothing until both have left.
  const log: string[] = []
  const real = runtimeAt()
  const runtime: Runtime = {
    ...real,
    network: {
      ...real.network,
      connectTcp: async (to, options) => {
        log.push('leg dialled')
        const socket = await real.network.connectTcp(to, options)
        log.push('leg connected')
        return socket
      },
    },
  }
  const alice = await clientOf(t, network, 'alice', runtime)
  const { control } = alice
  const ask = control.ask.bind(control)
  control.ask = async (request, types, signal) => {
    log.push(`asked ${String(request['type'])}`)
    const reply = await ask(request, types, signal)
    log.push(`answered ${reply.type}`)
    return reply
  }
  const { socket } = await alice.client.dial('bob')
  socket.destroy()
  t.deepEqual(log.slice(0, 2).sort(), ['asked open', 'leg dialled'])
  t.true(log.indexOf('leg dialled') < log.indexOf('answered opening'))
  t.is(log.filter((line) => line.startsWith('asked')).length, 1)
})

test('who can’t be reached is said, and only that request fails', async (t) => {
  const network = await networkOf(t)
  const alice = await clientOf(t, network, 'alice')
  const bob = await memberOf(t, network, 'bob')
  t.is(await codeOf(alice.client.dial('nobody')), 'ERR_REACH_PEER_UNKNOWN')
  t.is(await codeOf(alice.client.dial('bob')), 'ERR_REACH_PEER_OFFLINE')
  t.is(await codeOf(alice.client.dial(bob.peerId)), 'ERR_REACH_PEER_OFFLINE')
  const mixed = await Promise.all(['bob', 'nobody', 'bob'].map((name) => codeOf(alice.client.dial(name))))
  t.deepEqual(mixed, ['ERR_REACH_PEER_OFFLINE', 'ERR_REACH_PEER_UNKNOWN', 'ERR_REACH_PEER_OFFLINE'])
  await until(() => network.relay.metrics().network?.waitingLegs === 0)
  t.like(network.relay.metrics().network, { waitingLegs: 0, refusedTotal: 6 })
  t.is((await alice.client.peers()).length, 0)
})

test('a dial that is given up leaves nothing behind, at whatever moment', async (t) => {
  const network = await networkOf(t)
  const alice = await clientOf(t, network, 'alice')
  const bob = await clientOf(t, network, 'bob')
  bob.client.onIncoming = () => undefined // never comes
  await bob.client.register()
  for (const afterMs of [0, 1, 5, 20, 60]) {
    const abort = new AbortController()
    const dial = alice.client.dial('bob', abort.signal)
    if (afterMs === 0) abort.abort(new Error('given up'))
    else setTimeout(() => abort.abort(new Error('given up')), afterMs)
    await t.throwsAsync(dial, { message: 'given up' })
  }
  await until(() => network.relay.metrics().network?.waitingLegs === 0)
  t.like(network.relay.metrics().network, { waitingLegs: 0, paths: 0 })
})

test('a listener that dies before it comes is said to be away', async (t) => {
  const network = await networkOf(t)
  const alice = await clientOf(t, network, 'alice')
  const bob = await clientOf(t, network, 'bob')
  // It brings its leg and dies in the same moment.
  bob.client.onIncoming = (incoming) => {
    void incoming.accept(AbortSignal.timeout(1)).catch(() => undefined)
    bob.control.close()
  }
  await bob.client.register()
  const startMs = performance.now()
  const code = await codeOf(alice.client.dial('bob'))
  t.true(['ERR_REACH_PEER_OFFLINE', 'ERR_REACH_RELAY_UNREACHABLE'].includes(code), code)
  t.true(performance.now() - startMs < 14_000)
})

test('the relay goes while a path is being made', async (t) => {
  const network = await networkOf(t)
  const alice = await clientOf(t, network, 'alice')
  const bob = await clientOf(t, network, 'bob')
  bob.client.onIncoming = () => void network.relay.close()
  await bob.client.register()
  t.is(await codeOf(alice.client.dial('bob')), 'ERR_REACH_RELAY_UNREACHABLE')
})

test('a ticket is good for once, and nobody guesses one', async (t) => {
  const network = await networkOf(t)
  const unknown = rawLeg(t, network.port, encodeLegHead(randomBytes(32)))
  const { here, there } = await aPath(t, network)
  here.write('mine')
  const [chunk] = await new Promise<Buffer[]>((resolve) =>
    there.once('data', (bytes: Buffer) => resolve([bytes])),
  )
  t.is(chunk?.toString(), 'mine')
  t.is((await unknown.came)[0], LEG_STATUS['ticket-unknown'])
})

test('garbage and slow heads are cut, whatever they begin with', async (t) => {
  const network = await networkOf(t)
  const heads = [
    Buffer.of(0xd2),
    Buffer.of(0xd2, 0x70, 0x32, 0x02, ...randomBytes(32)),
    Buffer.of(0xd2, 0x71),
    randomBytes(2000),
    Buffer.concat([Buffer.of(0xd2), randomBytes(5000)]),
    Buffer.alloc(100, 0xff),
  ]
  const legs = heads.map((head) => rawLeg(t, network.port, head))
  legs[0]?.socket.end()
  const answers = await Promise.all(legs.slice(0, 5).map(({ came }) => came))
  t.is(answers[1]?.length, 0)
  t.is(answers[2]?.length, 0)
  // One byte at a time is slow, and all right as long as it is done in time.
  const slow = rawLeg(t, network.port, Buffer.alloc(0))
  for (const byte of encodeLegHead(randomBytes(32))) {
    slow.socket.write(Buffer.of(byte))
    await sleep(2)
  }
  await until(() => network.relay.metrics().network?.waitingLegs === 1)
  t.is(network.relay.metrics().network?.waitingLegs, 1)
  // Whoever speaks before it may is cut, and so is who ends.
  slow.socket.write('too early')
  t.is((await slow.came).length, 0)
  t.is(network.relay.metrics().network?.waitingLegs, 0)
})

test('legs that wait are rationed for each source', async (t) => {
  const network = await networkOf(t)
  const legs = Array.from({ length: 300 }, () => rawLeg(t, network.port, encodeLegHead(randomBytes(32))))
  await until(() => (network.relay.metrics().network?.waitingLegs ?? 0) >= 256)
  const firsts = await Promise.race([
    Promise.all(legs.slice(256).map(({ came }) => came)),
    sleep(3000).then(() => []),
  ])
  t.true(firsts.every((came) => came[0] === LEG_STATUS.busy) && firsts.length > 0)
  t.is(network.relay.metrics().network?.waitingLegs, 256)
})

test('a reader that stops costs its sender only, and the relay little memory', async (t) => {
  const network = await networkOf(t)
  const { here, there } = await aPath(t, network)
  there.pause()
  let taken = 0
  const block = pattern(256 * 1024)
  const writeOn = () => {
    while (taken < 256 * MIB && here.write(block)) taken += block.length
  }
  here.on('drain', writeOn)
  writeOn()
  await sleep(500)
  const stoppedAt = taken
  await sleep(300)
  t.is(taken, stoppedAt, 'the sender goes on')
  t.true(taken < 64 * MIB, `${taken} bytes went somewhere`)
  t.true((network.relay.network?.data.bufferBytes ?? Infinity) <= 4 * MIB)
})

test('who is revoked loses the paths that are carried, at once', async (t) => {
  const network = await networkOf(t)
  const { here, there } = await aPath(t, network)
  const gone = Promise.all(
    [here, there].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
  )
  for (const socket of [here, there]) socket.on('error', () => undefined).resume()
  const startMs = performance.now()
  await network.admin.revoke('alice', 'test')
  await gone
  t.true(performance.now() - startMs < 2000)
  t.is(network.relay.metrics().network?.paths, 0)
})

test('members that ask for paths without end are told to stop', async (t) => {
  const network = await networkOf(t)
  const alice = await clientOf(t, network, 'alice')
  const codes = await Promise.all(Array.from({ length: 260 }, () => codeOf(alice.client.dial('nobody'))))
  const limited = codes.filter((code) => code === 'ERR_REACH_RATE_LIMITED').length
  t.true(limited > 0 && limited <= 60, `${limited} were refused for their rate`)
  t.is(codes.filter((code) => code === 'ERR_REACH_PEER_UNKNOWN').length, 260 - limited)
})

test('a thousand members that lose the relay come back, all of them', async (t) => {
  const network = await networkOf(t)
  const membership = await memberOf(t, network, 'crowd')
  const relay = `127.0.0.1:${network.port}`
  let attempts = 0
  const comeBack = async () => {
    for (let failures = 1; failures < 60; failures++) {
      attempts++
      try {
        const { client } = await membership.connectTo(relay)
        t.teardown(() => client.close())
        return true
      } catch {
        await sleep(Math.random() * Math.min(4000, 250 * 2 ** failures))
      }
    }
    return false
  }
  const startMs = performance.now()
  const results = await Promise.all(Array.from({ length: 1000 }, comeBack))
  t.true(results.every(Boolean))
  t.log(`1000 are back after ${Math.round(performance.now() - startMs)} ms and ${attempts} attempts`)
  t.is(network.relay.metrics().network?.members, 1000)
})
