import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { parseRelayUrl } from '../../lib/base/relay-url.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { detectCaptivePortal } from '../../lib/probe/egress/captive-portal.ts'
import type { CaptivePortalFact } from '../../lib/probe/report.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { closedPort, flood, runtimeWith, serve, serveRaw } from './egress-support/servers.ts'

async function http(t: ExecutionContext, answer: RequestListener): Promise<number> {
  const { port } = await serve(t, createServer(answer))
  return port
}

/** As relays of ours answer. */
const genuine: RequestListener = (request, response) => {
  const challenge = request.headers['x-p2p-reach-challenge']
  if (challenge !== undefined) response.setHeader('X-P2P-Reach-Response', challenge)
  response.writeHead(204).end()
}

const portal: RequestListener = (_request, response) => {
  response.writeHead(302, { Location: 'http://portal.example/login?from=here' }).end()
}

/** Ports as relays and as public pages. */
function detect(relays: readonly number[], pages: readonly number[] = []): Promise<CaptivePortalFact> {
  return detectCaptivePortal(nodeRuntime(), {
    relays: relays.map((port) => parseRelayUrl(`http://127.0.0.1:${port}`)),
    urls: pages.map((port) => `http://127.0.0.1:${port}/generate_204`),
  })
}

test('relays are challenged anew each time, public pages are not', async (t) => {
  const requests: IncomingMessage[] = []
  const relay: RequestListener = (request, response) => {
    requests.push(request)
    genuine(request, response)
  }
  const port = await http(t, relay)
  const fact = await detect([port, port], [port])
  t.like(fact, { value: false, confidence: 'measured' })
  t.deepEqual(
    requests.map(({ method, url }) => `${method} ${url}`),
    ['GET /generate_204', 'GET /generate_204', 'GET /generate_204'],
  )
  const challenges = requests.flatMap(({ headers }) => headers['x-p2p-reach-challenge'] ?? [])
  t.is(new Set(challenges).size, 2)
  for (const challenge of challenges) t.regex(challenge, /^[0-9a-f]{32}$/)
})

test('a redirect in the relay’s place is a portal, and says where to sign in', async (t) => {
  const fact = await detect([await http(t, portal)])
  t.like(fact, { value: true, confidence: 'measured', location: 'http://portal.example/login?from=here' })
  t.regex(fact.evidence.join('\n'), /answered 302 and http:\/\/portal\.example\/login/)
  t.regex(fact.evidence.join('\n'), /1 of 1 answers are those of a captive portal/)
})

test('a page in the relay’s place is a portal, however long it is', async (t) => {
  const endless = await serveRaw(t, (socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n<html>')
      flood(socket, 'please sign in '.repeat(1000))
    }),
  )
  t.like(await detect([endless.port]), { value: true, confidence: 'measured' })
  await endless.allClosed()
})

test('a portal that answers 204 to everything does not pass for a relay', async (t) => {
  const faker = await http(t, (_request, response) => response.writeHead(204).end())
  t.like(await detect([faker]), { value: 'unknown' })
  t.like(await detect([], [faker]), { value: false })
})

test('refusals, resets, garbage and silence say nothing', async (t) => {
  const clock = new FakeClock()
  const reset = await serveRaw(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  const garbage = await serveRaw(t, (socket) => socket.end('\x00\x01\x02'))
  const fact = await detect([await closedPort(), reset.port, garbage.port])
  t.like(fact, { value: 'unknown', confidence: 'unknown' })
  t.is(fact.evidence.length, 4)
  const silent = await serveRaw(t, (socket) => socket.once('data', () => clock.advance(2500)))
  const relays = [parseRelayUrl(`http://127.0.0.1:${silent.port}`)]
  t.like(await detectCaptivePortal(runtimeWith(clock), { relays, urls: [] }), { value: 'unknown' })
  t.is(clock.pendingTimers, 0)
  await silent.allClosed()
})

test('most of the answers decide; a draw decides nothing', async (t) => {
  const [honest, portalled] = [await http(t, genuine), await http(t, portal)]
  t.like(await detect([portalled, portalled, honest]), { value: true, confidence: 'inferred' })
  t.like(await detect([honest, honest, portalled]), { value: false, confidence: 'inferred' })
  t.like(await detect([honest, portalled]), { value: 'unknown' })
})

test('only http:// pages are asked, and nothing to ask is unknown', async (t) => {
  const urls = ['https://127.0.0.1:1/generate_204', 'ftp://127.0.0.1/', 'nonsense']
  t.like(await detectCaptivePortal(nodeRuntime(), { relays: [], urls }), { value: 'unknown' })
})

test('a caller who gives up gets his own reason', async (t) => {
  const caller = new AbortController()
  const server = await serveRaw(t, (socket) => socket.once('data', () => caller.abort(new Error('enough'))))
  const relays = [parseRelayUrl(`http://127.0.0.1:${server.port}`)]
  const asked = detectCaptivePortal(nodeRuntime(), { relays, urls: [], signal: caller.signal })
  await t.throwsAsync(asked, { message: 'enough' })
  await server.allClosed()
})
