import { createServer } from 'node:http'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Runtime } from '../../lib/base/runtime.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { Attempt } from '../../lib/net/outward/attempt.ts'
import { httpGet, MAX_BODY_BYTES } from '../../lib/probe/egress/http.ts'
import type { HttpResponse } from '../../lib/probe/egress/http.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { flood, runtimeWith, serve, serveRaw } from './egress-support/servers.ts'
import type { TestServer } from './egress-support/servers.ts'

const GET = { host: 'relay.example', path: '/a?b=c', headers: { 'X-Test': 'yes' } }

async function get(server: TestServer, runtime: Runtime = nodeRuntime()): Promise<Attempt<HttpResponse>> {
  const socket = await runtime.network.connectTcp(transportAddress('127.0.0.1', server.port, 'tcp'))
  const outcome = await httpGet(runtime, socket, GET, { timeoutMs: 2500 })
  socket.destroy()
  await server.allClosed()
  return outcome
}

/** The outcome for a server that says this to every request, and then ends the connection. */
async function answerTo(t: ExecutionContext, text: string): Promise<Attempt<HttpResponse>> {
  return get(await serveRaw(t, (socket) => socket.once('data', () => socket.end(text, 'latin1'))))
}

async function codeFor(t: ExecutionContext, text: string): Promise<string> {
  const outcome = await answerTo(t, text)
  return outcome.kind === 'failed' ? outcome.code : `HTTP ${outcome.value.status}`
}

test('sends one GET with our Host and headers, and reads status, headers and body', async (t) => {
  const server = await serve(
    t,
    createServer((request, response) => {
      const { method, url, headers } = request
      response.setHeader('X-Answer', '42').end(JSON.stringify({ method, url, headers }))
    }),
  )
  const outcome = await get(server)
  if (outcome.kind === 'failed') return t.fail(outcome.message)
  t.is(outcome.value.status, 200)
  t.is(outcome.value.headers['x-answer'], '42')
  t.true(outcome.value.isComplete)
  t.deepEqual(JSON.parse(new TextDecoder().decode(outcome.value.body)), {
    method: 'GET',
    url: '/a?b=c',
    headers: {
      host: 'relay.example',
      accept: '*/*',
      'user-agent': 'p2p-reach',
      'x-test': 'yes',
      connection: 'close',
    },
  })
})

test('redirects are answers, never followed', async (t) => {
  let requests = 0
  const server = await serve(
    t,
    createServer((_request, response) => {
      requests++
      response.writeHead(302, { Location: '/again' }).end()
    }),
  )
  const outcome = await get(server)
  t.like(outcome, { kind: 'done', value: { status: 302, headers: { location: '/again' } } })
  t.is(requests, 1)
})

test('a body without length ends with the connection; one that is cut short is marked', async (t) => {
  t.like(await answerTo(t, 'HTTP/1.1 200 OK\r\n\r\nwhole'), { value: { status: 200, isComplete: true } })
  t.like(await answerTo(t, 'HTTP/1.0 200 OK\r\n\r\nwhole'), { value: { status: 200, isComplete: true } })
  const cut = await answerTo(t, 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart')
  t.like(cut, { kind: 'done', value: { status: 200, isComplete: false } })
})

test('an endless body is read up to its limit, and the connection is cut', async (t) => {
  const server = await serveRaw(t, (socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      flood(socket, 'x'.repeat(16_384))
    }),
  )
  const outcome = await get(server)
  if (outcome.kind === 'failed') return t.fail(outcome.message)
  t.is(outcome.value.body.length, MAX_BODY_BYTES)
  t.false(outcome.value.isComplete)
})

test('a body of exactly the limit is whole', async (t) => {
  const server = await serve(
    t,
    createServer((_request, response) => response.end(Buffer.alloc(MAX_BODY_BYTES, 7))),
  )
  const outcome = await get(server)
  if (outcome.kind === 'failed') return t.fail(outcome.message)
  t.is(outcome.value.body.length, MAX_BODY_BYTES)
  t.true(outcome.value.body.every((byte) => byte === 7))
  t.true(outcome.value.isComplete)
})

test('endless headers, one endless header, and endless 1xx answers are refused, each by name', async (t) => {
  const endless = async (start: string, piece: string) => {
    const server = await serveRaw(t, (socket) =>
      socket.once('data', () => {
        socket.write(start)
        flood(socket, piece)
      }),
    )
    const outcome = await get(server)
    return outcome.kind === 'failed' ? outcome.code : 'answered'
  }
  const many = Array.from({ length: 500 }, (_, i) => `X-${i}: ${'y'.repeat(30)}\r\n`).join('')
  t.is(await endless('HTTP/1.1 200 OK\r\n', many), 'HPE_HEADER_OVERFLOW')
  t.is(await endless('HTTP/1.1 200 OK\r\nX: ', 'y'.repeat(65_536)), 'HPE_HEADER_OVERFLOW')
  t.is(await endless('HTTP/1.1 200 ', 'O'.repeat(65_536)), 'HPE_HEADER_OVERFLOW')
  const informational = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n'
  t.is(await endless('', informational.repeat(100)), 'TOO_MANY_INFORMATIONAL_RESPONSES')
})

test('one informational answer before the real one is honest', async (t) => {
  t.is(await codeFor(t, 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'), 'HTTP 204')
})

test('what is not HTTP is named as such', async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['SSH-2.0-OpenSSH_9.2p1\r\n', 'HPE_INVALID_CONSTANT'],
    ['\x16\x03\x01\x00\x02\x01\x00', 'HPE_INVALID_CONSTANT'],
    ['\x00\xff\xfe\x01'.repeat(100), 'HPE_INVALID_CONSTANT'],
    ['HTTP/9.9 200 OK\r\n\r\n', 'HPE_INVALID_VERSION'],
    ['HTTP/1.1 9999 OK\r\n\r\n', 'HPE_INVALID_STATUS'],
    ['HTTP/1.1 200 OK\r\nA: b\r\n c\x00d: e\r\n\r\n', 'HPE_INVALID_HEADER_TOKEN'],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', 'HPE_INVALID_CONTENT_LENGTH'],
    ['', 'ECONNRESET'],
    ['HTTP/1.1 200', 'ECONNRESET'],
  ]
  for (const [text, code] of rows) t.is(await codeFor(t, text), code, JSON.stringify(text))
})

test('101 to a plain GET is no answer', async (t) => {
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\nbytes'
  t.is(await codeFor(t, switching), 'UNEXPECTED_UPGRADE')
})

test('a reset in the place of an answer is a failure', async (t) => {
  const server = await serveRaw(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  t.like(await get(server), { kind: 'failed', code: 'ECONNRESET' })
})

test('a server that drips its headers is given up when the step’s time is over', async (t) => {
  const clock = new FakeClock()
  const server = await serveRaw(t, (socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nX-Slow: ')
      clock.advance(2500)
    }),
  )
  const outcome = await get(server, runtimeWith(clock))
  t.like(outcome, { kind: 'failed', code: 'ETIMEDOUT', ms: 2500 })
  t.is(clock.pendingTimers, 0)
})

test('a server that drips its body has answered; the body is marked as cut', async (t) => {
  const clock = new FakeClock()
  const server = await serveRaw(t, (socket) =>
    socket.once('data', () => {
      socket.write(
        'HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 9999\r\n\r\ndrip',
      )
    }),
  )
  const runtime = runtimeWith(clock)
  const socket = await runtime.network.connectTcp(transportAddress('127.0.0.1', server.port, 'tcp'))
  socket.on('data', (chunk: Buffer) => {
    // Not before everybody has taken note of the head.
    if (chunk.includes('drip')) setImmediate(() => clock.advance(2500))
  })
  const outcome = await httpGet(runtime, socket, GET, { timeoutMs: 2500 })
  t.like(outcome, { kind: 'done', value: { status: 302, isComplete: false } })
  await server.allClosed()
  t.is(clock.pendingTimers, 0)
})

test('the time to the head and this host’s calendar are taken down for the clock comparison', async (t) => {
  const clock = new FakeClock()
  const server = await serve(
    t,
    createServer((_request, response) => {
      clock.advance(40)
      response.end()
    }),
  )
  const outcome = await get(server, runtimeWith(clock))
  t.like(outcome, { kind: 'done', value: { headMs: 40, headAtWallMs: clock.wallMs() } })
})

test('a caller who gives up gets his own reason, also while the body is read', async (t) => {
  const caller = new AbortController()
  const server = await serveRaw(t, (socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart')),
  )
  const runtime = nodeRuntime()
  const socket = await runtime.network.connectTcp(transportAddress('127.0.0.1', server.port, 'tcp'))
  socket.on('data', () => caller.abort(new Error('enough')))
  const limits = { timeoutMs: 2500, signal: caller.signal }
  await t.throwsAsync(httpGet(runtime, socket, GET, limits), { message: 'enough' })
  socket.destroy()
  await server.allClosed()
})
