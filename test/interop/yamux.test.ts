import './support/promise-with-resolvers.ts'
import { createHash } from 'node:crypto'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { INITIAL_WINDOW } from '../../lib/protocol/mux/frame.ts'
import { RESET_REASONS } from '../../lib/protocol/mux/reset-reason.ts'
import { patternAt } from '../unit/protocol/link/pattern.ts'
import { OurMux } from './support/our-mux.ts'
import type { OurStream } from './support/our-mux.ts'

/* The yamux of libp2p in JavaScript against ours, over a pipe in memory. */

const CHUNK = 50_000
const CHUNKS = 50
const TOTAL = CHUNK * CHUNKS
const HELLO = new TextEncoder().encode('hello')
const ROLES = ['initiator', 'responder'] as const

type Role = (typeof ROLES)[number]

interface Scene {
  readonly ours: OurMux
  readonly theirs: StreamMuxer & { ping(): Promise<number> }
  /** Their end of the next stream that we open. */
  readonly nextStream: () => Promise<Stream>
  /** Closes the pipe. */
  readonly closePipe: () => Promise<void>
}

function meet(t: ExecutionContext, role: Role): Scene {
  const [outbound, inbound] = multiaddrConnectionPair()
  const [connection, other] = role === 'initiator' ? [outbound, inbound] : [inbound, outbound]
  const theirs = yamux({ enableKeepAlive: false })().createStreamMuxer(other)
  const ours = new OurMux(connection)
  t.teardown(() => {
    outbound.abort(new Error('the test is over'))
    inbound.abort(new Error('the test is over'))
  })
  return {
    ours,
    theirs,
    nextStream: () =>
      new Promise((resolve) =>
        theirs.addEventListener('stream', ({ detail }) => resolve(detail), { once: true }),
      ),
    closePipe: () => other.close(),
  }
}

/** The n-th stream's bytes, chunk by chunk. */
function chunksOf(n: number): readonly Uint8Array[] {
  return Array.from({ length: CHUNKS }, (_, i) => patternAt(n * 1009 + i * CHUNK, CHUNK))
}

function digestOf(chunks: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

async function sendFromTheirs(stream: Stream, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) if (!stream.send(chunk)) await stream.onDrain()
  await stream.close()
}

async function sendFromOurs(stream: OurStream, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) await stream.write(chunk)
  stream.end()
}

async function readAtTheirs(stream: Stream): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of stream) hash.update(piece.subarray())
  return hash.digest('hex')
}

async function echoAtTheirs(stream: Stream): Promise<void> {
  for await (const piece of stream) if (!stream.send(piece)) await stream.onDrain()
  await stream.close()
}

for (const role of ROLES) {
  test(`as ${role}: eight of our streams with 2.5 MB each come back whole`, async (t) => {
    const { ours, theirs } = meet(t, role)
    const echoes: Promise<void>[] = []
    theirs.addEventListener('stream', ({ detail }) => void echoes.push(echoAtTheirs(detail)))
    const streams = Array.from({ length: 8 }, () => ours.open())
    await Promise.all(streams.map((stream, n) => sendFromOurs(stream, chunksOf(n))))
    await ours.until(() => streams.every(({ isClosed }) => isClosed))
    await Promise.all(echoes)
    for (const [n, { digest, received, resetCode, stream }] of streams.entries()) {
      t.is(resetCode, undefined)
      t.true(stream.isAccepted)
      t.is(received, TOTAL)
      t.is(digest, digestOf(chunksOf(n)))
    }
    t.is(ours.session.streamCount, 0)
    t.is(ours.session.memory.held, 0)
    t.is(ours.session.end, undefined)
  })

  test(`as ${role}: eight of their streams with 2.5 MB each come back whole`, async (t) => {
    const { ours, theirs } = meet(t, role)
    const accepted: OurStream[] = []
    ours.onStream = (stream) => {
      accepted.push(stream)
      stream.isEchoing = true
      stream.stream.accept()
    }
    const digests = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const stream = await theirs.createStream()
        const [digest] = await Promise.all([readAtTheirs(stream), sendFromTheirs(stream, chunksOf(n))])
        return digest
      }),
    )
    t.deepEqual(
      digests,
      digests.map((_, n) => digestOf(chunksOf(n))),
    )
    await ours.until(() => accepted.every(({ isClosed }) => isClosed))
    t.is(accepted.length, 8)
    t.is(ours.session.streamCount, 0)
    t.is(ours.session.end, undefined)
  })

  test(`as ${role}: our end is heard, and theirs goes on`, async (t) => {
    const { ours, nextStream } = meet(t, role)
    const coming = nextStream()
    const stream = ours.open()
    stream.stream.write(HELLO)
    stream.end()
    const theirEnd = await coming
    t.is(await readAtTheirs(theirEnd), digestOf([HELLO]))
    t.false(stream.hasEnded)
    await sendFromTheirs(theirEnd, chunksOf(1))
    await ours.until(() => stream.isClosed)
    t.is(stream.digest, digestOf(chunksOf(1)))
    t.is(theirEnd.status, 'closed')
  })

  test(`as ${role}: their end is heard, and ours goes on`, async (t) => {
    const { ours, theirs } = meet(t, role)
    const accepted: OurStream[] = []
    ours.onStream = (stream) => {
      accepted.push(stream)
      stream.stream.accept()
    }
    const theirEnd = await theirs.createStream()
    const reading = readAtTheirs(theirEnd)
    await sendFromTheirs(theirEnd, [HELLO])
    await ours.until(() => accepted[0]?.hasEnded === true)
    const [stream] = accepted
    if (stream === undefined) return t.fail()
    t.is(stream.digest, digestOf([HELLO]))
    t.false(stream.isClosed)
    await sendFromOurs(stream, chunksOf(2))
    t.is(await reading, digestOf(chunksOf(2)))
    await ours.until(() => stream.isClosed)
  })

  test(`as ${role}: resets arrive in both directions, and other streams go on`, async (t) => {
    const { ours, theirs, nextStream } = meet(t, role)
    const [firstComing, first] = [nextStream(), ours.open()]
    const firstEnd = await firstComing
    const closed = new Promise<Error | undefined>((resolve) =>
      firstEnd.addEventListener('close', ({ error }) => resolve(error)),
    )
    first.reset(RESET_REASONS.cancelled)
    t.is((await closed)?.name, 'StreamResetError')
    t.is(firstEnd.status, 'reset')

    const [secondComing, second] = [nextStream(), ours.open()]
    const secondEnd = await secondComing
    secondEnd.abort(new Error('no more'))
    await ours.until(() => second.resetCode !== undefined)
    t.is(second.resetCode, RESET_REASONS.unspecified)

    ours.onStream = (stream) => stream.reset(RESET_REASONS['not-permitted'])
    const refused = await theirs.createStream()
    await new Promise((resolve) => refused.addEventListener('close', resolve))
    t.is(refused.status, 'reset')

    theirs.addEventListener('stream', ({ detail }) => void echoAtTheirs(detail))
    const third = ours.open()
    await sendFromOurs(third, [HELLO])
    await ours.until(() => third.isClosed)
    t.is(third.digest, digestOf([HELLO]))
    t.is(ours.session.streamCount, 0)
  })

  test(`as ${role}: pings are answered both ways`, async (t) => {
    const { ours, theirs } = meet(t, role)
    t.true((await theirs.ping()) >= 0)
    t.true((await theirs.ping()) >= 0)
    await ours.until(() => ours.session.rttMs !== undefined)
    t.is(ours.session.end, undefined)
  })

  test(`as ${role}: who sends stops at the window, and goes on when it was read`, async (t) => {
    const { ours, theirs, nextStream } = meet(t, role)
    const accepted: OurStream[] = []
    ours.onStream = (stream) => {
      accepted.push(stream)
      stream.isReading = false
      stream.stream.accept()
    }
    const sent = sendFromTheirs(await theirs.createStream(), chunksOf(3))
    await ours.until(() => accepted[0]?.stream.heldLength === INITIAL_WINDOW)
    await theirs.ping() // whatever they sent before it has arrived
    const [stream] = accepted
    t.is(stream?.received, INITIAL_WINDOW)
    stream?.read()
    await sent
    await ours.until(() => stream?.hasEnded === true)
    t.is(stream?.digest, digestOf(chunksOf(3)))

    const coming = nextStream()
    const other = ours.open()
    const otherEnd = await coming
    otherEnd.pause()
    for (const chunk of chunksOf(4)) other.stream.write(chunk)
    other.end()
    await ours.until(() => other.stream.queuedLength <= TOTAL - INITIAL_WINDOW)
    await theirs.ping()
    t.is(other.stream.queuedLength, TOTAL - INITIAL_WINDOW)
    const digest = readAtTheirs(otherEnd)
    otherEnd.resume()
    t.is(await digest, digestOf(chunksOf(4)))
    t.is(other.stream.queuedLength, 0)
  })

  test(`as ${role}: they take leave when their streams are over, and so do we`, async (t) => {
    const { ours, theirs, closePipe } = meet(t, role)
    await theirs.close()
    await ours.until(() => ours.events.includes('draining'))
    t.is(ours.session.openRefusal, 'draining')
    await closePipe()
    await ours.until(() => ours.session.end !== undefined)
    t.deepEqual(ours.session.end, { kind: 'finished' })
  })

  test(`as ${role}: our leave is understood`, async (t) => {
    const { ours, theirs } = meet(t, role)
    await theirs.ping()
    ours.session.drain()
    ours.pump()
    t.deepEqual(ours.session.end, { kind: 'finished' })
    while (theirs.status === 'open') await new Promise(setImmediate)
    await t.throwsAsync(theirs.createStream())
  })
}
