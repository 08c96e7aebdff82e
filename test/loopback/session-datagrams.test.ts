import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { DatagramFlow } from '../../lib/session/datagram-flow.ts'
import type { DecideOpen } from '../../lib/session/open-decision.ts'
import { SessionHost } from '../../lib/session/session-host.ts'
import type { Session, SessionEvents } from '../../lib/session/session.ts'
import { SEALED_PACKET } from '../../lib/protocol/datagram/sealed-packet.ts'
import type { TransportPair } from './identity-support/transports.ts'
import { tcpPair } from './identity-support/transports.ts'
import {
  aTrustStore,
  alice,
  anotherPath,
  bob,
  deferred,
  pattern,
  runtime,
  sha256,
} from './session-support/hosts.ts'
import type { LossyPair, Weather } from './session-support/lossy-carriers.ts'
import { lossyCarriers } from './session-support/lossy-carriers.ts'

/* Flows of datagrams over sessions with a carrier beside them: a way for packets that loses, repeats and damages them. */

interface FlowPair {
  readonly hosts: { readonly dialling: SessionHost; readonly dialled: SessionHost }
  readonly here: Session
  readonly there: Session
  readonly pair: TransportPair
  readonly carriers: LossyPair
}

const echoFlow = (flow: DatagramFlow) => {
  flow.onMessage = (bytes) => flow.send(bytes)
  flow.accept()
}

function hostOf(
  t: ExecutionContext,
  member: typeof alice,
  serve: (flow: DatagramFlow) => void,
  events: SessionEvents = {},
): SessionHost {
  const decide: DecideOpen = () => ({ kind: 'allowed-flow', serve })
  const credentials = () => member.credentials
  const host = new SessionHost({ runtime, trust: aTrustStore(), credentials, decide, events })
  t.teardown(() => {
    for (const session of host.sessions) session.destroy()
    return host.close(0)
  })
  return host
}

async function flowPair(
  t: ExecutionContext,
  weather: Partial<Weather> = {},
  serve: (flow: DatagramFlow) => void = echoFlow,
  events: { readonly here?: SessionEvents; readonly there?: SessionEvents } = {},
): Promise<FlowPair> {
  const hosts = { dialling: hostOf(t, alice, serve), dialled: hostOf(t, bob, serve, events.there) }
  const carriers = lossyCarriers(weather)
  const about = { kind: 'direct-udp', via: 'test:1' } as const
  const pair = await tcpPair(t)
  const [here, there] = await Promise.all([
    hosts.dialling.begin(pair.dialling, { ...about, carrier: carriers.here }, {}, events.here),
    hosts.dialled.accept(pair.dialled, { ...about, carrier: carriers.there }),
  ])
  await here.established
  return { hosts, here, there, pair, carriers }
}

/** Resolves when packets are known to arrive, in both directions or in none. */
async function carriesSealed(pair: FlowPair, expected = true): Promise<void> {
  while (pair.here.carriesSealed !== expected || pair.there.carriesSealed !== expected) await sleep(10)
}

async function accepted(flow: DatagramFlow): Promise<DatagramFlow> {
  if (!flow.stream.isAccepted) await new Promise((resolve) => flow.stream.once('accepted', resolve))
  return flow
}

function numbered(number: number, length = 1000): Buffer {
  const bytes = pattern(length, number + 1)
  bytes.writeUInt32BE(number)
  return bytes
}

/** Sends numbered datagrams, some in each turn, and answers which came back; the last is repeated until it did. */
async function exchange(t: ExecutionContext, flow: DatagramFlow, count: number): Promise<readonly number[]> {
  const came: number[] = []
  const done = deferred<undefined>()
  flow.onMessage = (bytes) => {
    const number = Buffer.from(bytes).readUInt32BE()
    t.deepEqual(Buffer.from(bytes), numbered(number))
    if (number === count) done.resolve(undefined)
    else came.push(number)
  }
  for (let number = 0; number < count; number++) {
    flow.send(numbered(number))
    if (number % 20 === 19) await sleep(1)
  }
  const timer = setInterval(() => flow.send(numbered(count)), 20)
  await done.promise
  clearInterval(timer)
  return came
}

test('datagrams go sealed beside the streams, and large ones through them', async (t) => {
  const pair = await flowPair(t)
  await carriesSealed(pair)
  const flow = await accepted(pair.here.openFlow('echo'))
  const before = pair.carriers.here.seen.length
  const came = await exchange(t, flow, 100)
  t.deepEqual(
    came,
    Array.from({ length: 100 }, (_, at) => at),
  )
  const packets = pair.carriers.here.seen.slice(before)
  t.true(packets.length > 100)
  for (const packet of packets) t.is(packet[0], SEALED_PACKET)
  const wire = Buffer.concat([...pair.carriers.here.seen, ...pair.carriers.there.seen])
  for (const number of came) t.false(wire.includes(numbered(number).subarray(4, 40)))

  const large = pattern(65_507)
  // One of the exchange may still be under way.
  const back = new Promise<Uint8Array>((resolve) => {
    flow.onMessage = (bytes) => bytes.length > 1000 && resolve(bytes)
  })
  flow.send(large)
  t.is(sha256(await back), sha256(large))
})

test('loss, repetition and damage break no flow, and nothing comes twice or changed', async (t) => {
  const pair = await flowPair(t, { lossOneIn: 5, twiceOneIn: 3, damageOneIn: 10 })
  await carriesSealed(pair)
  const flow = await accepted(pair.here.openFlow('echo'))
  const came = await exchange(t, flow, 1000)
  t.is(new Set(came).size, came.length)
  t.true(came.length > 300 && came.length < 900, `${came.length} of 1000 came`)
  t.true(flow.isOpen)
})

test('when the path dies in the middle, flows go on through the streams at once', async (t) => {
  const pair = await flowPair(t)
  await anotherPath(t, pair.hosts.dialling, pair.hosts.dialled, pair.here)
  await carriesSealed(pair)
  const flow = await accepted(pair.here.openFlow('echo'))
  await exchange(t, flow, 50)
  const { seen } = pair.carriers.here
  pair.pair.dialling.destroy()
  await carriesSealed(pair, false)
  const before = seen.length
  const came = await exchange(t, flow, 50)
  t.is(came.length, 50)
  t.is(seen.length, before)
  t.true(pair.carriers.here.isClosed)
  t.true(pair.carriers.there.isClosed)
  t.is(pair.here.currentPaths[0]?.via, 'test:2')
})

test('a carrier that swallows everything is left within seconds, and taken again when it is back', async (t) => {
  const pair = await flowPair(t)
  await carriesSealed(pair)
  const flow = await accepted(pair.here.openFlow('echo'))
  pair.carriers.weather.isDown = true
  const came = await exchange(t, flow, 100)
  t.is(new Set(came).size, came.length)
  t.false(pair.here.carriesSealed)
  pair.carriers.weather.isDown = false
  while (!pair.here.carriesSealed || !pair.there.carriesSealed) {
    await exchange(t, flow, 1)
    await sleep(20)
  }
  t.true(flow.isOpen)
})

test('what is too long for the way takes the stream, and nothing is lost of it', async (t) => {
  const pair = await flowPair(t, { mtu: 1300 })
  await carriesSealed(pair)
  const flow = await accepted(pair.here.openFlow('echo'))
  const came = new Promise<number>((resolve) => (flow.onMessage = ({ length }) => resolve(length)))
  const before = pair.carriers.here.seen.length
  flow.send(pattern(1400))
  t.is(await came, 1400)
  t.is(pair.carriers.here.seen.length, before)
})

test('datagrams of the session itself go sealed, too, in both directions', async (t) => {
  const atBob = deferred<Uint8Array>()
  const atAlice = deferred<Uint8Array>()
  let isSealedExpected = false
  const pair = await flowPair(t, {}, echoFlow, {
    here: { onDatagram: (_session, bytes) => isSealedExpected && atAlice.resolve(bytes) },
    there: { onDatagram: (_session, bytes) => isSealedExpected && atBob.resolve(bytes) },
  })
  await carriesSealed(pair)
  const { here, there, carriers } = pair
  here.sendDatagram(pattern(1)) // opens the stream that it is told by
  there.sendDatagram(pattern(1))
  while (here.streamCount < 2 || there.streamCount < 2) await sleep(5)
  isSealedExpected = true
  const timer = setInterval(() => {
    here.sendDatagram(pattern(1200, 2))
    there.sendDatagram(pattern(1200, 3))
  }, 10)
  t.deepEqual(Buffer.from(await atBob.promise), pattern(1200, 2))
  t.deepEqual(Buffer.from(await atAlice.promise), pattern(1200, 3))
  while (!carriers.here.seen.some(({ length }) => length === 1231)) await sleep(5)
  while (!carriers.there.seen.some(({ length }) => length === 1231)) await sleep(5)
  clearInterval(timer)
  t.throws(() => here.sendDatagram(pattern(1201)), { instanceOf: RangeError })
})

test('a side without a carrier is never sent sealed packets', async (t) => {
  const hosts = { dialling: hostOf(t, alice, echoFlow), dialled: hostOf(t, bob, echoFlow) }
  const carriers = lossyCarriers()
  const about = { kind: 'direct-udp', via: 'test:1' } as const
  const pair = await tcpPair(t)
  const [here] = await Promise.all([
    hosts.dialling.begin(pair.dialling, { ...about, carrier: carriers.here }, {}),
    hosts.dialled.accept(pair.dialled, about),
  ])
  const flow = await accepted(here.openFlow('echo'))
  t.is((await exchange(t, flow, 50)).length, 50)
  t.false(here.carriesSealed)
  t.true(carriers.here.seen.length < 10) // questions without answer
})

test('a flow that ends is no more, sealed or not; the carrier ends with the session', async (t) => {
  const served = deferred<DatagramFlow>()
  const pair = await flowPair(t, {}, (flow) => {
    echoFlow(flow)
    served.resolve(flow)
  })
  await carriesSealed(pair)
  const flow = await accepted(pair.here.openFlow('echo'))
  await exchange(t, flow, 10)
  await flow.close()
  t.is(await (await served.promise).closed, undefined)
  flow.send(pattern(10))
  t.is(flow.droppedDatagrams, 1)
  while (pair.here.streamCount > 0 || pair.there.streamCount > 0) await sleep(5)
  await pair.here.close()
  await pair.there.closed
  t.true(pair.carriers.here.isClosed && pair.carriers.there.isClosed)
})

test('the carrier of a path that comes to nothing is closed', async (t) => {
  const hosts = { dialling: hostOf(t, alice, echoFlow), dialled: hostOf(t, bob, echoFlow) }
  const carriers = lossyCarriers()
  const about = { kind: 'direct-udp', via: 'test:1' } as const
  const pair = await tcpPair(t)
  const [began, taken] = await Promise.allSettled([
    hosts.dialling.begin(pair.dialling, { ...about, carrier: carriers.here }, { name: 'carol' }),
    hosts.dialled.accept(pair.dialled, { ...about, carrier: carriers.there }),
  ])
  t.is(began.status, 'rejected')
  t.is(taken.status, 'rejected')
  t.true(carriers.here.isClosed && carriers.there.isClosed)
})
