import type { Socket } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { UdpPacket } from '../../lib/base/runtime.ts'
import { sameAddress, transportAddress } from '../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { listenTcp } from '../../lib/net/tcp-server.ts'
import { openUdp } from '../../lib/net/udp-socket.ts'
import type { StunAttribute } from '../../lib/protocol/stun/attributes.ts'
import type { DecodedStunMessage } from '../../lib/protocol/stun/message.ts'
import {
  bindingRequest,
  decodeStun,
  findAttribute,
  mappedAddressOf,
} from '../../lib/protocol/stun/message.ts'
import { StunStreamParser } from '../../lib/protocol/stun/tcp-framing.ts'
import type { RelayServer } from '../../relay-server/relay-server.ts'
import { StunService } from '../../relay-server/stun-service.ts'
import { connectTo, exchange, freePortPair, readToEnd, relayOf, tcpPort } from './relay-support/relay.ts'

const IPS = ['127.0.0.1', '127.0.0.2'] as const
/** As long as any reply, so that none is cut short. */
const LONG: StunAttribute = { type: 'software', value: 'x'.repeat(100) }

function transactionId(number: number): Uint8Array {
  return Uint8Array.from({ length: 12 }, (_, i) => number + i)
}

async function relayWithGrid(t: ExecutionContext): Promise<RelayServer> {
  const port = await freePortPair(IPS)
  return relayOf(t, {
    stun: IPS.map((host) => ({ host, port })),
    admin: { host: '127.0.0.1', port: 0 },
  })
}

/** Asks from a socket of its own, sending again until answered (UDP on loopback may drop, too). */
async function ask(
  to: TransportAddress,
  attributes: readonly StunAttribute[] = [],
): Promise<{
  readonly message: DecodedStunMessage
  readonly from: TransportAddress
  readonly local: TransportAddress
}> {
  const socket = await openUdp({ family: 'ipv4', ip: '127.0.0.1' })
  const request = bindingRequest(transactionId(7), [...attributes, LONG])
  const timer = setInterval(() => socket.send(request, to), 500)
  try {
    const answered = new Promise<UdpPacket>((resolve) => (socket.onPacket = resolve))
    socket.send(request, to)
    const { bytes, from } = await answered
    return { message: decodeStun(bytes), from, local: socket.local }
  } finally {
    clearInterval(timer)
    socket.close()
  }
}

test('every endpoint of the grid answers from itself and names the opposite one', async (t) => {
  const relay = await relayWithGrid(t)
  t.is(relay.stunAddresses.length, 4)
  for (const address of relay.stunAddresses) {
    const { message, from, local } = await ask(address)
    t.is(message.class, 'success')
    t.deepEqual(mappedAddressOf(message), local)
    t.deepEqual(from, address)
    t.deepEqual(findAttribute(message, 'response-origin')?.address, address)
    const other = findAttribute(message, 'other-address')?.address
    t.true(other !== undefined && other.ip !== address.ip && other.port !== address.port)
    t.true(relay.stunAddresses.some((each) => other !== undefined && sameAddress(each, other)))
  }
})

test('CHANGE-REQUEST is answered from another socket (RFC 5780 §7.2)', async (t) => {
  const [first] = (await relayWithGrid(t)).stunAddresses
  if (first === undefined) throw new Error('the relay has endpoints')
  for (const changeIp of [false, true]) {
    for (const changePort of [false, true]) {
      const { from } = await ask(first, [{ type: 'change-request', changeIp, changePort }])
      t.is(from.ip !== first.ip, changeIp)
      t.is(from.port !== first.port, changePort)
    }
  }
})

/** Messages from a stream until there are `count`. */
async function messagesOf(socket: Socket, count: number): Promise<readonly DecodedStunMessage[]> {
  const parser = new StunStreamParser()
  const messages: DecodedStunMessage[] = []
  const all = new Promise<void>((resolve, reject) => {
    socket.once('close', () => reject(new Error(`closed after ${messages.length} messages`)))
    socket.on('data', (chunk: Buffer) => {
      for (const bytes of parser.push(chunk)) messages.push(decodeStun(bytes, { transport: 'tcp' }))
      if (messages.length >= count) resolve()
    })
  })
  await all
  return messages
}

test('answers pipelined messages over TCP in order, also when they come byte by byte', async (t) => {
  const relay = await relayWithGrid(t)
  const stream = Buffer.concat([1, 2, 3].map((number) => bindingRequest(transactionId(number), [LONG])))
  for (const cut of [stream.length, 1, 7]) {
    const socket = await connectTo(t, tcpPort(relay))
    const replies = messagesOf(socket, 3)
    for (let at = 0; at < stream.length; at += cut) {
      await new Promise((resolve) => socket.write(stream.subarray(at, at + cut), resolve))
    }
    const messages = await replies
    t.deepEqual(
      messages.map((message) => message.transactionId),
      [1, 2, 3].map(transactionId),
    )
    for (const message of messages)
      t.deepEqual(mappedAddressOf(message), transportAddress('127.0.0.1', socket.localPort ?? 0, 'tcp'))
    socket.destroy()
  }
})

test('a client that ends its side after the question still gets the answer', async (t) => {
  const relay = await relayWithGrid(t)
  const socket = await connectTo(t, tcpPort(relay))
  socket.end(bindingRequest(transactionId(1), [LONG]))
  const reply = await readToEnd(socket)
  t.deepEqual(decodeStun(reply).transactionId, transactionId(1))
})

test('a stream that is no STUN any more is closed, whatever came before', async (t) => {
  const relay = await relayWithGrid(t)
  const socket = await connectTo(t, tcpPort(relay))
  socket.write(Buffer.concat([bindingRequest(transactionId(1), [LONG]), Buffer.alloc(40, 0xff)]))
  await readToEnd(socket)
  t.regex(await exchange(t, tcpPort(relay), 'GET /healthz HTTP/1.0\r\n\r\n'), / 200 OK\r\n/)
})

test('who asks and asks and never reads is cut off', async (t) => {
  const unlimited = { ratePerS: 1e9, burst: 1e9, maxSources: 16 }
  const service = await StunService.open(
    { addresses: [], rateLimit: unlimited, ration: unlimited },
    nodeRuntime().clock,
  )
  const server = await listenTcp({ ip: '127.0.0.1', port: 0 }, (socket) => {
    socket.cork() // as a full send buffer would, answers stay in the process
    service.serveTcp(socket)
  })
  t.teardown(() => server.close())
  const socket = await connectTo(t, server.local.port)
  socket.write(Buffer.concat(Array.from({ length: 3000 }, () => bindingRequest(transactionId(1)))))
  t.is((await readToEnd(socket)).length, 0)
  t.true(service.counters('tcp').replies > 1000)
})

test('the admin address tells health and metrics in the text format, and they move', async (t) => {
  const relay = await relayWithGrid(t)
  const [first] = relay.stunAddresses
  const port = relay.adminAddress?.port ?? 0
  if (first === undefined) throw new Error('the relay has endpoints')
  const metrics = async () => {
    const reply = await exchange(t, port, 'GET /metrics HTTP/1.0\r\nHost: relay\r\n\r\n')
    t.regex(reply, /^HTTP\/1\.1 200 [^]*\r\nContent-Type: text\/plain; version=0\.0\.4; charset=utf-8\r\n/)
    return reply.split('\r\n\r\n')[1] ?? ''
  }
  const before = await metrics()
  for (const line of before.trimEnd().split('\n'))
    t.regex(line, /^(# (HELP|TYPE) p2p_reach_\w+ .+|p2p_reach_\w+(\{transport="(udp|tcp)"\})? \d+)$/)
  t.true(before.endsWith('\n'))
  await ask(first)
  const socket = await connectTo(t, tcpPort(relay))
  const reply = messagesOf(socket, 1)
  socket.write(bindingRequest(transactionId(1), [LONG]))
  await reply
  const after = await metrics()
  for (const transport of ['udp', 'tcp']) {
    const requests = new RegExp(`^p2p_reach_stun_requests_total\\{transport="${transport}"\\} ([0-9]+)$`, 'm')
    t.is(requests.exec(before)?.[1], '0')
    t.true(Number(requests.exec(after)?.[1]) >= 1)
  }
  t.regex(after, /^p2p_reach_tcp_connections 1$/m)
  t.regex(await exchange(t, port, 'GET /healthz HTTP/1.0\r\nHost: relay\r\n\r\n'), /\r\n\r\nok\n$/)
  t.regex(await exchange(t, port, 'GET / HTTP/1.0\r\nHost: relay\r\n\r\n'), /^HTTP\/1\.1 404 /)
})
