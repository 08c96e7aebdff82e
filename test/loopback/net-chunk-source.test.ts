import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import test from 'ava'
import { takeOver } from '../../lib/net/chunk-source.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'
import { PairServer } from './splice-support/joined-pair.ts'

/** Notes what a connection reads, and into what. */
function recorder() {
  const own = Buffer.alloc(64)
  const chunks: { readonly text: string; readonly isOwn: boolean }[] = []
  let wake: () => void = () => undefined
  return {
    chunks,
    next: () => new Promise<void>((resolve) => (wake = resolve)),
    nextBuffer: () => own,
    onChunk: (buffer: Uint8Array, count: number) => {
      chunks.push({ text: Buffer.from(buffer.subarray(0, count)).toString(), isOwn: buffer === own })
      wake()
      return true
    },
  }
}

for (const { family, ip, skipReason } of await loopbackFamilies()) {
  if (skipReason !== undefined) continue

  test(`${family}: an accepted connection reads into the buffer that it is given`, async (t) => {
    await using server = await PairServer.open(ip)
    const { client, accepted } = await server.connection()
    const reader = recorder()
    const source = takeOver(accepted, reader)
    t.not(source.stream, accepted, 'the handle has moved to another socket')
    source.resume()
    client.write('hello')
    await reader.next()
    t.deepEqual(reader.chunks, [{ text: 'hello', isOwn: true }])
    source.stream.destroy()
  })
}

test('a connection that was dialled is taken over in the same way', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const { client, accepted } = await server.connection()
  const reader = recorder()
  const source = takeOver(client, reader)
  source.resume()
  accepted.write('hello')
  await reader.next()
  t.deepEqual(reader.chunks, [{ text: 'hello', isOwn: true }])
  const closed = once(source.stream, 'close')
  source.stream.destroy()
  await closed
})

test('nothing is read before resume, and what was read before comes as leftover', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const { client, accepted } = await server.connection()
  client.write('early')
  await once(accepted, 'readable')
  const reader = recorder()
  const source = takeOver(accepted, reader)
  t.is(Buffer.from(source.leftover ?? []).toString(), 'early')
  client.write('late')
  // The echo of a second connection says that the event loop has turned with bytes waiting.
  const other = await server.connection()
  other.client.write('x')
  await once(other.accepted, 'data')
  t.deepEqual(reader.chunks, [])
  source.resume()
  await reader.next()
  t.deepEqual(reader.chunks, [{ text: 'late', isOwn: true }])
  source.stream.destroy()
})

test('its server counts the connection until its owner destroys what is left of it', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const { accepted } = await server.connection()
  const source = takeOver(accepted, recorder())
  t.is(server.connectionCount, 1)
  const closed = once(accepted, 'close')
  source.stream.destroy()
  accepted.destroy()
  await closed
  t.is(server.connectionCount, 0)
})

test('a stream that is no plain socket is read as it is', async (t) => {
  const stream = new PassThrough()
  const reader = recorder()
  const source = takeOver(stream, reader)
  t.is(source.stream, stream)
  const read = reader.next()
  source.resume()
  stream.write('hello')
  await read
  t.deepEqual(reader.chunks, [{ text: 'hello', isOwn: false }])
})
