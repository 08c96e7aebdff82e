import { connect } from 'node:net'
import type { Socket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { SeededRandom } from '../sim/seeded-random.ts'
import { encodeLegHead } from '../../lib/protocol/relay/data-leg.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { ControlClient } from '../../lib/membership/control-client.ts'
import { fullJitterMs } from '../../lib/membership/backoff.ts'
import { networkOf, runtimeAt } from './network-support.ts'
import type { TestNetwork } from './network-support.ts'
import {
  aTicket,
  connectionOf,
  dataOf,
  listenWith,
  pathBetween,
  peerOf,
  until,
} from './relay-data-support/members.ts'
import type { TestPeer } from './relay-data-support/members.ts'

/* Many clients, slow ones and hostile ones. These run one after the other: each measures time. */

const MIB = 1024 * 1024

/** Connections that are cut when the test ends. @param from an address of this host */
async function flood(
  t: ExecutionContext,
  { port }: TestNetwork,
  count: number,
  from: string,
  first?: Uint8Array,
): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  const open = () =>
    new Promise<void>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, localAddress: from })
      socket.on('error', () => undefined).once('close', () => resolve())
      socket.once('connect', () => {
        if (first !== undefined) socket.write(first)
        resolve()
      })
      sockets.push(socket.resume())
    })
  // Not all in one turn: the queue of the listening socket is short, and a SYN that is lost is sent again after 1 s.
  for (let left = count; left > 0; left -= 250) {
    await Promise.all(Array.from({ length: Math.min(left, 250) }, open))
  }
  return sockets
}

/** Linux has all of 127.0.0.0/8; elsewhere the flood comes from where the members come from. */
const ELSEWHERE = process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1'

async function dialsPromptly(
  t: ExecutionContext,
  from: TestPeer,
  name: string,
  withinMs: number,
): Promise<void> {
  const startMs = performance.now()
  const { stream: socket } = (await from.client.dial(name)).leg
  const tookMs = performance.now() - startMs
  socket.destroy()
  t.log(`a path took ${tookMs.toFixed(1)} ms`)
  t.true(tookMs < withinMs, `${tookMs} ms`)
}

test.serial(
  'a reader that stops, stops its sender: the relay keeps a buffer or two, whatever is sent',
  async (t) => {
    const network = await networkOf(t)
    const alice = await peerOf(t, network, 'alice')
    const bob = await peerOf(t, network, 'bob')
    const [a, b] = await pathBetween(t, alice, bob)
    b.pause()
    const chunk = Buffer.alloc(MIB)
    let accepted = 0
    const send = () => {
      while (a.writableLength < 4 * MIB) a.write(chunk, (error) => (accepted += error == null ? MIB : 0))
    }
    const pump = setInterval(send, 5)
    t.teardown(() => clearInterval(pump))
    let before = -1
    // The kernels' buffers fill first; then nothing moves any more.
    for (let still = 0; still < 10; still = before === accepted ? still + 1 : 0) {
      before = accepted
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { bufferBytes } = dataOf(network).counters
    t.log(`stopped after ${accepted / MIB} MiB, ${bufferBytes / 1024} KiB in the relay`)
    t.true(accepted < 64 * MIB)
    t.true(bufferBytes <= 4 * MIB)
    // Another path is not held up.
    await listenWith(t, bob, (socket) => socket.end())
    await dialsPromptly(t, alice, 'bob', 5000)
    // And it goes on when the reader does.
    clearInterval(pump)
    const sent = dataOf(network).counters.bytesTotal
    b.resume()
    await until(() => dataOf(network).counters.bytesTotal > sent)
  },
)

test.serial(
  '5,000 silent connections from one address: a member opens as promptly as before, and most are gone',
  async (t) => {
    const network = await networkOf(t)
    const alice = await peerOf(t, network, 'alice')
    const bob = await peerOf(t, network, 'bob')
    await listenWith(t, bob, (socket) => socket.end())
    await dialsPromptly(t, alice, 'bob', 5000)
    const floodMs = performance.now()
    await flood(t, network, 5000, ELSEWHERE)
    t.log(`the flood took ${(performance.now() - floodMs).toFixed(0)} ms`)
    t.true(network.relay.metrics().newcomers <= 1024)
    await dialsPromptly(t, alice, 'bob', 5000)
    await until(() => network.relay.metrics().tcpConnections <= 1024 + 10)
    // Somebody new comes in, too.
    await connectionOf(t, alice.membership)
    t.pass()
  },
)

test.serial('silent connections from the member’s own address make room for it', async (t) => {
  const network = await networkOf(t, {}, { admission: { maxPerSource: 64, max: 100 } })
  const alice = await peerOf(t, network, 'alice')
  const bob = await peerOf(t, network, 'bob')
  await listenWith(t, bob, (socket) => socket.end())
  await flood(t, network, 500, '127.0.0.1')
  await until(() => network.relay.metrics().newcomers === 64)
  await dialsPromptly(t, alice, 'bob', 5000)
  await connectionOf(t, alice.membership)
  // From many addresses: the cap of all counts.
  if (process.platform !== 'linux') return
  for (const from of ['127.0.0.2', '127.0.0.3', '127.0.0.4']) await flood(t, network, 60, from)
  t.true(network.relay.metrics().newcomers <= 100)
  await dialsPromptly(t, alice, 'bob', 5000)
})

test.serial(
  'legs that dawdle over their head, or wait for nobody, are cut off and hold up nobody',
  async (t) => {
    const network = await networkOf(
      t,
      { dataLimits: { earlyMs: 400, maxWaitingPerSource: 50 } },
      { admission: { timeoutMs: 1500 } },
    )
    const alice = await peerOf(t, network, 'alice')
    const bob = await peerOf(t, network, 'bob')
    await listenWith(t, bob, (socket) => socket.end())
    // Byte by byte, and never to the end.
    const dawdling = await flood(t, network, 200, ELSEWHERE)
    const head = encodeLegHead(aTicket())
    let at = 0
    const drip = setInterval(() => {
      for (const socket of dawdling) if (!socket.destroyed) socket.write(head.subarray(at, at + 1))
      at = Math.min(at + 1, head.length - 2)
    }, 30)
    t.teardown(() => clearInterval(drip))
    const startMs = performance.now()
    // Heads with tickets that nobody has vouched for.
    const legs = Array.from({ length: 120 }, () => flood(t, network, 1, ELSEWHERE, encodeLegHead(aTicket())))
    await Promise.all(legs)
    await until(() => dataOf(network).counters.waitingLegs === 50)
    await dialsPromptly(t, alice, 'bob', 5000)
    await until(() => dataOf(network).counters.waitingLegs === 0)
    await until(() => dawdling.every(({ closed }) => closed))
    const tookMs = performance.now() - startMs
    t.true(tookMs > 1000 && tookMs < 30_000, `${tookMs} ms`)
    await until(() => network.relay.metrics().newcomers === 0)
  },
)

test.serial('a whole head that comes byte by byte is a head', async (t) => {
  const network = await networkOf(t, { dataLimits: { earlyMs: 20_000 } })
  const [socket] = await flood(t, network, 1, '127.0.0.1')
  for (const byte of encodeLegHead(aTicket())) {
    socket?.write(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => dataOf(network).counters.waitingLegs === 1)
  t.pass()
})

test.serial(
  'garbage behind the first byte of a leg, and in place of it, ends nothing but itself',
  async (t) => {
    const network = await networkOf(t, { dataLimits: { earlyMs: 50 } })
    const alice = await peerOf(t, network, 'alice')
    const bob = await peerOf(t, network, 'bob')
    await listenWith(t, bob, (socket) => socket.end())
    const random = new SeededRandom(7)
    for (let turn = 0; turn < 300; turn++) {
      const bytes = random.bytes(random.int(1, 200))
      if (turn % 3 > 0)
        bytes.set(encodeLegHead(random.bytes(32)).subarray(0, Math.min(bytes.length, random.int(1, 36))))
      const [socket] = await flood(t, network, 1, '127.0.0.1', bytes)
      if (turn % 5 === 0) socket?.resetAndDestroy()
      else if (turn % 2 === 0) socket?.end()
    }
    await dialsPromptly(t, alice, 'bob', 5000)
    await until(() => dataOf(network).counters.waitingLegs === 0)
  },
)

test.serial('1,000 connections that come back at once after a restart are all served', async (t) => {
  const CLIENTS = 1000
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const random = new SeededRandom(11)
  let failures = 0
  const causes = new Set<string>()
  const runtime = runtimeAt()
  const relay = { host: '127.0.0.1', port: network.port }
  const { credentials, report } = alice.membership
  const startMs = performance.now()
  const client = async () => {
    for (let failed = 1; ; failed++) {
      try {
        const control = await ControlClient.open({ runtime, relay })
        t.false((await control.authenticate(credentials, report, [])).mustRenew)
        return control
      } catch (error) {
        causes.add(ReachError.is(error) ? error.code : String(error))
        failures++
        await new Promise((resolve) => setTimeout(resolve, fullJitterMs(failed, random.bytes(4))))
      }
    }
  }
  const controls = await Promise.all(Array.from({ length: CLIENTS }, client))
  // All are one member, and one member registers only so often.
  await Promise.all(
    controls
      .slice(-20)
      .map((control) => control.ask({ type: 'register', id: control.nextId() }, ['registered'])),
  )
  const tookMs = performance.now() - startMs
  t.log(
    `${CLIENTS} connections in ${tookMs.toFixed(0)} ms, ${failures} attempts failed ${[...causes].join(', ')}`,
  )
  t.is(network.relay.metrics().network?.members, CLIENTS + 1)
  // A connection that failed may be closing still.
  await until(() => network.relay.metrics().newcomers === 0)
  t.is(dataOf(network).counters.registered, 1)
  for (const control of controls) control.close()
  await until(() => network.relay.metrics().network?.members === 1)
  t.is(dataOf(network).counters.registered, 0)
})
