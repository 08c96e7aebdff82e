import { createServer } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { parseRelayUrl } from '../../lib/base/relay-url.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { clockSkew } from '../../lib/probe/egress/clock-skew.ts'
import { probeRelay } from '../../lib/probe/egress/relay-egress.ts'
import type { RelayEgress } from '../../lib/probe/egress/relay-egress.ts'
import type { EgressFact } from '../../lib/probe/report.ts'
import { RelayServer } from '../../relay-server/relay-server.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { closedPort, flood, runtimeWith, serve, serveRaw } from './egress-support/servers.ts'
import type { TestServer } from './egress-support/servers.ts'

/** A relay of ours on loopback, with a certificate of its own; closed with the test. */
async function openRelay(t: ExecutionContext): Promise<{ readonly port: number; readonly pin: string }> {
  const home = mkdtempSync(join(tmpdir(), 'egress-relay-'))
  const relay = await RelayServer.open(nodeRuntime({ interfaces: { includeLoopback: true } }), {
    version: '9.8.7',
    listen: [{ host: '127.0.0.1', port: 0 }],
    stun: [],
    tls: { kind: 'own', home, hosts: ['127.0.0.1'] },
  })
  t.teardown(async () => {
    await relay.close()
    rmSync(home, { recursive: true, force: true })
  })
  return { port: relay.tcpAddresses[0]?.port ?? 0, pin: relay.fingerprint ?? '' }
}

/** Each fact as `transport value error`. */
function summary(facts: readonly EgressFact[]): readonly string[] {
  return facts
    .map(({ transport, value, error }) => `${transport} ${value}${error === undefined ? '' : ` ${error}`}`)
    .sort()
}

function probe(port: number, scheme = 'http'): Promise<RelayEgress> {
  return probeRelay(nodeRuntime(), parseRelayUrl(`${scheme}://127.0.0.1:${port}`), { env: {} })
}

/** The same, and no connection is left at the server. */
async function probeRaw(server: TestServer, scheme = 'http'): Promise<RelayEgress> {
  const egress = await probe(server.port, scheme)
  await server.allClosed()
  return egress
}

test('every way to a relay of ours works, and it says who it is and what it sees', async (t) => {
  const { port, pin } = await openRelay(t)
  const told: EgressFact[] = []
  const url = `https://127.0.0.1:${port}#sha256=${pin}`
  const egress = await probeRelay(nodeRuntime(), parseRelayUrl(url), {
    env: {},
    onFact: (fact) => told.push(fact),
  })
  t.deepEqual(summary(egress.facts), ['tcp true', 'tls true', 'websocket true'])
  t.deepEqual(told, egress.facts)
  for (const fact of egress.facts) {
    t.like(fact, { relay: url, port, ip: '127.0.0.1', confidence: 'measured' }, fact.transport)
    t.true(Number.isFinite(fact.ms), fact.transport)
  }
  t.like(
    egress.facts.find(({ transport }) => transport === 'tls'),
    {
      tlsTrusted: true,
      tlsIssuer: 'p2p-reach relay',
    },
  )
  t.is(egress.tcp.ipv4.value, true)
  t.is(egress.tcp.ipv6.value, 'unknown')
  t.is(egress.info?.version, '9.8.7')
  t.deepEqual(
    egress.overTcp.map(({ mapped }) => mapped.ip),
    ['127.0.0.1'],
  )
  t.true(egress.latencyMs !== undefined)
  t.is(egress.proxy.value, 'none')
  t.is(clockSkew(egress.date === undefined ? [] : [egress.date]).value, 0)
})

test('the same relay over plain http has no TLS to report', async (t) => {
  const { port } = await openRelay(t)
  const egress = await probe(port)
  t.deepEqual(summary(egress.facts), ['tcp true', 'websocket true'])
  t.is(egress.info?.version, '9.8.7')
})

test('another key than the pinned one: TLS fails as intercepted, and the description is not believed', async (t) => {
  const { port } = await openRelay(t)
  const unpinned = await probe(port, 'https')
  t.like(
    unpinned.facts.find(({ transport }) => transport === 'tls'),
    { value: true, tlsTrusted: false },
  )
  t.is(unpinned.info?.version, '9.8.7')
  const pinned = parseRelayUrl(`https://127.0.0.1:${port}#sha256=${'0'.repeat(64)}`)
  const intercepted = await probeRelay(nodeRuntime(), pinned, { env: {} })
  t.deepEqual(summary(intercepted.facts), [
    'tcp true',
    'tls false TLS is intercepted: certificate signed by p2p-reach relay',
    'websocket true',
  ])
  t.like(
    intercepted.facts.find(({ transport }) => transport === 'websocket'),
    { tlsTrusted: false },
  )
  t.is(intercepted.info, undefined)
})

test('a clock that is two hours behind shows as such', async (t) => {
  const { port } = await openRelay(t)
  const real = nodeRuntime()
  const clock = { ...real.clock, wallMs: () => real.clock.wallMs() - 7_200_000 }
  const egress = await probeRelay({ ...real, clock }, parseRelayUrl(`http://127.0.0.1:${port}`), { env: {} })
  const skew = clockSkew(egress.date === undefined ? [] : [egress.date])
  t.is(skew.confidence, 'measured')
  t.true(typeof skew.value === 'number' && Math.abs(skew.value + 7_200_000) < 10_000, String(skew.value))
})

test('a web server that is no relay: TCP works, WebSocket does not, and there is no description', async (t) => {
  const web = await serve(
    t,
    createServer((_request, response) => response.writeHead(404, { Server: 'web' }).end('<html>')),
  )
  const egress = await probeRaw(web)
  t.deepEqual(summary(egress.facts), ['tcp true', 'websocket false HTTP 404'])
  t.is(egress.info, undefined)
  t.not(egress.date, undefined)
  t.deepEqual(egress.overTcp, [])
})

test('nothing listens: TCP is refused, and what needs it fails with it', async (t) => {
  const egress = await probe(await closedPort(), 'https')
  t.deepEqual(summary(egress.facts), [
    'tcp false ECONNREFUSED',
    'tls false ECONNREFUSED',
    'websocket false ECONNREFUSED',
  ])
  t.deepEqual(
    egress.facts.map(({ confidence }) => confidence),
    ['measured', 'inferred', 'inferred'],
  )
  t.is(egress.latencyMs, undefined)
})

test('a proxy that is dead does not hide that the relay is reachable directly', async (t) => {
  const { port } = await openRelay(t)
  const env = { http_proxy: `http://127.0.0.1:${await closedPort()}` }
  const egress = await probeRelay(nodeRuntime(), parseRelayUrl(`http://127.0.0.1:${port}`), { env })
  t.deepEqual(summary(egress.facts), ['connect-proxy false ECONNREFUSED', 'tcp true', 'websocket true'])
  t.like(egress.proxy, { value: 'dead', source: 'http_proxy' })
})

test('hostile servers: each gives bounded, named outcomes, and no connection is left', async (t) => {
  const answering = (text: string) =>
    serveRaw(t, (socket) => socket.once('data', () => socket.end(text, 'latin1')))
  const rows: readonly (readonly [string, TestServer, readonly string[]])[] = [
    [
      'immediate close',
      await serveRaw(t, (socket) => socket.end()),
      ['tcp true', 'websocket false ECONNRESET'],
    ],
    ['binary', await answering('\x00\xff\x01\xfe'), ['tcp true', 'websocket false HPE_INVALID_CONSTANT']],
    [
      'endless headers',
      await serveRaw(t, (socket) =>
        socket.once('data', () => {
          socket.write('HTTP/1.1 200 OK\r\n')
          flood(socket, `X: ${'y'.repeat(8000)}\r\n`)
        }),
      ),
      ['tcp true', 'websocket false HPE_HEADER_OVERFLOW'],
    ],
    [
      'huge Date',
      await answering(`HTTP/1.1 200 OK\r\nDate: ${'9'.repeat(9000)}\r\nContent-Length: 0\r\n\r\n`),
      ['tcp true', 'websocket false HTTP 200'],
    ],
    [
      'a description of 100 KB',
      await answering(`HTTP/1.1 200 OK\r\n\r\n{"version":"${'x'.repeat(100_000)}","stun":[]}`),
      ['tcp true', 'websocket false HTTP 200'],
    ],
  ]
  for (const [name, server, expected] of rows) {
    const egress = await probeRaw(server)
    t.deepEqual(summary(egress.facts), expected, name)
    t.is(egress.info, undefined, name)
    if (egress.date !== undefined) t.is(clockSkew([egress.date]).value, 'unknown', name)
    t.true(JSON.stringify(clockSkew(egress.date === undefined ? [] : [egress.date])).length < 500, name)
  }
})

test('a server that is silent after accepting: what was learnt in the budget stays, the rest is unknown', async (t) => {
  const clock = new FakeClock()
  let connections = 0
  const server = await serveRaw(t, (socket) =>
    socket.once('data', () => {
      // TLS, WebSocket's TLS, STUN.
      if (++connections === 3) clock.advance(1000)
    }),
  )
  const relay = parseRelayUrl(`https://127.0.0.1:${server.port}`)
  const egress = await probeRelay(runtimeWith(clock), relay, { env: {}, budgetMs: 1000 })
  t.deepEqual(summary(egress.facts), ['tcp true', 'tls unknown', 'websocket unknown'])
  t.deepEqual(egress.facts[1]?.evidence, ['not known within 1000 ms'])
  t.is(clock.pendingTimers, 0)
  await server.allClosed()
})

test('steps that take too long are inferred to fail while the budget lasts', async (t) => {
  const clock = new FakeClock()
  let connections = 0
  const server = await serveRaw(t, (socket) =>
    socket.once('data', () => {
      if (++connections === 3) clock.advance(2500)
    }),
  )
  const relay = parseRelayUrl(`https://127.0.0.1:${server.port}`)
  const egress = await probeRelay(runtimeWith(clock), relay, { env: {} })
  t.deepEqual(summary(egress.facts), ['tcp true', 'tls false ETIMEDOUT', 'websocket false ETIMEDOUT'])
  t.is(egress.facts.find(({ transport }) => transport === 'tls')?.confidence, 'inferred')
  t.is(clock.pendingTimers, 0)
  await server.allClosed()
})

test('a caller who gives up gets his own reason, and nothing is left running', async (t) => {
  const clock = new FakeClock()
  const caller = new AbortController()
  let connections = 0
  const server = await serveRaw(t, (socket) =>
    socket.once('data', () => {
      if (++connections === 3) caller.abort(new Error('enough'))
    }),
  )
  const relay = parseRelayUrl(`https://127.0.0.1:${server.port}`)
  const options = { env: {}, signal: caller.signal }
  await t.throwsAsync(probeRelay(runtimeWith(clock), relay, options), { message: 'enough' })
  t.is(clock.pendingTimers, 0)
  await server.allClosed()
  await t.throwsAsync(probeRelay(runtimeWith(clock), relay, options), { message: 'enough' })
  t.is(connections, 3)
})
