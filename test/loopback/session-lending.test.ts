import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { takeOver } from '../../lib/net/chunk-source.ts'
import { splice } from '../../lib/net/splice.ts'
import type { SessionStream } from '../../lib/session/session-stream.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { tcpPair } from './identity-support/transports.ts'
import { aHost, aSession, accepting, alice, bob, deferred, quiet } from './session-support/hosts.ts'
import { receiveHashed, sendHashed } from './splice-support/hashed-stream.ts'

const MIB = 1024 * 1024
const STREAMS = 16

/** A stream from one peer to another: what is written at `from` comes at `to`. */
async function aStream(t: ExecutionContext): Promise<{ readonly from: Duplex; readonly to: SessionStream }> {
  const served = deferred<SessionStream>()
  const serve = accepting((stream) => served.resolve(stream))
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, { serve }))
  const from = quiet(here.open('serve'))
  from.write('')
  return { from, to: await served.promise }
}

/** Reads to the end, keeps what `keeps` says, and promises to need nothing else. */
async function readLent(stream: Duplex, keeps: () => boolean) {
  const hash = createHash('sha256')
  const memory = new Set<ArrayBufferLike>()
  const kept: { readonly bytes: Uint8Array; readonly hash: string }[] = []
  let isKeeping = false
  const source = takeOver(stream, {
    nextBuffer: () => new Uint8Array(0),
    onChunk: (bytes) => {
      hash.update(bytes)
      memory.add(bytes.buffer)
      if (keeps()) {
        isKeeping = true
        kept.push({ bytes, hash: hashOf(bytes) })
      }
      return true
    },
    giveBack: () => {
      const isFree = !isKeeping
      isKeeping = false
      return isFree
    },
  })
  source.resume()
  await once(stream, 'end')
  return { hash: hash.digest('hex'), memory, kept }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('who needs nothing of what it has read gets all bytes, in the same memory again and again', async (t) => {
  const { from, to } = await aStream(t)
  const [sent, { hash, memory }] = await Promise.all([
    sendHashed(from, 48 * MIB, new SeededRandom('lent')),
    readLent(to, () => false),
  ])
  t.is(hash, sent)
  t.true(memory.size <= 8, `${memory.size} pieces of memory`)
})

test('what a reader still needs is not overwritten', async (t) => {
  const { from, to } = await aStream(t)
  const random = new SeededRandom('kept')
  const choices = random.fork('choices')
  const [sent, { hash, kept }] = await Promise.all([
    sendHashed(from, 32 * MIB, random.fork('bytes')),
    readLent(to, () => choices.int(1, 4) === 1),
  ])
  t.is(hash, sent)
  t.true(kept.length > 10)
  t.true(kept.every((one) => hashOf(one.bytes) === one.hash))
})

test('readInPlace writes into the same memory again and again', async (t) => {
  const { from, to } = await aStream(t)
  const memory = new Set<ArrayBufferLike>()
  const hash = createHash('sha256')
  to.readInPlace((bytes) => {
    memory.add(bytes.buffer)
    hash.update(bytes)
  })
  const [sent] = await Promise.all([
    sendHashed(from, 48 * MIB, new SeededRandom('in place')),
    once(to, 'end'),
  ])
  t.is(hash.digest('hex'), sent)
  t.true(memory.size <= 8, `${memory.size} pieces of memory`)
})

test('readInPlace: what comes during a pause waits, and is not written over', async (t) => {
  const { from, to } = await aStream(t)
  const random = new SeededRandom('pauses')
  const pauses = random.fork('pauses')
  const hash = createHash('sha256')
  let paused = 0
  to.readInPlace((bytes) => {
    hash.update(bytes)
    if (pauses.int(1, 20) > 1) return
    paused++
    to.pause()
    void nextTurn().then(() => to.resume())
  })
  const [sent] = await Promise.all([sendHashed(from, 32 * MIB, random.fork('bytes')), once(to, 'end')])
  t.is(hash.digest('hex'), sent)
  t.true(paused > 5)
})

test('readInPlace: what others keep that listen beside or after it is not written over', async (t) => {
  const { from, to } = await aStream(t)
  const kept: { readonly bytes: Uint8Array; readonly hash: string }[] = []
  const keep = (bytes: Uint8Array) => void kept.push({ bytes, hash: hashOf(bytes) })
  let length = 0
  const look = (bytes: Uint8Array) => {
    length += bytes.length
    if (kept.length < 50)
      to.once('data', keep) // hears of the next one
    else to.off('data', look).on('data', keep)
  }
  to.readInPlace(look)
  await Promise.all([sendHashed(from, 24 * MIB, new SeededRandom('others listen')), once(to, 'end')])
  t.true(length < 24 * MIB)
  t.true(kept.length > 100)
  t.true(kept.every((one) => hashOf(one.bytes) === one.hash))
})

test('a small message that is kept keeps little beside itself, and is not written over', async (t) => {
  const { from, to } = await aStream(t)
  const random = new SeededRandom('small messages')
  const sent = Array.from({ length: 200 }, () => random.bytes(1024))
  const kept: Uint8Array[] = []
  to.on('data', (bytes: Uint8Array) => kept.push(bytes))
  for (const message of sent) {
    const came = once(to, 'data')
    from.write(message)
    await came
  }
  t.deepEqual(kept.map(hashOf), sent.map(hashOf))
  const memory = [...new Set(kept.map(({ buffer }) => buffer.byteLength))]
  t.true(Math.max(...memory) <= Buffer.poolSize, `pieces of memory of ${memory.join(', ')} bytes`)
})

/** Takes each write some turns of the event loop later, and only then looks at it. */
function aSlowTarget(random: SeededRandom) {
  const hash = createHash('sha256')
  const take = async (chunks: readonly Uint8Array[]) => {
    for (let turns = random.int(0, 3); turns > 0; turns--) await nextTurn()
    for (const chunk of chunks) hash.update(chunk)
  }
  const target = new Duplex({
    allowHalfOpen: true,
    read: () => undefined,
    write: (chunk: Uint8Array, _encoding, callback) => void take([chunk]).then(() => callback(), callback),
    writev: (all, callback) => {
      const chunks = all.map(({ chunk }: { chunk: Uint8Array }) => chunk)
      void take(chunks).then(() => callback(), callback)
    },
    final: (callback) => {
      callback()
      target.push(null)
    },
  })
  return { target, hash: () => hash.digest('hex') }
}

test('nothing is overwritten that a splice has not written yet', async (t) => {
  const { from, to } = await aStream(t)
  const random = new SeededRandom('slow target')
  const { target, hash } = aSlowTarget(random.fork('turns'))
  const joined = splice(to, target)
  const sent = await sendHashed(from, 32 * MIB, random.fork('bytes'))
  from.resume()
  t.like(await joined.closed, { kind: 'ended' })
  t.is(hash(), sent)
})

test('16 streams of a session end in sockets whose readers stop and go: each gets its own bytes, whole', async (t) => {
  const random = new SeededRandom('stop and go')
  const waiting = new Map<string, (stream: Duplex) => void>()
  const names = Array.from({ length: STREAMS }, (_, i) => `stream-${i}`)
  const serve = accepting((stream) => waiting.get(stream.service)?.(stream))
  const services = Object.fromEntries(names.map((name) => [name, serve]))
  const { here } = await aSession(t, aHost(t, alice), aHost(t, bob, services))
  const outcomes = await Promise.all(
    names.map(async (name) => {
      const own = random.fork(name)
      const [near, far] = [await tcpPair(t), await tcpPair(t)]
      const served = new Promise<Duplex>((resolve) => waiting.set(name, resolve))
      const joinedHere = splice(near.dialled, quiet(here.open(name)))
      near.dialling.write('')
      const joinedThere = splice(far.dialling, await served)
      const [sent, got, back, gotBack] = await Promise.all([
        sendHashed(near.dialling, 3 * MIB, own.fork('forth')),
        receiveHashed(far.dialled, own.fork('far reader')),
        sendHashed(far.dialled, MIB, own.fork('back')),
        receiveHashed(near.dialling, own.fork('near reader')),
      ])
      const ends = [await joinedHere.closed, await joinedThere.closed]
      return sent === got && back === gotBack && ends.every(({ kind }) => kind === 'ended')
    }),
  )
  t.deepEqual(
    outcomes,
    Array.from({ length: STREAMS }, () => true),
  )
})
