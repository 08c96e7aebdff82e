import type { Duplex } from 'node:stream'
import { once } from 'node:events'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { AttemptContext, RunningAttempt } from '../../lib/peer/direct/direct-attempt.ts'
import { DirectCallee } from '../../lib/peer/direct/direct-callee.ts'
import { DirectCaller } from '../../lib/peer/direct/direct-caller.ts'
import type { DirectReport } from '../../lib/peer/direct/direct-report.ts'
import { DIRECT_SERVICE } from '../../lib/peer/service-address.ts'
import type { DirectMessage, TriedSummary } from '../../lib/protocol/signaling/direct-message.ts'
import { encodeDirectMessage } from '../../lib/protocol/signaling/direct-message.ts'
import type { PathAbout, PathKind } from '../../lib/session/path-pipe.ts'
import type { SessionHost } from '../../lib/session/session-host.ts'
import type { Session } from '../../lib/session/session.ts'
import { tcpPair } from './identity-support/transports.ts'
import {
  aHost,
  aSession,
  accepting,
  alice,
  bob,
  deferred,
  digest,
  echo,
  feed,
  runtime,
} from './session-support/hosts.ts'

/* The strategy of a session on both sides, with searches that find what the test gives them. */

const MIB = 1024 * 1024
const NOTHING: TriedSummary = { recipe: undefined, sockets: 0, packetsSent: 0, packetsHeard: 0, tcpTries: 0 }
const credentials = { ufrag: 'abcdefgh', password: 'abcdefghijklmnopqrstuvwx' }

/** A search that does what the test says. */
class FakeSearch implements RunningAttempt {
  readonly context: AttemptContext
  readonly received: DirectMessage[] = []
  readonly #over = deferred<TriedSummary>()
  readonly result = this.#over.promise

  constructor(context: AttemptContext) {
    this.context = context
    if (context.isControlling)
      context.send({ kind: 'offer', attempt: context.attempt, credentials, streams: undefined, tcp: true })
  }

  receive(message: DirectMessage): void {
    this.received.push(message)
  }

  find(stream: Duplex, kind: PathKind): void {
    this.context.onFound({ stream, about: { kind, via: 'test' } })
  }

  stop(): void {
    this.#over.resolve(NOTHING)
  }
}

interface Scene {
  readonly here: Session
  readonly there: Session
  readonly caller: DirectCaller
  readonly callee: Promise<DirectCallee>
  readonly reports: DirectReport[]
  readonly lost: PathAbout[]
  /** The next search of each side. */
  next(): Promise<{ readonly ours: FakeSearch; readonly theirs: FakeSearch }>
}

async function aScene(t: ExecutionContext): Promise<Scene> {
  const ours = new Queue<FakeSearch>()
  const theirs = new Queue<FakeSearch>()
  const made = deferred<DirectCallee>()
  const reports: DirectReport[] = []
  const lost: PathAbout[] = []
  const bobs: SessionHost = aHost(t, bob, {
    echo,
    [DIRECT_SERVICE]: accepting((stream, peer) => {
      const paths = () => bobs.sessions.flatMap(({ currentPaths }) => currentPaths)
      made.resolve(
        new DirectCallee(stream, {
          clock: runtime.clock,
          startAttempt: (context) => theirs.put(new FakeSearch(context)),
          takePath: async ({ stream: found, about }) => {
            await bobs.accept(found, about, { peerId: peer.peerId })
          },
          hasDirectPath: () => paths().some(({ kind }) => kind !== 'relay'),
          signallingRttMs: () => 1,
          onReport: (report) => reports.push(report),
        }),
      )
    }),
  })
  const alices = aHost(t, alice)
  const { here, there } = await aSession(t, alices, bobs, {
    onPathLost: (_session, path) => {
      lost.push(path)
      if (path.kind !== 'relay') caller.pathLost()
    },
  })
  const caller: DirectCaller = new DirectCaller({
    session: here,
    clock: runtime.clock,
    startAttempt: (context) => ours.put(new FakeSearch(context)),
    addPath: ({ stream, about }) => alices.addPath(here, stream, about),
    onReport: (report) => reports.push(report),
  })
  t.teardown(() => caller.stop())
  const next = async () => ({ ours: await ours.take(), theirs: await theirs.take() })
  return { here, there, caller, callee: made.promise, reports, lost, next }
}

class Queue<T> {
  readonly #items: T[] = []
  readonly #waiting: ((item: T) => void)[] = []

  put(item: T): T {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#items.push(item)
    else waiting(item)
    return item
  }

  take(): Promise<T> {
    const item = this.#items.shift()
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item)
  }
}

/** Resolves when a path of that kind carries what a session sends. */
async function isOn(session: Session, kind: PathKind): Promise<void> {
  for await (const path of session.paths()) if (path.kind === kind) return
}

async function findsDirect(t: ExecutionContext, scene: Scene, kind: PathKind) {
  const { ours, theirs } = await scene.next()
  const pair = await tcpPair(t)
  ours.find(pair.dialling, kind)
  theirs.find(pair.dialled, kind)
  return { pair, ours, theirs }
}

test('data move from the relay to a direct path, and back when it is cut, and to the next one: nothing is lost', async (t) => {
  const scene = await aScene(t)
  const { here, there } = scene
  const stream = here.open('echo')
  const sent = feed(stream, 96 * MIB)
  const came = digest(stream)
  const first = await findsDirect(t, scene, 'direct-udp')
  await Promise.all([isOn(here, 'direct-udp'), isOn(there, 'direct-udp')])
  t.deepEqual(here.currentPaths.map(({ kind }) => kind).sort(), ['direct-udp', 'relay'])
  first.ours.stop()
  first.theirs.stop()
  first.pair.dialled.destroy()
  await Promise.all([isOn(here, 'relay'), isOn(there, 'relay')])
  t.deepEqual(
    scene.lost.map(({ kind }) => kind),
    ['direct-udp'],
  )
  const second = await findsDirect(t, scene, 'direct-tcp')
  t.is(second.ours.context.attempt, 2)
  await Promise.all([isOn(here, 'direct-tcp'), isOn(there, 'direct-tcp')])
  t.deepEqual(await came, { length: 96 * MIB, hash: await sent })
  t.is(scene.caller.report.state, 'direct')
})

test('of two direct paths the better kind is used, and the other one when it dies', async (t) => {
  const scene = await aScene(t)
  const { here, there } = scene
  const { ours, theirs } = await findsDirect(t, scene, 'direct-udp')
  await isOn(here, 'direct-udp')
  const tcp = await tcpPair(t)
  ours.find(tcp.dialling, 'direct-tcp')
  theirs.find(tcp.dialled, 'direct-tcp')
  await Promise.all([isOn(here, 'direct-tcp'), isOn(there, 'direct-tcp')])
  tcp.dialling.destroy()
  await Promise.all([isOn(here, 'direct-udp'), isOn(there, 'direct-udp')])
  t.deepEqual(here.currentPaths.map(({ kind }) => kind).sort(), ['direct-udp', 'relay'])
})

test('both sides report what was tried, and messages of an older attempt are dropped', async (t) => {
  const scene = await aScene(t)
  const { ours, theirs } = await scene.next()
  theirs.context.send({
    kind: 'nat',
    attempt: 1,
    nat: {
      behavior: {
        mapping: 'address-and-port-dependent',
        filtering: 'address-and-port-dependent',
        portAllocation: 'random',
      },
      udpWorks: true,
      publicIps: ['203.0.113.9'],
    },
  })
  theirs.context.send({ kind: 'end', attempt: 7 })
  while (ours.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  ours.stop()
  theirs.stop()
  const callee = await scene.callee
  while (scene.reports.length < 4) await new Promise((resolve) => setTimeout(resolve, 5))
  const { report } = scene.caller
  t.is(report.state, 'relayed')
  t.deepEqual([report.tried, report.triedByPeer], [NOTHING, NOTHING])
  t.is(report.theirs?.publicIps[0], '203.0.113.9')
  t.is(report.prediction, undefined)
  t.is(report.retryInMs, 60_000)
  t.is(callee.report.state, 'relayed')
  t.deepEqual(callee.report.triedByPeer, NOTHING)
  t.deepEqual(
    ours.received.map(({ kind }) => kind),
    ['nat'],
  )
})

test('a peer that takes no part is left alone', async (t) => {
  const alices = aHost(t, alice)
  const { here } = await aSession(t, alices, aHost(t, bob, { echo }))
  const reported = deferred<DirectReport>()
  const caller = new DirectCaller({
    session: here,
    clock: runtime.clock,
    startAttempt: () => t.fail('there is nobody to search with'),
    addPath: () => Promise.resolve(),
    onReport: reported.resolve,
  })
  t.teardown(() => caller.stop())
  t.is((await reported.promise).state, 'unsupported')
})

test('offers that come too fast are dropped, and nonsense ends the signalling alone', async (t) => {
  const started: AttemptContext[] = []
  const bobs: SessionHost = aHost(t, bob, {
    echo,
    [DIRECT_SERVICE]: accepting((stream) => {
      new DirectCallee(stream, {
        clock: runtime.clock,
        startAttempt: (context) => {
          started.push(context)
          return new FakeSearch(context)
        },
        takePath: () => Promise.resolve(),
        hasDirectPath: () => false,
        signallingRttMs: () => 1,
        onReport: () => undefined,
      })
    }),
  })
  const { here } = await aSession(t, aHost(t, alice), bobs)
  const stream = here.open(DIRECT_SERVICE)
  const ended = once(stream, 'error')
  for (let attempt = 1; attempt <= 1000; attempt++) {
    stream.write(
      `${encodeDirectMessage({ kind: 'offer', attempt, credentials, streams: undefined, tcp: true })}\n`,
    )
  }
  stream.write('nonsense\n')
  await ended
  t.deepEqual(
    started.map(({ attempt }) => attempt),
    [1],
  )
  const echoed = here.open('echo')
  const sent = feed(echoed, 1000)
  t.is((await digest(echoed)).hash, await sent)
})
