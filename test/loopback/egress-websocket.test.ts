import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Runtime } from '../../lib/base/runtime.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { EgressFinding } from '../../lib/probe/egress/egress-finding.ts'
import { webSocketFinding } from '../../lib/probe/egress/egress-finding.ts'
import { openWebSocket } from '../../lib/net/outward/websocket.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { runtimeWith, serve, serveRaw } from './egress-support/servers.ts'
import type { TestServer } from './egress-support/servers.ts'

async function upgrade(server: TestServer, runtime: Runtime = nodeRuntime()): Promise<EgressFinding> {
  const socket = await runtime.network.connectTcp(transportAddress('127.0.0.1', server.port, 'tcp'))
  const outcome = await openWebSocket(runtime, socket, 'relay.example', { timeoutMs: 2500 })
  socket.destroy()
  await server.allClosed()
  return webSocketFinding(outcome, undefined)
}

/** A server that answers each Upgrade with these lines; ACCEPT stands for the right Sec-WebSocket-Accept. */
function answering(t: ExecutionContext, ...lines: readonly string[]): Promise<TestServer> {
  const server = createServer()
  server.on('upgrade', (request, socket) => {
    const key = request.headers['sec-websocket-key'] ?? ''
    // RFC 6455 §4.2.2.
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    socket.end(`${lines.join('\r\n').replace('ACCEPT', accept)}\r\n\r\n`)
  })
  return serve(t, server)
}

test('a server that proves that it read our key has switched to WebSocket', async (t) => {
  const server = await answering(
    t,
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: WebSocket',
    'connection: keep-alive, Upgrade',
    'sec-websocket-accept: ACCEPT',
  )
  const finding = await upgrade(server)
  t.is(finding.value, true)
  t.is(finding.confidence, 'measured')
})

test('the request is that of RFC 6455 §4.1, with a new 16-byte key each time', async (t) => {
  const keys = new Set<string | undefined>()
  const seen: unknown[] = []
  const server = createServer()
  server.on('upgrade', (request, socket) => {
    keys.add(request.headers['sec-websocket-key'])
    const { method, url, headers } = request
    seen.push([
      method,
      url,
      headers.host,
      headers.connection,
      headers.upgrade,
      headers['sec-websocket-version'],
    ])
    socket.destroy()
  })
  const listening = await serve(t, server)
  await upgrade(listening)
  await upgrade(listening)
  t.deepEqual(seen[0], ['GET', '/ws', 'relay.example', 'Upgrade', 'websocket', '13'])
  t.is(keys.size, 2)
  for (const key of keys) t.is(Buffer.from(key ?? '', 'base64').length, 16)
})

test('101 with a wrong, missing or repeated proof is no WebSocket', async (t) => {
  const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
  const answers = [
    [...head, 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
    head,
    [...head, 'Sec-WebSocket-Accept: ACCEPT', 'Sec-WebSocket-Accept: x'],
    [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: h2c',
      'Connection: Upgrade',
      'Sec-WebSocket-Accept: ACCEPT',
    ],
  ]
  for (const lines of answers) {
    const finding = await upgrade(await answering(t, ...lines))
    t.is(finding.value, false, lines.join(' | '))
    t.is(finding.error, 'wrong Sec-WebSocket-Accept', lines.join(' | '))
  }
})

test('who answers otherwise is named, with its status and what it says of itself', async (t) => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['HTTP/1.1 404 Not Found\r\nServer: nginx', 'HTTP 404', 'answered 404 instead of 101 (Server: nginx)'],
    [
      'HTTP/1.1 403 Forbidden\r\nVia: 1.1 squid\r\nServer: filter',
      'HTTP 403',
      'answered 403 instead of 101 (Server: filter, Via: 1.1 squid)',
    ],
    ['HTTP/1.1 200 OK', 'HTTP 200', 'answered 200 instead of 101'],
    [
      'HTTP/1.1 502 Bad Gateway\r\nServer: \x80\x9b31m' + 'x'.repeat(500),
      'HTTP 502',
      `answered 502 instead of 101 (Server: ??31m${'x'.repeat(187)}…)`,
    ],
  ]
  for (const [head, error, evidence] of rows) {
    const answer = `${head}\r\nContent-Length: 0\r\n\r\n`
    const server = await serveRaw(t, (socket) => socket.once('data', () => socket.end(answer, 'latin1')))
    const finding = await upgrade(server)
    t.is(finding.value, false)
    t.is(finding.error, error)
    t.deepEqual(finding.evidence, [evidence])
  }
})

test('silence is inferred, a cut connection and garbage are measured failures', async (t) => {
  const clock = new FakeClock()
  const silent = await serveRaw(t, (socket) => socket.once('data', () => clock.advance(2500)))
  t.like(await upgrade(silent, runtimeWith(clock)), {
    value: false,
    confidence: 'inferred',
    error: 'ETIMEDOUT',
  })
  const cut = await serveRaw(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  t.like(await upgrade(cut), { value: false, confidence: 'measured', error: 'ECONNRESET' })
  const garbage = await serveRaw(t, (socket) => socket.end(Uint8Array.of(0, 255, 1, 254)))
  t.like(await upgrade(garbage), { value: false, confidence: 'measured', error: 'HPE_INVALID_CONSTANT' })
})
