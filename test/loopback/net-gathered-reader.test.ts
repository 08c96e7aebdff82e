import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { readGathered } from '../../lib/net/gathered-reader.ts'
import { onreadSocket } from '../../lib/net/onread.ts'
import { scavengesDuring } from '../support/scavenges.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { aTlsPair } from './identity-support/tls-pair.ts'
import type { TransportPair } from './identity-support/transports.ts'
import { closed, transportKinds } from './identity-support/transports.ts'
import { sendHashed } from './splice-support/hashed-stream.ts'

const MIB = 1024 * 1024

/** What is told, piece by piece and without a copy, and when the end came. */
function collect(stream: Duplex) {
  const pieces: Uint8Array[] = []
  const ended = new Promise<void>((resolve) => {
    readGathered(stream, {
      onBytes: (block, from, to) => pieces.push(block.subarray(from, to)) === 0,
      onEnd: resolve,
    })
  })
  return { pieces, ended }
}

function hashOf(pieces: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

for (const { title, open } of transportKinds) {
  test(`over ${title}: all bytes come, in order, and nobody writes to them later`, async (t) => {
    const [client, server] = await aTlsPair(await open(t))
    const { pieces, ended } = collect(server)
    const sent = await sendHashed(client, 32 * MIB, new SeededRandom(`gathered ${title}`))
    await ended
    // Hashed at the very end: a piece that was overwritten would show.
    t.is(hashOf(pieces), sent)
    t.true(pieces.length < (32 * MIB) / (16 * 1024), `${pieces.length} pieces: fewer than records`)
  })

  test(`over ${title}: what was read before comes first, and small messages at once`, async (t) => {
    const [client, server] = await aTlsPair(await open(t))
    client.write('one')
    await once(server, 'readable')
    const { pieces, ended } = collect(server)
    t.is(Buffer.concat(pieces).toString(), 'one')
    for (const word of ['two', 'three']) {
      client.write(word)
      await untilLength(pieces, 'onetwothree'.indexOf(word) + word.length)
    }
    client.end('four')
    await ended
    t.is(Buffer.concat(pieces).toString(), 'onetwothreefour')
  })

  test(`over ${title}: the memory of a burst is given back when little comes`, async (t) => {
    const [client, server] = await aTlsPair(await open(t))
    /** The memory that each piece lay in, and its length. */
    const pieces: { readonly block: number; readonly length: number }[] = []
    readGathered(server, {
      onBytes: ({ buffer }, from, to) => pieces.push({ block: buffer.byteLength, length: to - from }) > 0,
      onEnd: () => undefined,
    })
    client.write(Buffer.alloc(8 * MIB))
    await untilLength(pieces, 8 * MIB)
    t.true(pieces.some(({ block }) => block >= 256 * 1024))
    for (let i = 1; i <= 12; i++) {
      client.write('x')
      await untilLength(pieces, 8 * MIB + i)
    }
    t.true((pieces.at(-1)?.block ?? Infinity) <= 64 * 1024)
  })

  test(`over ${title}: a full record alone is told, too, and what came before a connection broke`, async (t) => {
    const [client, server] = await aTlsPair(await open(t))
    const { pieces, ended } = collect(server)
    client.write(Buffer.alloc(16 * 1024, 1))
    await untilLength(pieces, 16 * 1024)
    client.write(Buffer.alloc(2 * 16 * 1024, 2))
    await untilLength(pieces, 3 * 16 * 1024)
    server.on('error', () => undefined)
    client.destroy()
    await Promise.race([ended, closed(server)])
    t.is(Buffer.concat(pieces).length, 3 * 16 * 1024)
    server.destroy()
  })
}

for (const isKept of [true, false]) {
  const who = isKept ? 'may keep what it gets' : 'gives all of it back'
  test.serial(
    `V8 is asked to look for what is dead ${isKept ? 'when' : 'only when'} the receiver ${who}`,
    async (t) => {
      const [client, server] = await aTlsPair(await transportOf(t, 'TCP'))
      const scavenges = await scavengesDuring(async () => {
        const ended = new Promise<void>((onEnd) => readGathered(server, { onBytes: () => !isKept, onEnd }))
        const chunk = Buffer.alloc(MIB)
        for (let i = 0; i < 256; i++) if (!client.write(chunk)) await once(client, 'drain')
        client.end()
        await ended
      })
      t.is(scavenges >= 32, isKept, `${scavenges} scavenges for 256 MiB`)
    },
  )
}

test('a TLSSocket of this Node reads into given memory; a stream that is no socket does not', async (t) => {
  const [client] = await aTlsPair(await transportOf(t, 'TCP'))
  t.not(onreadSocket(client), undefined)
  t.is(onreadSocket((await transportOf(t, 'a plain Duplex')).dialling), undefined)
})

test('a stream that is no TLSSocket is read as it is', async (t) => {
  const { dialling, dialled } = await transportOf(t, 'a plain Duplex')
  const { pieces, ended } = collect(dialled)
  dialling.write('all ')
  dialling.end('of it')
  await ended
  t.is(Buffer.concat(pieces).toString(), 'all of it')
})

function transportOf(t: ExecutionContext, kind: string): Promise<TransportPair> {
  const found = transportKinds.find(({ title }) => title === kind)
  if (found === undefined) throw new Error(`no transport is called ${kind}`)
  return found.open(t)
}

async function untilLength(pieces: readonly { readonly length: number }[], length: number): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  while (pieces.reduce((sum, piece) => sum + piece.length, 0) < length) {
    if (performance.now() > deadlineMs) throw new Error(`${length} bytes did not come`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
