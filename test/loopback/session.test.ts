import { setTimeout as sleep } from 'node:timers/promises'
import { once } from 'node:events'
import test from 'ava'
import { ReachError } from '../../lib/base/errors.ts'
import { signDenyList } from '../../lib/identity/trust/deny-list.ts'
import { liveness } from '../../lib/protocol/link/path-liveness.ts'
import type { SessionStream } from '../../lib/session/session-stream.ts'
import { readToEnd, tcpPair } from './identity-support/transports.ts'
import {
  aHost,
  aSession,
  aTrustStore,
  accepting,
  alice,
  anotherPath,
  bob,
  deferred,
  digest,
  echo,
  feed,
  measured,
  network,
  pattern,
  quiet,
  sha256,
} from './session-support/hosts.ts'
import { SlowUplink } from './session-support/slow-uplink.ts'

const MIB = 1024 * 1024

async function failure(stream: SessionStream): Promise<ReachError> {
  const happened: readonly unknown[] = await once(stream, 'error')
  const [error] = happened
  if (ReachError.is(error)) return error
  throw new Error('failed otherwise', { cause: error })
}

test('bytes go both ways, each direction ends by itself', async (t) => {
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  const stream = quiet(here.open('echo'))
  const sent = feed(stream, 32 * MIB)
  const came = await digest(stream)
  t.deepEqual(came, { length: 32 * MIB, hash: await sent })
  t.like(here.currentPaths[0], { kind: 'relay', isActive: true })
  t.is(here.peer.name, 'bob')
})

test('sixteen streams at once, each with its own bytes, and readers of different speed', async (t) => {
  const { here, there } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  const streams = Array.from({ length: 16 }, (_, index) => ({ index, stream: quiet(here.open('echo')) }))
  const results = await Promise.all(
    streams.map(async ({ index, stream }) => {
      const length = 2 * MIB + index
      const sent = feed(stream, length, index + 1)
      if (index % 4 === 0) await sleep(50 * index)
      return { came: await digest(stream), expected: { length, hash: await sent } }
    }),
  )
  for (const { came, expected } of results) t.deepEqual(came, expected)
  await sleep(10)
  t.is(there.streamCount, 0)
  t.is(here.streamCount, 0)
})

test('what is written in the turn of the opening is there when the stream is offered', async (t) => {
  const offered = new Promise<SessionStream>((resolve) => {
    const bobs = aHost(t, bob, { web: (stream) => resolve(quiet(stream)) })
    void aSession(t, aHost(t, alice), bobs).then(({ here }) => quiet(here.open('web')).end('hello'))
  })
  const stream = await offered
  stream.accept()
  t.is((await readToEnd(stream)).toString(), 'hello')
  stream.end()
})

test('a stream is refused with a reason', async (t) => {
  const bobs = aHost(t, bob, {
    closed: (stream) => stream.reset('target-unreachable'),
    broken: () => {
      throw new Error('a fault of the application')
    },
  })
  const { here } = await aSession(t, aHost(t, alice), bobs)
  for (const [service, reason] of [
    ['nothing', 'service-unknown'],
    ['closed', 'target-unreachable'],
    ['broken', 'internal'],
  ] as const) {
    const error = await failure(here.open(service))
    t.is(error.code, 'ERR_REACH_STREAM_REFUSED')
    t.is(error.details['reason'], reason)
  }
  t.is(here.streamCount, 0)
})

test('a destroyed stream breaks off at the other side, and the session goes on', async (t) => {
  const taken = deferred<SessionStream>()
  const bobs = aHost(t, bob, { echo, sink: accepting((stream) => taken.resolve(stream)) })
  const { here } = await aSession(t, aHost(t, alice), bobs)
  const stream = quiet(here.open('sink'))
  stream.write('half a sen')
  const other = await taken.promise
  const broken = failure(other)
  await once(other, 'readable')
  stream.destroy()
  t.is((await broken).code, 'ERR_REACH_STREAM_RESET')
  const next = quiet(here.open('echo'))
  next.end('tence')
  t.is((await readToEnd(next)).toString(), 'tence')
})

test('end() and destroy() deliver what was written', async (t) => {
  const taken = deferred<SessionStream>()
  const { here } = await aSession(
    t,
    aHost(t, alice),
    aHost(t, bob, { sink: accepting((stream) => taken.resolve(stream)) }),
  )
  const stream = quiet(here.open('sink'))
  const sent = feed(stream, 3 * MIB)
  stream.once('finish', () => stream.destroy())
  const came = await digest(await taken.promise)
  t.deepEqual(came, { length: 3 * MIB, hash: await sent })
})

test('a reader that stops stops its sender, and costs a window', async (t) => {
  const taken = deferred<SessionStream>()
  const bobs = aHost(t, bob, { echo, sink: accepting((stream) => taken.resolve(stream)) })
  const { here, there } = await aSession(t, aHost(t, alice), bobs)
  const stream = quiet(here.open('sink'))
  let written = 0
  const block = pattern(64 * 1024)
  const writeOn = () => {
    while (written < 64 * MIB && stream.write(block)) written += block.length
  }
  stream.on('drain', writeOn)
  writeOn()
  await taken.promise
  await sleep(300)
  t.true(written < 2 * MIB, `${written} bytes were taken`)
  t.true(there.memory.unread <= 512 * 1024)
  const other = quiet(here.open('echo'))
  const sent = feed(other, 4 * MIB)
  t.deepEqual(await digest(other), { length: 4 * MIB, hash: await sent })
  stream.destroy()
})

test('a session moves to another path in the middle of everything', async (t) => {
  const alices = aHost(t, alice)
  const bobs = aHost(t, bob, { echo })
  const needed = deferred<number>()
  const { here, pair } = await aSession(t, alices, bobs, {
    onPathNeeded: (_session, untilMs) => needed.resolve(untilMs),
  })
  const streams = Array.from({ length: 4 }, () => here.open('echo'))
  const sent = streams.map((stream, index) => feed(stream, 16 * MIB, index + 1))
  const came = streams.map((stream) => digest(stream))
  await sleep(40)
  pair.dialling.destroy() // what is under way is gone
  await needed.promise
  t.deepEqual(here.currentPaths, [])
  const second = await anotherPath(t, alices, bobs, here)
  await sleep(40)
  second.dialled.destroy()
  await sleep(20)
  await anotherPath(t, alices, bobs, here)
  for (const [index, result] of (await Promise.all(came)).entries()) {
    t.deepEqual(result, { length: 16 * MIB, hash: await sent[index] })
  }
})

test('a direct path whose queues are full is not taken for a detour: the relay that is idle carries nothing', async (t) => {
  const often = { ...liveness, busyPingIntervalMs: 20, idlePingIntervalMs: 20 }
  const alices = aHost(t, alice, {}, { liveness: often })
  const bobs = aHost(t, bob, { echo })
  const taken: string[] = []
  const { here } = await aSession(t, alices, bobs, { onPath: ({ kind }) => taken.push(kind) })
  const direct = await tcpPair(t)
  const about = { kind: 'direct-tcp', via: 'test:2' } as const
  await Promise.all([
    alices.addPath(here, new SlowUplink(direct.dialling, 2 * 1024), about),
    bobs.accept(direct.dialled, about),
  ])
  await measured(t, here, 'direct-tcp')
  taken.length = 0 // a machine that stood still for a moment may have shown a detour where there is none
  const stream = quiet(here.open('echo'))
  const sent = feed(stream, 6 * MIB)
  t.deepEqual(await digest(stream), { length: 6 * MIB, hash: await sent })
  t.deepEqual(taken, [])
  const [busy] = here.currentPaths
  t.is(busy?.kind, 'direct-tcp')
  t.true((busy?.rttMs ?? 0) > 60, `a round trip of ${busy?.rttMs} ms: its queues were not full`)
})

test('a session without a path ends after its resume time, and says so to its streams', async (t) => {
  const link = { resumeTimeMs: 300 }
  const { here, there, pair } = await aSession(
    t,
    aHost(t, alice, {}, link),
    aHost(t, bob, { sink: accepting(() => undefined) }, link),
  )
  const stream = quiet(here.open('sink'))
  await once(stream, 'accepted')
  pair.dialling.destroy()
  t.is((await failure(stream)).code, 'ERR_REACH_SESSION_LOST')
  t.is((await here.closed)?.code, 'ERR_REACH_SESSION_LOST')
  t.is((await there.closed)?.code, 'ERR_REACH_SESSION_LOST')
  const error = t.throws(() => here.open('sink'))
  t.true(ReachError.is(error, 'ERR_REACH_SESSION_LOST'))
})

test('a session that takes leave lets its streams end, and opens no more', async (t) => {
  const { here, there } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  const stream = quiet(here.open('echo'))
  const sent = feed(stream, 8 * MIB)
  const closed = here.close()
  t.throws(() => here.open('echo'))
  t.deepEqual(await digest(stream), { length: 8 * MIB, hash: await sent })
  await closed
  t.is(await here.closed, undefined)
  t.is(await there.closed, undefined)
  t.false(there.isOpen)
})

test('a session whose peer has vanished closes in the time that it is given', async (t) => {
  const { here, pair } = await aSession(t, aHost(t, alice), aHost(t, bob))
  pair.dialling.destroy()
  await once(pair.dialled, 'close')
  const startMs = performance.now()
  await here.close(200)
  t.true(performance.now() - startMs < 5000)
  t.is((await here.closed)?.code, 'ERR_REACH_ABORTED')
})

test('both sides open streams, and sessions that both began live side by side', async (t) => {
  const alices = aHost(t, alice, { echo })
  const bobs = aHost(t, bob, { echo })
  const [one, other] = await Promise.all([aSession(t, alices, bobs), aSession(t, bobs, alices)])
  for (const session of [one.here, one.there, other.here, other.there]) {
    const stream = session.open('echo')
    stream.end('both ways')
    t.is((await readToEnd(stream)).toString(), 'both ways')
  }
})

test('a stranger’s path is no path of a session', async (t) => {
  const alices = aHost(t, alice)
  const { here } = await aSession(t, alices, aHost(t, bob, { echo }))
  const pair = await tcpPair(t)
  const [added, accepted] = await Promise.allSettled([
    alices.addPath(here, pair.dialling, { kind: 'relay', via: 'test:3' }),
    aHost(t, alice).accept(pair.dialled, { kind: 'relay', via: 'test:3' }),
  ])
  t.true(added.status === 'rejected' && ReachError.is(added.reason, 'ERR_REACH_TRUST_WRONG_KEY'))
  t.is(accepted.status, 'rejected')
  t.is(here.currentPaths.length, 1)
})

test('a peer whose key is denied loses its paths at once', async (t) => {
  const trust = aTrustStore()
  const needed = deferred<number>()
  const bobs = aHost(t, bob, { echo }, { resumeTimeMs: 200 }, trust)
  const { here, there } = await aSession(t, aHost(t, alice), bobs, {
    onPathNeeded: (_session, untilMs) => needed.resolve(untilMs),
  })
  const stream = quiet(here.open('echo'))
  await once(stream, 'accepted')
  const keys = [{ spkiSha256: alice.leaf.spkiSha256, deniedAtMs: Date.now(), reason: 'test' }]
  const list = { domain: network.domain, number: 1, issuedAtMs: Date.now(), keys }
  trust.applyDenyList(signDenyList(list, network.issuer.privateKey, [network.intermediate]), Date.now())
  await needed.promise
  for (let wait = 0; wait < 200 && there.currentPaths.length > 0; wait++) await sleep(10)
  t.deepEqual(there.currentPaths, [])
  t.is((await failure(stream)).code, 'ERR_REACH_SESSION_LOST')
})

test('thousands of short streams leave nothing behind', async (t) => {
  const { here, there } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  for (let round = 0; round < 5; round++) {
    const answers = Array.from({ length: 1000 }, async (_, index) => {
      const stream = quiet(here.open('echo'))
      const word = `${round}/${index}`
      stream.end(word)
      return (await readToEnd(stream)).toString() === word
    })
    t.true((await Promise.all(answers)).every(Boolean))
  }
  await sleep(20)
  t.is(here.streamCount + there.streamCount, 0)
  t.deepEqual(here.memory, { unread: 0, unacknowledged: here.memory.unacknowledged })
  t.is(there.memory.unread, 0)
})

test('datagrams go both ways beside streams', async (t) => {
  const came: string[] = []
  const enough = deferred<undefined>()
  const onDatagram = (_session: unknown, bytes: Uint8Array) => {
    came.push(Buffer.from(bytes).toString())
    if (came.length === 101) enough.resolve(undefined)
  }
  const { here, there } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }), { onDatagram })
  const stream = quiet(here.open('echo'))
  const sent = feed(stream, 4 * MIB)
  for (let number = 0; number < 100; number++) there.sendDatagram(Buffer.from(`number ${number}`))
  there.sendDatagram(Buffer.alloc(0))
  await enough.promise
  t.deepEqual(came.slice(0, 3), ['number 0', 'number 1', 'number 2'])
  t.is(came[100], '')
  t.throws(() => there.sendDatagram(Buffer.alloc(1201)), { instanceOf: RangeError })
  t.deepEqual(await digest(stream), { length: 4 * MIB, hash: await sent })
})

test('the writer may use its memory again after the callback', async (t) => {
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { echo }))
  const stream = quiet(here.open('echo'))
  const block = Buffer.alloc(100_000)
  const expected: Buffer[] = []
  const came = readToEnd(stream)
  for (let round = 0; round < 50; round++) {
    block.fill(round)
    expected.push(Buffer.from(block))
    await new Promise<void>((resolve, reject) => {
      stream.write(block, (error) => (error ? reject(error) : resolve()))
    })
  }
  stream.end()
  t.is(sha256(await came), sha256(Buffer.concat(expected)))
})
