import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import anyTest from 'ava'
import type { ExecutionContext } from 'ava'
import type { NatBehavior } from '../../lib/base/nat-behavior.ts'
import type { Runtime } from '../../lib/base/runtime.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { candidatePriority } from '../../lib/protocol/ice/candidate.ts'
import {
  CheckKeys,
  encodeCheck,
  iceCredentials,
  readCheckAnswer,
  readCheckMessage,
} from '../../lib/protocol/ice/connectivity-check.ts'
import { decodePunchMessage, encodePunchMessage } from '../../lib/protocol/punch/punch-message.ts'
import type { PunchMessage } from '../../lib/protocol/punch/punch-message.ts'
import type { PunchOptions } from '../../lib/protocol/punch/punch-options.ts'
import type { PunchedHole } from '../../lib/punch/punched-hole.ts'
import { UdpPunch } from '../../lib/punch/udp-punch.ts'
import { closed } from './identity-support/transports.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import {
  bytesOf,
  hashOf,
  openSocket,
  packets,
  pattern,
  sendAll,
  sha256,
  text,
  whyNoUdx,
  withoutStreams,
} from './udx-support/stream-sockets.ts'
import { stunResponder } from './udx-support/stun-responder.ts'
import { EASY, HARD } from '../support/nat-behaviors.ts'

const skipReason = await whyNoUdx()
if (skipReason !== undefined) console.log(`skipped punches over UDP: ${skipReason}`)
const test = skipReason === undefined ? anyTest.serial : anyTest.serial.skip
anyTest('where sockets with streams are missing, a punch ends without a hole', async (t) => {
  const one = new UdpPunch({ ...setup(NOBODY), runtime: withoutStreams(runtime) })
  const unloadable = { ...runtime.network, openStreamUdp: () => Promise.resolve(undefined) }
  const other = new UdpPunch({ ...setup(NOBODY), runtime: { ...runtime, network: unloadable } })
  t.deepEqual([await one.result, await other.result], [undefined, undefined])
})

const runtime = nodeRuntime()
const NOBODY: TransportAddress = { family: 'ipv4', ip: '127.0.0.1', port: 9, transport: 'udp' }
const CREDENTIALS = [1, 2].map((seed) => iceCredentials(new Uint8Array(24).fill(seed)))
const [ALICE, BOB] = CREDENTIALS as [PunchOptions['localCredentials'], PunchOptions['localCredentials']]

function setup(server: TransportAddress, part: Partial<PunchOptions> = {}) {
  const options: PunchOptions = {
    role: 'controlling',
    family: 'ipv4',
    localCredentials: ALICE,
    remoteCredentials: BOB,
    ours: EASY,
    theirs: EASY,
    servers: [server],
    signallingRttMs: 2,
    maySendTo: ({ ip }) => ip === '127.0.0.1',
    randomBytes: (length) => runtime.random.bytes(length),
    ...part,
  }
  return { runtime, options, signal: (): void => undefined }
}

/** Two punches that hear each other at the next turn of the event loop, over the wire format. */
async function punchPair(
  t: ExecutionContext,
  nats: readonly [NatBehavior, NatBehavior],
): Promise<[UdpPunch, UdpPunch]> {
  const server = await stunResponder(t)
  const to = (receiver: () => UdpPunch) => (message: PunchMessage) => {
    const line = encodePunchMessage(message)
    setImmediate(() => receiver().receive(decodePunchMessage(line)))
  }
  const [ours, theirs] = nats
  const one: UdpPunch = new UdpPunch({ ...setup(server, { ours, theirs }), signal: to(() => other) })
  const mirrored = setup(server, {
    role: 'controlled',
    localCredentials: BOB,
    remoteCredentials: ALICE,
    ours: theirs,
    theirs: ours,
  })
  const other: UdpPunch = new UdpPunch({ ...mirrored, signal: to(() => one) })
  t.teardown(async () => {
    for (const punch of [one, other]) {
      punch.stop()
      const hole = await punch.result
      hole?.socket.close()
    }
  })
  return [one, other]
}

async function holesOf(
  t: ExecutionContext,
  punches: readonly [UdpPunch, UdpPunch],
): Promise<[PunchedHole, PunchedHole]> {
  const [one, other] = await Promise.all(punches.map(({ result }) => result))
  if (one === undefined || other === undefined) return t.fail('there is no hole')
  return [one, other]
}

/** Counts sockets that are open, by what lib/net publishes. */
function countSockets(t: ExecutionContext): { readonly open: number; readonly most: number } {
  const count = { open: 0, most: 0 }
  const onOpened = () => (count.most = Math.max(count.most, ++count.open))
  const onClosed = () => count.open--
  subscribe('p2p-reach:udp-socket:opened', onOpened)
  subscribe('p2p-reach:udp-socket:closed', onClosed)
  t.teardown(() => {
    unsubscribe('p2p-reach:udp-socket:opened', onOpened)
    unsubscribe('p2p-reach:udp-socket:closed', onClosed)
  })
  return count
}

async function carries(
  t: ExecutionContext,
  [one, other]: readonly [PunchedHole, PunchedHole],
): Promise<void> {
  const there = one.socket.openStream({ localId: 501, remoteId: 502, remote: one.remote })
  const back = other.socket.openStream({ localId: 502, remoteId: 501, remote: other.remote })
  const [bytes, answer] = [pattern(4 << 20, 1), pattern(4 << 20, 2)]
  const hashes = Promise.all([hashOf(back), hashOf(there)])
  await Promise.all([sendAll(there, bytes), sendAll(back, answer)])
  t.deepEqual(await hashes, [sha256(bytes), sha256(answer)])
  await Promise.all([closed(there), closed(back)])
}

test('two punches find each other, and the hole carries a stream and datagrams', async (t) => {
  const punches = await punchPair(t, [EASY, EASY])
  const [one, other] = await holesOf(t, punches)
  t.is(punches[0].counters.recipe, 'plain')
  t.is(one.remote.port, other.local.port)
  t.is(other.remote.port, one.local.port)
  await carries(t, [one, other])
  const heard = new Promise<string>((resolve) => (other.onPacket = (packet) => resolve(text(packet))))
  one.socket.send(bytesOf('a datagram'), one.remote)
  t.is(await heard, 'a datagram')
})

test('a birthday punch opens 256 sockets and keeps one', async (t) => {
  const sockets = countSockets(t)
  const punches = await punchPair(t, [HARD, EASY])
  const holes = await holesOf(t, punches)
  t.is(punches[0].counters.recipe, 'birthday')
  t.is(sockets.most, 257)
  t.is(sockets.open, 2)
  await carries(t, holes)
})

test('a hole goes on to answer the peer’s checks until it is detached; then the socket is free', async (t) => {
  const [one] = await holesOf(t, await punchPair(t, [EASY, EASY]))
  const peer = await openSocket(t)
  const keys = new CheckKeys(BOB, ALICE)
  const check = () =>
    peer.send(
      encodeCheck(keys, {
        transactionId: runtime.random.bytes(12),
        role: 'controlled',
        tieBreaker: 0n,
        priority: candidatePriority('prflx', 65_535),
      }),
      { ...one.local, ip: '127.0.0.1' },
    )
  const answered = packets(peer, 1)
  check()
  const [answer] = await answered
  const message = answer === undefined ? undefined : readCheckMessage(answer.bytes)
  t.is(message === undefined ? undefined : readCheckAnswer(message, keys.remoteKey)?.kind, 'success')
  one.detach()
  peer.onPacket = () => t.fail('an answer after detach')
  const heard = packets(one.socket, 1)
  check()
  t.is((await heard)[0]?.from.port, peer.local.port)
})

test('one that is stopped closes all sockets, at whatever moment', async (t) => {
  const sockets = countSockets(t)
  const server = await stunResponder(t)
  const storm = { ours: HARD, theirs: EASY }
  const early = new UdpPunch(setup(server, storm))
  early.stop()
  t.is(await early.result, undefined)
  const controller = new AbortController()
  const announced = new Promise<void>((resolve) => {
    const late = new UdpPunch({ ...setup(server, storm), signal: () => resolve(), abort: controller.signal })
    t.teardown(() => late.stop())
    void late.result.then((hole) => t.is(hole, undefined))
  })
  await announced
  controller.abort()
  const aborted = new UdpPunch({ ...setup(server, storm), abort: controller.signal })
  t.is(await aborted.result, undefined)
  await new Promise((resolve) => setImmediate(resolve))
  t.true(sockets.most >= 256)
  t.is(sockets.open, 0)
})

test('where no socket can be opened, all rounds are over without a hole', async (t) => {
  const clock = new FakeClock()
  const network: Runtime['network'] = {
    ...runtime.network,
    openStreamUdp: () => Promise.reject(new Error('too many open files')),
  }
  const punch = new UdpPunch({ ...setup(NOBODY), runtime: { ...runtime, clock, network } })
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(3000)
  t.is(await punch.result, undefined)
  t.is(clock.pendingTimers, 0)
})
