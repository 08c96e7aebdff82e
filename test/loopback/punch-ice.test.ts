import anyTest from 'ava'
import type { ExecutionContext } from 'ava'
import { transportAddress } from '../../lib/base/transport-address.ts'
import type { AddressFamily } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { Candidate } from '../../lib/protocol/ice/candidate.ts'
import { iceCredentials } from '../../lib/protocol/ice/connectivity-check.ts'
import { DirectPort } from '../../lib/punch/direct-port.ts'
import { IceRun } from '../../lib/punch/ice-run.ts'
import type { IcePath, IceRunSetup } from '../../lib/punch/ice-run.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'
import {
  bytesOf,
  hashOf,
  openSocket,
  pattern,
  sendAll,
  sha256,
  text,
  whyNoUdx,
  withoutStreams,
} from './udx-support/stream-sockets.ts'
import { stunResponder } from './udx-support/stun-responder.ts'

const families = await loopbackFamilies()
const skipReason = await whyNoUdx()
if (skipReason !== undefined) console.log(`skipped ICE on shared ports: ${skipReason}`)
const test = skipReason === undefined ? anyTest.serial : anyTest.serial.skip
anyTest('where sockets with streams are missing, there is no shared port', async (t) => {
  t.is(await DirectPort.open(withoutStreams(runtime), 'ipv4'), undefined)
})

const runtime = nodeRuntime()
const hasIpv6 = families.every(({ skipReason: why }) => why === undefined)

async function openPort(t: ExecutionContext, family: AddressFamily = 'ipv4'): Promise<DirectPort> {
  const port = await DirectPort.open(runtime, family, { ip: family === 'ipv4' ? '127.0.0.1' : '::1' })
  if (port === undefined) throw new Error('no udx-native')
  t.teardown(() => port.close())
  return port
}

function openRun(
  t: ExecutionContext,
  role: IceRunSetup['role'],
  ports: readonly DirectPort[],
  part: Partial<IceRunSetup> = {},
) {
  const credentials = iceCredentials(runtime.random.bytes(24))
  const run = new IceRun({ runtime, role, credentials, ports, maySendTo: () => true, ...part })
  t.teardown(() => run.close())
  return { run, credentials, ports }
}

type Side = ReturnType<typeof openRun>

/** Each tells the other who it is and where its ports are. */
function introduce(one: Side, other: Side): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    to.run.setRemote(from.credentials)
    const candidates: Candidate[] = from.ports.map(({ local }, socket) =>
      from.run.addLocal({ type: 'host', address: local, base: local, socket }),
    )
    for (const candidate of candidates) to.run.addRemote(candidate)
    from.run.endLocal()
    to.run.endRemote()
  }
}

async function pathsOf(t: ExecutionContext, ...sides: readonly Side[]): Promise<IcePath[]> {
  const paths = await Promise.all(sides.map(({ run }) => run.result))
  return paths.map((path) => path ?? t.fail('there is no path'))
}

test('both sides nominate the same pair, and it carries a stream', async (t) => {
  const [one, other] = [
    openRun(t, 'controlling', [await openPort(t)]),
    openRun(t, 'controlled', [await openPort(t)]),
  ]
  introduce(one, other)
  const [there, back] = await pathsOf(t, one, other)
  if (there === undefined || back === undefined) return
  t.deepEqual(there.remote, back.local)
  t.deepEqual(back.remote, there.local)
  t.deepEqual(one.run.selected?.remote, there.remote)
  t.is(one.run.pairs[0]?.state, 'succeeded')
  t.is(one.run.counters.forgeries, 0)
  const bytes = pattern(4 << 20, 1)
  const sending = there.port.socket.openStream({ localId: 601, remoteId: 602, remote: there.remote })
  const reading = back.port.socket.openStream({ localId: 602, remoteId: 601, remote: back.remote })
  t.teardown(() => [sending, reading].map((stream) => stream.destroy()))
  const heard = hashOf(reading)
  await sendAll(sending, bytes)
  t.is(await heard, sha256(bytes))
})

test('two that both believe to control agree on who does', async (t) => {
  const [one, other] = [
    openRun(t, 'controlling', [await openPort(t)]),
    openRun(t, 'controlling', [await openPort(t)]),
  ]
  introduce(one, other)
  const [there, back] = await pathsOf(t, one, other)
  t.deepEqual(there?.remote, back?.local)
})

test('agents that share a port are told apart, and so are the answers to each', async (t) => {
  const shared = await openPort(t)
  const [far, further] = [await openPort(t), await openPort(t)]
  const [toFar, toFurther] = [openRun(t, 'controlling', [shared]), openRun(t, 'controlled', [shared])]
  const [fromFar, fromFurther] = [openRun(t, 'controlled', [far]), openRun(t, 'controlling', [further])]
  introduce(toFar, fromFar)
  introduce(toFurther, fromFurther)
  const paths = await pathsOf(t, toFar, toFurther, fromFar, fromFurther)
  t.deepEqual(
    paths.map(({ remote }) => remote),
    [far.local, further.local, shared.local, shared.local],
  )
  for (const { run } of [toFar, toFurther, fromFar, fromFurther]) t.is(run.counters.forgeries, 0)
})

test('sockets are numbered as the ports are given: IPv6 is used where both have it', async (t) => {
  if (!hasIpv6) return t.pass('this machine has no ::1')
  const [one, other] = [
    openRun(t, 'controlling', [await openPort(t), await openPort(t, 'ipv6')]),
    openRun(t, 'controlled', [await openPort(t), await openPort(t, 'ipv6')]),
  ]
  introduce(one, other)
  const paths = await pathsOf(t, one, other)
  for (const { port, remote } of paths) t.is(port.local.family, remote.family)
  t.is(one.run.counters.pairs, 2)
})

test('where nothing may be tried, the run fails at once and says so', async (t) => {
  const refuse = { maySendTo: () => false }
  const [one, other] = [
    openRun(t, 'controlling', [await openPort(t)], refuse),
    openRun(t, 'controlled', [await openPort(t)], refuse),
  ]
  introduce(one, other)
  t.is(await one.run.result, undefined)
  t.is(one.run.counters.candidatesRefused, 1)
})

test('a run that is closed ends without a path, and its fragment can be used again', async (t) => {
  const port = await openPort(t)
  const { run, credentials } = openRun(t, 'controlling', [port])
  t.throws(() => openRun(t, 'controlled', [port], { credentials }), { instanceOf: RangeError })
  run.close()
  run.close()
  t.is(await run.result, undefined)
  t.notThrows(() => openRun(t, 'controlled', [port], { credentials }))
})

test('credentials that are none are refused where they are told, and the run goes on', async (t) => {
  const [one, other] = [
    openRun(t, 'controlling', [await openPort(t)]),
    openRun(t, 'controlled', [await openPort(t)]),
  ]
  t.throws(() => one.run.setRemote({ ufrag: 'x', password: 'y' }), { code: 'ERR_REACH_DECODE' })
  introduce(one, other)
  t.is((await pathsOf(t, one, other)).length, 2)
})

test('a port asks how it looks from outside, while agents run on it', async (t) => {
  const port = await openPort(t)
  const server = await stunResponder(t)
  const [one, other] = [openRun(t, 'controlling', [port]), openRun(t, 'controlled', [await openPort(t)])]
  const asking = [port.askReflexive(server), port.askReflexive(server)]
  introduce(one, other)
  t.deepEqual(await Promise.all(asking), [port.local, port.local])
  await pathsOf(t, one, other)
})

test('a server that does not answer, a signal and the port’s end leave a question without an answer', async (t) => {
  const port = await openPort(t)
  const silent = await openSocket(t)
  const controller = new AbortController()
  const asked = new Promise<void>((resolve) => (silent.onPacket = () => resolve()))
  const aborted = port.askReflexive(silent.local, controller.signal)
  await asked
  controller.abort()
  t.is(await aborted, undefined)
  t.is(await port.askReflexive(silent.local, controller.signal), undefined)
  const timedOut = await port.askReflexive(silent.local)
  t.is(timedOut, undefined)
  const closing = port.askReflexive(silent.local)
  port.close()
  t.is(await closing, undefined)
})

test('answers that nobody asked for, from elsewhere or to others’ names reach no agent', async (t) => {
  const [port, stranger] = [await openPort(t), await openSocket(t)]
  const seat = port.join({ localUfrag: 'here', onPacket: () => t.fail('a packet of a stranger') })
  t.teardown(() => seat[Symbol.dispose]())
  const [one, other] = [openRun(t, 'controlling', [port]), openRun(t, 'controlled', [await openPort(t)])]
  stranger.send(Uint8Array.of(0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Uint8Array(12)), port.local)
  stranger.send(Uint8Array.of(1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Uint8Array(12)), port.local)
  introduce(one, other)
  await pathsOf(t, one, other)
  t.is(one.run.counters.forgeries, 0)
})

test('what is no STUN goes to whom its sender belongs, else to the general handler', async (t) => {
  const port = await openPort(t)
  const [friend, stranger] = [await openSocket(t), await openSocket(t)]
  const heard: string[] = []
  const all = new Promise<void>((resolve) => {
    const note = (who: string) => (packet: Parameters<typeof text>[0]) => {
      if (heard.push(`${who} ${text(packet)}`) === 3) resolve()
    }
    port.onOther = note('other')
    const handler = port.handleRemote(friend.local, note('friend'))
    friend.send(bytesOf('one'), port.local)
    stranger.send(bytesOf('two'), port.local)
    port.onOther = (packet) => {
      note('other')(packet)
      handler[Symbol.dispose]()
      friend.send(bytesOf('three'), port.local)
    }
  })
  await all
  t.deepEqual(heard, ['friend one', 'other two', 'other three'])
})

test('what the socket refuses to send is told to all agents of the port', async (t) => {
  const port = await openPort(t)
  const refused = new Promise<string>((resolve) => {
    const seat = port.join({
      localUfrag: 'abcd',
      onPacket: () => undefined,
      onSendError: ({ code }) => resolve(code),
    })
    seat.send(new Uint8Array(70_000), transportAddress('127.0.0.1', 9))
  })
  t.is(await refused, 'EMSGSIZE')
})
