import type { Socket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import type { Runtime } from '../../lib/base/runtime.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { Attempt } from '../../lib/net/outward/attempt.ts'
import { stunOverTcp } from '../../lib/probe/egress/stun-over-tcp.ts'
import type { TcpMapping } from '../../lib/probe/egress/stun-over-tcp.ts'
import { BINDING_METHOD, decodeStun, encodeStun } from '../../lib/protocol/stun/message.ts'
import type { StunMessage } from '../../lib/protocol/stun/message.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { closedPort, flood, runtimeWith, serveRaw } from './egress-support/servers.ts'
import type { TestServer } from './egress-support/servers.ts'

const MAPPED = transportAddress('203.0.113.7', 40_000, 'tcp')

function at(port: number): TransportAddress {
  return transportAddress('127.0.0.1', port, 'udp')
}

async function ask(server: TestServer, runtime: Runtime = nodeRuntime()): Promise<Attempt<TcpMapping>> {
  const outcome = await stunOverTcp(runtime, at(server.port))
  await server.allClosed()
  return outcome
}

/** A server that answers each request with these bytes, made for its transaction id. */
function answering(
  t: ExecutionContext,
  answer: (transactionId: Uint8Array, socket: Socket) => Uint8Array | string,
): Promise<TestServer> {
  return serveRaw(t, (socket) =>
    socket.once('data', (request: Uint8Array) =>
      socket.write(answer(decodeStun(request).transactionId, socket)),
    ),
  )
}

function success(transactionId: Uint8Array, attributes: StunMessage['attributes']): Uint8Array {
  return encodeStun({ class: 'success', method: BINDING_METHOD, transactionId, attributes })
}

const right = [{ type: 'xor-mapped-address', address: MAPPED }] as const

test('learns the public address, over TCP whatever transport the server’s address says', async (t) => {
  const server = await answering(t, (id) => success(id, right))
  const outcome = await ask(server)
  t.like(outcome, { kind: 'done', value: { mapped: MAPPED, local: { ip: '127.0.0.1', transport: 'tcp' } } })
  t.deepEqual(
    outcome.kind === 'done' ? outcome.value.server : undefined,
    transportAddress('127.0.0.1', server.port, 'tcp'),
  )
})

test('an answer in pieces, and behind messages that are none, is still read', async (t) => {
  const server = await serveRaw(t, (socket) =>
    socket.once('data', (request: Uint8Array) => {
      const { transactionId } = decodeStun(request)
      socket.setNoDelay(true)
      const stray = success(new Uint8Array(12), [
        { type: 'xor-mapped-address', address: transportAddress('198.51.100.1', 1) },
      ])
      const indication = encodeStun({
        class: 'indication',
        method: BINDING_METHOD,
        transactionId,
        attributes: [],
      })
      const bytes = [stray, indication, success(transactionId, right)].flatMap((message) => [...message])
      socket.write(Uint8Array.from(bytes.slice(0, 50)))
      setImmediate(() => socket.write(Uint8Array.from(bytes.slice(50))))
    }),
  )
  t.like(await ask(server), { kind: 'done', value: { mapped: MAPPED } })
})

test('refusals, garbage and servers that are no STUN servers fail by name', async (t) => {
  const error = (transactionId: Uint8Array): Uint8Array =>
    encodeStun({
      class: 'error',
      method: BINDING_METHOD,
      transactionId,
      attributes: [{ type: 'error-code', code: 400, reason: 'Bad Request' }],
    })
  const servers: readonly (readonly [string, TestServer, string])[] = [
    ['error', await answering(t, error), 'STUN_400'],
    ['no address', await answering(t, (id) => success(id, [])), 'ERR_REACH_DECODE'],
    ['HTTP', await answering(t, () => 'HTTP/1.1 400 Bad Request\r\n\r\n'), 'ERR_REACH_DECODE'],
    ['binary', await answering(t, () => Uint8Array.from({ length: 100 }, () => 0xff)), 'ERR_REACH_DECODE'],
    [
      'truncated',
      await answering(t, (id, s) => (s.end(success(id, right).subarray(0, 20)), '')),
      'ECONNRESET',
    ],
    ['close', await serveRaw(t, (socket) => socket.end()), 'ECONNRESET'],
    ['reset', await serveRaw(t, (s) => s.once('data', () => s.resetAndDestroy())), 'ECONNRESET'],
    ['flood', await serveRaw(t, (s) => flood(s, success(new Uint8Array(12), right))), 'ERR_REACH_DECODE'],
    [
      'huge',
      await serveRaw(t, (s) => flood(s, Uint8Array.of(1, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42))),
      'ERR_REACH_DECODE',
    ],
  ]
  for (const [name, server, code] of servers) {
    const outcome = await ask(server)
    t.like(outcome, { kind: 'failed', code }, name)
  }
  t.like(await stunOverTcp(nodeRuntime(), at(await closedPort())), { kind: 'failed', code: 'ECONNREFUSED' })
})

test('a silent server is given up when the time is over, and the connection is cut', async (t) => {
  const clock = new FakeClock()
  const server = await serveRaw(t, (socket) => socket.once('data', () => clock.advance(2500)))
  t.like(await ask(server, runtimeWith(clock)), { kind: 'failed', code: 'ETIMEDOUT', ms: 2500 })
  t.is(clock.pendingTimers, 0)
})

test('a caller who gives up gets his own reason, and the connection is cut', async (t) => {
  const caller = new AbortController()
  const server = await serveRaw(t, (socket) => socket.once('data', () => caller.abort(new Error('enough'))))
  const asked = stunOverTcp(nodeRuntime(), at(server.port), { signal: caller.signal })
  await t.throwsAsync(asked, { message: 'enough' })
  await server.allClosed()
})
