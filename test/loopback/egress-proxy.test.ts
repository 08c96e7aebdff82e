import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { inspect } from 'node:util'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Runtime } from '../../lib/base/runtime.ts'
import { parseRelayUrl } from '../../lib/base/relay-url.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { openTunnel } from '../../lib/net/outward/connect-proxy.ts'
import { proxyFor } from '../../lib/net/outward/proxy-environment.ts'
import type { ProxyEnvironment } from '../../lib/net/outward/proxy-environment.ts'
import { probeProxy } from '../../lib/probe/egress/proxy-egress.ts'
import type { ProxyEgress } from '../../lib/probe/egress/proxy-egress.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { noOpensslReason, TestAuthority } from './egress-support/certificates.ts'
import { closedPort, flood, runtimeWith, serve, serveRaw } from './egress-support/servers.ts'
import type { TestServer } from './egress-support/servers.ts'

const opensslTest = noOpensslReason === undefined ? test : test.skip

/** Name, password, and every form of them that a careless message could show. */
const SECRETS = /hunter2|aladdin|YWxhZGRpbg|aHVudGVyMg/i

async function throughProxy(
  env: ProxyEnvironment,
  relayText: string,
  runtime: Runtime = nodeRuntime(),
): Promise<ProxyEgress> {
  const relay = parseRelayUrl(relayText)
  return probeProxy(runtime, relay, proxyFor(env, relay), { timeoutMs: 2500 })
}

/** An honest HTTP proxy that allows CONNECT; `seen` collects the heads of all requests. */
async function honestProxy(t: ExecutionContext, seen: IncomingHttpHeaders[] = []): Promise<TestServer> {
  const server = createServer((_request, response) => response.writeHead(400).end())
  server.on('connect', (request, client, head) => {
    seen.push(request.headers)
    const [host = '', port = ''] = (request.url ?? '').split(':')
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on('error', () => client.destroy())
    client.on('error', () => upstream.destroy())
    client.on('close', () => upstream.destroy())
  })
  return serve(t, server)
}

/** A proxy that answers every CONNECT with this. */
function answeringProxy(t: ExecutionContext, answer: string | Uint8Array): Promise<TestServer> {
  return serveRaw(t, (socket) => socket.once('data', () => socket.end(answer)))
}

test('a proxy that opens a connection to a plain relay works', async (t) => {
  const relay = await serve(
    t,
    createServer((_request, response) => response.writeHead(404).end()),
  )
  const proxy = await honestProxy(t)
  const env = { http_proxy: `http://127.0.0.1:${proxy.port}` }
  const egress = await throughProxy(env, `http://127.0.0.1:${relay.port}`)
  t.like(egress.proxy, { value: 'works', address: `127.0.0.1:${proxy.port}`, source: 'http_proxy' })
  t.like(egress.way, { value: true, confidence: 'measured' })
  t.regex(
    egress.way?.evidence.join('\n') ?? '',
    /CONNECT 127\.0\.0\.1:\d+ through the proxy .* of http_proxy/,
  )
  await proxy.allClosed()
  await relay.allClosed()
})

opensslTest('TLS to the relay runs inside the tunnel, and is judged as without a proxy', async (t) => {
  const authority = new TestAuthority(t, '/CN=Corp Inspection CA')
  const certificate = authority.issue()
  const relay = await serve(t, createTlsServer({ key: certificate.key, cert: certificate.cert }))
  const proxy = await honestProxy(t)
  const env = { HTTPS_PROXY: `127.0.0.1:${proxy.port}` }
  const url = `https://127.0.0.1:${relay.port}`
  const genuine = await throughProxy(env, `${url}#sha256=${certificate.pinSha256}`)
  t.like(genuine, {
    proxy: { value: 'works', source: 'HTTPS_PROXY' },
    way: { value: true, tlsTrusted: true },
  })
  const intercepted = await throughProxy(env, `${url}#sha256=${'00'.repeat(32)}`)
  t.like(intercepted, {
    proxy: { value: 'works' },
    way: {
      value: false,
      tlsTrusted: false,
      tlsIssuer: 'Corp Inspection CA',
      error: 'TLS is intercepted: certificate signed by Corp Inspection CA',
    },
  })
  await relay.allClosed()
})

test('a proxy that opens a connection behind which nothing answers works, but is no way to the relay', async (t) => {
  const proxy = await answeringProxy(t, 'HTTP/1.1 200 OK\r\n\r\n')
  const egress = await throughProxy({ HTTPS_PROXY: `127.0.0.1:${proxy.port}` }, 'https://relay.example')
  t.like(egress, { proxy: { value: 'works' }, way: { value: false, error: 'ECONNRESET' } })
})

test('credentials of the proxy URL are sent once, as Basic, and shown nowhere', async (t) => {
  const seen: IncomingHttpHeaders[] = []
  const relay = await serve(
    t,
    createServer((_request, response) => response.end()),
  )
  const proxy = await honestProxy(t, seen)
  const env = { http_proxy: `http://aladdin:hunter2%40%C3%BC@127.0.0.1:${proxy.port}` }
  const egress = await throughProxy(env, `http://127.0.0.1:${relay.port}`)
  t.is(egress.way?.value, true)
  // RFC 7617 §2 with UTF-8.
  const sent = Buffer.from('aladdin:hunter2@ü').toString('base64')
  t.deepEqual(
    seen.map((headers) => headers['proxy-authorization']),
    [`Basic ${sent}`],
  )
  t.notRegex(inspect([egress, proxyFor(env, parseRelayUrl('http://relay.example'))], { depth: 9 }), SECRETS)
  t.notRegex(JSON.stringify(egress), SECRETS)
})

test('a proxy that refuses is told apart by its status, with what to think of it', async (t) => {
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ['407 Proxy Authentication Required', '', /wants a user name and a password \(407\)/],
    [
      '407 Proxy Authentication Required',
      'aladdin:hunter2@',
      /does not accept this user name and password \(407\)/,
    ],
    ['403 Forbidden', '', /does not allow connections to relay\.example:443 \(403\)/],
    ['502 Bad Gateway', '', /cannot reach relay\.example:443 \(502\)/],
    ['504 Gateway Timeout', '', /cannot reach relay\.example:443 \(504\)/],
    ['400 Bad Request', '', /answered 400 to CONNECT relay\.example:443/],
    ['302 Found\r\nLocation: http://portal.example', '', /answered 302 to CONNECT/],
  ]
  for (const [status, userInfo, sentence] of rows) {
    const head = `HTTP/1.1 ${status}\r\nServer: gate\r\nContent-Length: 4\r\n\r\nbody`
    const { port } = await answeringProxy(t, head)
    const env = { HTTPS_PROXY: `http://${userInfo}127.0.0.1:${port}` }
    const { proxy, way } = await throughProxy(env, 'https://relay.example')
    t.like(proxy, {
      value: 'refuses',
      confidence: 'measured',
      address: `127.0.0.1:${port}`,
      source: 'HTTPS_PROXY',
    })
    t.regex(proxy.evidence.join('\n'), sentence)
    t.regex(proxy.evidence.join('\n'), /\(Server: gate\)/)
    t.like(way, { value: false, error: `HTTP ${status.slice(0, 3)}` })
    t.notRegex(JSON.stringify([proxy, way]), SECRETS)
  }
})

test('a proxy that is not there, or is none, is dead, and the variable that names it is named', async (t) => {
  const servers: readonly (readonly [string, number, string])[] = [
    ['nothing listens', await closedPort(), 'ECONNREFUSED'],
    ['SSH', (await serveRaw(t, (socket) => socket.write('SSH-2.0-x\r\n'))).port, 'HPE_INVALID_CONSTANT'],
    ['binary', (await answeringProxy(t, Uint8Array.of(5, 255, 0))).port, 'HPE_INVALID_CONSTANT'],
    ['close', (await answeringProxy(t, '')).port, 'ECONNRESET'],
    ['reset', (await serveRaw(t, (s) => s.once('data', () => s.resetAndDestroy()))).port, 'ECONNRESET'],
    ['flood', (await serveRaw(t, (s) => s.once('data', () => floodHeaders(s)))).port, 'HPE_HEADER_OVERFLOW'],
  ]
  for (const [name, port, code] of servers) {
    const env = { ALL_PROXY: `http://aladdin:hunter2@127.0.0.1:${port}` }
    const { proxy, way } = await throughProxy(env, 'https://relay.example')
    t.like(proxy, { value: 'dead', confidence: 'measured', source: 'ALL_PROXY' }, name)
    t.regex(proxy.evidence[0] ?? '', /^ALL_PROXY names it, but /, name)
    t.like(way, { value: false, error: code }, name)
    t.notRegex(JSON.stringify([proxy, way]), SECRETS, name)
  }
})

function floodHeaders(socket: Parameters<typeof flood>[0]): void {
  socket.write('HTTP/1.1 200 OK\r\n')
  flood(socket, `X: ${'y'.repeat(1000)}\r\n`.repeat(20))
}

test('a proxy that accepts and says nothing is dead, which is only inferred', async (t) => {
  const clock = new FakeClock()
  const server = await serveRaw(t, (socket) => socket.once('data', () => clock.advance(2500)))
  const env = { HTTPS_PROXY: `http://127.0.0.1:${server.port}` }
  const { proxy, way } = await throughProxy(env, 'https://relay.example', runtimeWith(clock))
  t.like(proxy, { value: 'dead', confidence: 'inferred', source: 'HTTPS_PROXY' })
  t.like(way, { value: false, confidence: 'inferred', error: 'ETIMEDOUT' })
  t.is(clock.pendingTimers, 0)
  await server.allClosed()
})

test('a target that speaks first is not swallowed with the proxy’s answer', async (t) => {
  const proxy = await serveRaw(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nSSH-2.0-first\r\n'))
  })
  const choice = proxyFor({ HTTPS_PROXY: `127.0.0.1:${proxy.port}` }, parseRelayUrl('relay.example'))
  if (choice.kind !== 'proxy') return t.fail(choice.kind)
  const target = { host: 'relay.example', port: 22 }
  const tunnel = await openTunnel(nodeRuntime(), choice.proxy, target, { timeoutMs: 2500 })
  if (tunnel.kind !== 'open') return t.fail(tunnel.kind)
  tunnel.socket.setEncoding('latin1')
  t.deepEqual(await tunnel.socket.take(1).toArray(), ['SSH-2.0-first\r\n'])
  tunnel.socket.destroy()
  await proxy.allClosed()
})

opensslTest('a proxy that speaks TLS gets no credentials unless its certificate is trusted', async (t) => {
  const { key, cert } = new TestAuthority(t).selfSigned()
  const heard: string[] = []
  const server = createHttpsServer({ key, cert })
  server.on('connect', (request, socket) => {
    heard.push(request.headers['proxy-authorization'] ?? 'none')
    socket.end('HTTP/1.1 200 OK\r\n\r\n')
  })
  const { port } = await serve(t, server)
  const env = { HTTPS_PROXY: `https://aladdin:hunter2@127.0.0.1:${port}` }
  const { proxy, way } = await throughProxy(env, 'https://relay.example')
  t.like(proxy, { value: 'dead', address: `127.0.0.1:${port}` })
  t.like(way, { value: false, error: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.deepEqual(heard, [])
})

test('without a proxy, with an exemption, and with SOCKS 4 nothing is sent, and the report says why', async (t) => {
  const none = await throughProxy({}, 'https://relay.example')
  t.like(none.proxy, { value: 'none', confidence: 'measured' })
  t.is(none.way, undefined)
  const exempt = await throughProxy(
    { https_proxy: 'p.example', NO_PROXY: '.example' },
    'https://relay.example',
  )
  t.like(exempt.proxy, { value: 'none', source: 'NO_PROXY', evidence: ['NO_PROXY exempts relay.example'] })
  t.is(exempt.way, undefined)
  const socks = await throughProxy(
    { ALL_PROXY: 'socks4://aladdin:hunter2@127.0.0.1:1' },
    'https://relay.example',
  )
  t.like(socks.proxy, { value: 'unknown', source: 'ALL_PROXY' })
  t.like(socks.way, {
    value: 'unknown',
    evidence: ["ALL_PROXY names a socks4 proxy, which can't be used"],
  })
  t.notRegex(JSON.stringify(socks), SECRETS)
})

test('a variable that holds no URL of a proxy is named, but not quoted', async (t) => {
  const egress = await throughProxy({ HTTPS_PROXY: 'http://aladdin:hunter2@@:x:y' }, 'https://relay.example')
  t.like(egress.proxy, { value: 'dead', source: 'HTTPS_PROXY' })
  t.like(egress.way, { value: false, error: 'HTTPS_PROXY is not the URL of a proxy' })
  t.notRegex(JSON.stringify(egress), SECRETS)
})
