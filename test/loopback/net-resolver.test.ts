import test from 'ava'
import { openUdp } from '../../lib/net/udp-socket.ts'
import type { NodeUdpSocket } from '../../lib/net/udp-socket.ts'
import { nodeResolver } from '../../lib/net/node-resolver.ts'

/** RFC 1035 §4.1.1: response, recursion desired and available; the low bits are the response code. */
const RESPONSE_FLAGS = 0x8180
const NOERROR = 0
const SERVFAIL = 2
const NXDOMAIN = 3
const QUERY_TIMEOUT_MS = 300

/** A DNS server on loopback: `answers` decides by name; undefined stays silent. */
async function dnsServer(answer: (name: string) => { rcode: number; ipv4?: readonly number[] } | undefined) {
  const socket = await openUdp({ family: 'ipv4', ip: '127.0.0.1' })
  socket.onPacket = ({ bytes, from }) => {
    const reply = answer(nameIn(bytes))
    if (reply !== undefined) socket.send(response(bytes, reply.rcode, reply.ipv4), from)
  }
  const servers = [`127.0.0.1:${socket.local.port}`]
  return { socket, resolver: nodeResolver({ servers, queryTimeoutMs: QUERY_TIMEOUT_MS }) }
}

/** The name that a query asks for (RFC 1035 §4.1.2). */
function nameIn(query: Uint8Array): string {
  const labels: string[] = []
  for (let at = 12, length = query[at] ?? 0; length > 0; at += length + 1, length = query[at] ?? 0) {
    labels.push(new TextDecoder().decode(query.subarray(at + 1, at + 1 + length)))
  }
  return labels.join('.').toLowerCase()
}

/** Header and question of the query, and one A record if there is an IP. */
function response(query: Uint8Array, rcode: number, ipv4: readonly number[] | undefined): Uint8Array {
  let end = 12
  while ((query[end] ?? 0) > 0) end += (query[end] ?? 0) + 1
  const question = query.subarray(12, end + 5)
  const counts = [0, 1, 0, ipv4 === undefined ? 0 : 1, 0, 0, 0, 0]
  const flags = RESPONSE_FLAGS | rcode
  // RFC 1035 §4.1.3: name as a pointer to offset 12, type A, class IN, TTL 60 s, 4 bytes.
  const record = ipv4 === undefined ? [] : [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...ipv4]
  return Uint8Array.from([
    ...query.subarray(0, 2),
    flags >> 8,
    flags & 0xff,
    ...counts,
    ...question,
    ...record,
  ])
}

function close(socket: NodeUdpSocket): void {
  socket.close()
}

test('a query asks the servers it was given and tells found, not found and failed apart', async (t) => {
  const { socket, resolver } = await dnsServer((name) => {
    if (name === 'relay.example') return { rcode: NOERROR, ipv4: [192, 0, 2, 7] }
    if (name === 'empty.example') return { rcode: NOERROR }
    if (name === 'broken.example') return { rcode: SERVFAIL }
    return { rcode: NXDOMAIN }
  })
  t.deepEqual(await resolver.query('relay.example', 'A'), { kind: 'found', ips: ['192.0.2.7'] })
  t.deepEqual(await resolver.query('empty.example', 'A'), { kind: 'not-found', code: 'ENODATA' })
  t.deepEqual(await resolver.query('gone.example', 'AAAA'), { kind: 'not-found', code: 'ENOTFOUND' })
  t.deepEqual(await resolver.query('broken.example', 'A'), { kind: 'failed', code: 'ESERVFAIL' })
  close(socket)
})

test('a server that does not answer is a failure, not a missing name', async (t) => {
  const { socket, resolver } = await dnsServer(() => undefined)
  t.deepEqual(await resolver.query('relay.example', 'A'), { kind: 'failed', code: 'ETIMEOUT' })
  close(socket)
})

test('aborting a query rejects with the reason', async (t) => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const { socket, resolver } = await dnsServer(() => {
    controller.abort(reason)
    return undefined
  })
  t.is(await t.throwsAsync(resolver.query('relay.example', 'A', controller.signal)), reason)
  close(socket)
})

test('localhost resolves as the system does, to loopback addresses', async (t) => {
  const outcome = await nodeResolver().lookup('localhost')
  t.is(outcome.kind, 'found')
  for (const ip of outcome.kind === 'found' ? outcome.ips : []) t.regex(ip, /^(127\.|::1$)/)
})

test('aborting a lookup rejects with the reason although the system goes on', async (t) => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const looking = nodeResolver().lookup('localhost', controller.signal)
  controller.abort(reason)
  t.is(await t.throwsAsync(looking), reason)
})
