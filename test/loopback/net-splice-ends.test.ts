import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { TLSSocket, connect as connectTls, createServer as createTlsServer } from 'node:tls'
import test from 'ava'
import { makeSelfSignedCertificate } from '../../lib/identity/issue/self-signed-web-certificate.ts'
import { splice } from '../../lib/net/splice.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'
import { PairServer, failure, settled } from './splice-support/joined-pair.ts'

for (const { family, ip, skipReason } of await loopbackFamilies()) {
  if (skipReason !== undefined) {
    console.log(`skipped ends of splices over ${family}: ${skipReason}`)
    continue
  }

  for (const first of ['left', 'right'] as const) {
    test(`${family}: when the ${first} side ends, the other may still speak, and is heard`, async (t) => {
      await using server = await PairServer.open(ip)
      const pair = await server.join()
      const [asker, answerer] = first === 'left' ? [pair.left, pair.right] : [pair.right, pair.left]
      const answer = once(asker, 'data')
      asker.end('the question')
      const question: string[] = []
      answerer.on('data', (bytes) => question.push(String(bytes)))
      await once(answerer, 'end')
      t.deepEqual(question, ['the question'])
      answerer.write('an answer')
      t.is(String((await answer)[0]), 'an answer')
      const rest = text(asker)
      answerer.end(', and more')
      t.is(await rest, ', and more')
      t.deepEqual(await pair.splice.closed, { kind: 'ended' })
    })

    test(`${family}: a reset by the ${first} side is a reset for the other`, async (t) => {
      await using server = await PairServer.open(ip)
      const pair = await server.join()
      const [breaker, other] = first === 'left' ? [pair.left, pair.right] : [pair.right, pair.left]
      const failed = failure(other)
      breaker.resetAndDestroy()
      t.is(await failed, 'ECONNRESET')
      const side = first === 'left' ? 'a' : 'b'
      t.deepEqual(await pair.splice.closed, { kind: 'reset', side, code: 'ECONNRESET' })
    })
  }
}

test('a reset in the midst of a transfer reaches a sender that waits for the reader', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const { left, right, splice } = await server.join()
  const failed = failure(left)
  left.write(Buffer.alloc(32 * 1024 * 1024))
  await once(right, 'readable')
  right.resetAndDestroy()
  t.regex((await failed) ?? '', /^(ECONNRESET|EPIPE)$/)
  const end = await splice.closed
  t.like(end, { kind: 'reset', side: 'b' })
})

test('a reset while its bytes wait for a slow reader is no end, once the reader goes on', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const { left, right, splice } = await server.join()
  left.write(Buffer.alloc(64 * 1024 * 1024))
  await settled(() => splice.bytesAToB)
  left.resetAndDestroy()
  await settled(() => splice.bytesAToB)
  right.on('error', () => undefined)
  right.resume()
  t.deepEqual(await splice.closed, { kind: 'reset', side: 'a', code: 'ECONNRESET' })
})

test('a reset after one side has ended still reaches it', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const { left, right, splice } = await server.join()
  const failed = failure(left)
  left.end('done')
  right.resume()
  await once(right, 'end')
  right.resetAndDestroy()
  t.is(await failed, 'ECONNRESET')
  t.deepEqual(await splice.closed, { kind: 'reset', side: 'b', code: 'ECONNRESET' })
})

test('a reset in the same moment as an end leaves nothing open', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  for (let i = 0; i < 50; i++) {
    const { left, right, splice } = await server.join()
    right.resume()
    right.write('y')
    left.end('x', () => left.resetAndDestroy())
    t.like(await splice.closed, { kind: 'reset', side: 'a' })
    right.destroy()
  }
  t.is(server.connectionCount, 0)
})

test('what was read and put back before the splice arrives first, and once', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const a = await server.connection()
  const b = await server.connection()
  a.client.write('TICKET')
  a.client.write('the beginning, ')
  b.client.write('from b')
  await once(a.accepted, 'readable')
  await once(b.accepted, 'readable')
  const head: unknown = a.accepted.read()
  const bytes = head instanceof Uint8Array ? head : Buffer.alloc(0)
  a.accepted.unshift(bytes.subarray('TICKET'.length))
  const joined = splice(a.accepted, b.accepted)
  a.client.end('the end')
  b.client.end()
  t.is(await text(b.client), 'the beginning, the end')
  t.is(await text(a.client), 'from b')
  t.deepEqual(await joined.closed, { kind: 'ended' })
  t.is(joined.bytesAToB, 'the beginning, the end'.length)
})

test('an end that came before the splice is handed on after the bytes before it', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const a = await server.connection()
  const b = await server.connection()
  a.client.end('all of it')
  const ended = once(a.accepted, 'end')
  const head = once(a.accepted, 'data')
  await head
  await ended
  b.client.end('short')
  await once(b.accepted, 'readable')
  const joined = splice(a.accepted, b.accepted)
  t.is(await text(a.client), 'short')
  t.is(await text(b.client), '', 'what its owner consumed does not come again')
  t.deepEqual(await joined.closed, { kind: 'ended' })
})

test('bytes and an end that lie unread before the splice are handed on', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const a = await server.connection()
  const b = await server.connection()
  a.client.end('all of it')
  a.accepted.read(0)
  await settled(() => a.accepted.bytesRead)
  t.is(a.accepted.readableLength, 'all of it'.length)
  const joined = splice(a.accepted, b.accepted)
  t.is(await text(b.client.end()), 'all of it')
  t.deepEqual(await joined.closed, { kind: 'ended' })
})

test('TLS on one side is joined to TCP on the other', async (t) => {
  const [notBefore, notAfter] = [new Date('2026-01-01'), new Date('2126-01-01')]
  const { certificate, key } = await makeSelfSignedCertificate({ hosts: ['localhost'], notBefore, notAfter })
  await using server = await PairServer.open('127.0.0.1')
  const a = await server.connection()
  const b = await server.connection()
  const secureServer = createTlsServer({ cert: certificate, key, allowHalfOpen: true })
  const accepted = once(secureServer, 'secureConnection')
  secureServer.emit('connection', a.accepted)
  const client = connectTls({ socket: a.client, rejectUnauthorized: false })
  const secured: unknown = (await accepted)[0]
  if (!(secured instanceof TLSSocket)) return t.fail()
  const joined = splice(secured, b.accepted)
  client.write('from TLS')
  t.is(String((await once(b.client, 'data'))[0]), 'from TLS')
  b.client.end('from TCP')
  t.is(await text(client), 'from TCP')
  client.end()
  t.deepEqual(await joined.closed, { kind: 'ended' })
})

test('what the owner has yet to send goes before what the other side says', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const a = await server.connection()
  const b = await server.connection()
  const preface = Buffer.alloc(16 * 1024 * 1024, 'p')
  a.accepted.write(preface)
  t.true(a.accepted.writableLength > 0)
  const joined = splice(a.accepted, b.accepted)
  b.client.end('then this')
  a.client.end()
  b.client.resume()
  const got = await text(a.client)
  t.is(got.length, preface.length + 'then this'.length)
  t.true(got.endsWith('pthen this'))
  t.deepEqual(await joined.closed, { kind: 'ended' })
})

test('a connection that is gone already ends the splice at once, and the other one', async (t) => {
  await using server = await PairServer.open('127.0.0.1')
  const a = await server.connection()
  const b = await server.connection()
  const failed = failure(b.client)
  a.accepted.destroy()
  await once(a.accepted, 'close')
  t.deepEqual(await splice(a.accepted, b.accepted).closed, { kind: 'aborted' })
  t.is(await failed, 'ECONNRESET')
})
