import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import type { Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { toBase64 } from '../../lib/base/base64.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { encodeProof } from '../../lib/protocol/relay/proof-packet.ts'
import { formatMetrics } from '../../relay-server/metrics.ts'
import { networkOf } from './network-support.ts'
import { peerOf, until } from './relay-data-support/members.ts'
import type { TestPeer } from './relay-data-support/members.ts'

/* A real relay sends a member's random bytes to the member's own ports. */

const aNonce = () => new Uint8Array(randomBytes(12))

async function udpPort(
  t: ExecutionContext,
): Promise<{ readonly port: number; readonly got: Buffer[]; readonly from: Set<number> }> {
  const socket: UdpSocket = createSocket('udp4')
  t.teardown(() => socket.close())
  const got: Buffer[] = []
  const from = new Set<number>()
  socket.on('message', (bytes, { port }) => {
    got.push(bytes)
    from.add(port)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { port: socket.address().port, got, from }
}

async function tcpServer(
  t: ExecutionContext,
): Promise<{ readonly port: number; readonly got: Buffer[]; readonly server: Server }> {
  const got: Buffer[] = []
  const server = createServer((socket) => {
    const chunks: Buffer[] = []
    socket.write('a banner, as ssh and mail servers send it\r\n')
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('end', () => {
      got.push(Buffer.concat(chunks))
      socket.end()
    })
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, got, server }
}

/** A port that nobody has: it was free a moment ago. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function ask(peer: TestPeer, fields: Readonly<Record<string, unknown>>): Promise<unknown> {
  const request = { type: 'prove', id: peer.control.nextId(), transport: 'tcp', nonce: toBase64(aNonce()) }
  return peer.control.ask({ ...request, ...fields }, ['tried'])
}

test('a UDP port gets the nonce in a STUN Binding indication, from a port that it has never talked to', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const { port, got, from } = await udpPort(t)
  const nonce = aNonce()
  t.is(alice.client.seenAs, '127.0.0.1')
  t.is(await alice.client.prove({ transport: 'udp', port, nonce }), 'sent')
  t.true(got.length >= 1 && got.length <= 3)
  // RFC 8489 §5: Binding indication 0x0011, no attributes, the magic cookie, the transaction id.
  const wanted = Buffer.concat([Buffer.from('001100002112a442', 'hex'), nonce])
  for (const bytes of got) t.deepEqual(bytes, wanted)
  t.is(from.size, 1)
  const known = [network.port, ...network.relay.stunAddresses.map((address) => address.port)]
  for (const used of from) t.false(known.includes(used))
  const first = [...from][0]
  await alice.client.prove({ transport: 'udp', port, nonce: aNonce() })
  t.true(
    [...from].some((used) => used !== first),
    'each proof has a fresh port',
  )
})

test('a TCP port gets the nonce as the only bytes, also when it speaks first', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const { port, got } = await tcpServer(t)
  const nonce = aNonce()
  t.is(await alice.client.prove({ transport: 'tcp', port, nonce }), 'accepted')
  await until(() => got.length === 1)
  t.deepEqual(got[0], Buffer.from(encodeProof(nonce)))
  const metrics = formatMetrics(network.relay.metrics()).split('\n')
  t.true(metrics.includes('p2p_reach_proofs_total{outcome="accepted"} 1'))
})

test('a dead port is refused over both transports, and the connection goes on', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  t.is(await alice.client.prove({ transport: 'tcp', port: await deadPort(), nonce: aNonce() }), 'refused')
  t.is(await alice.client.prove({ transport: 'udp', port: await deadPort(), nonce: aNonce() }), 'refused')
  t.deepEqual(await alice.client.peers(), [])
})

test('more proofs than the rate allows are refused with a hint, for the member and for its source', async (t) => {
  const rate = { ratePerS: 0, burst: 3, maxSources: 10 }
  const network = await networkOf(t, { proofLimits: { rate } })
  const alice = await peerOf(t, network, 'alice')
  const { port } = await tcpServer(t)
  for (let count = 0; count < 3; count++)
    t.is(await alice.client.prove({ transport: 'tcp', port, nonce: aNonce() }), 'accepted')
  const error = await t.throwsAsync(alice.client.prove({ transport: 'tcp', port, nonce: aNonce() }), {
    code: 'ERR_REACH_RATE_LIMITED',
  })
  t.true(ReachError.is(error) && error.hint !== undefined)
  // Another key from the same address: the source has used its share up.
  const bob = await peerOf(t, network, 'bob')
  await t.throwsAsync(bob.client.prove({ transport: 'tcp', port, nonce: aNonce() }), {
    code: 'ERR_REACH_RATE_LIMITED',
  })
  t.deepEqual(await alice.client.peers(), [])
})

test('a flood at once: no more sockets than allowed, each request is answered, and the relay serves on', async (t) => {
  const limits = { rate: { ratePerS: Infinity, burst: 1, maxSources: 1 }, maxPerSource: 4 }
  const network = await networkOf(t, { proofLimits: limits })
  const alice = await peerOf(t, network, 'alice')
  const { port, from } = await udpPort(t)
  const results = await Promise.allSettled(
    Array.from({ length: 300 }, () => alice.client.prove({ transport: 'udp', port, nonce: aNonce() })),
  )
  const done = results.filter(({ status }) => status === 'fulfilled')
  t.is(done.length, 4)
  t.is(from.size, 4)
  for (const result of results) {
    if (result.status === 'rejected') t.true(ReachError.is(result.reason, 'ERR_REACH_RATE_LIMITED'))
  }
  t.is(await alice.client.prove({ transport: 'udp', port, nonce: aNonce() }), 'sent')
})

test('a lying member can name no other address: whatever else it says, only its own IP hears anything', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const mine = await tcpServer(t)
  // 127.0.0.2 is another host as far as addresses go; the same port there must stay silent.
  const theirs = createServer()
  let touched = 0
  theirs.on('connection', (socket) => {
    touched++
    socket.destroy()
  })
  t.teardown(() => theirs.close())
  theirs.listen(mine.port, '127.0.0.2')
  await once(theirs, 'listening')
  const lies = {
    ip: '127.0.0.2',
    host: '127.0.0.2',
    to: `127.0.0.2:${mine.port}`,
    address: { ip: '127.0.0.2' },
  }
  await ask(alice, { port: mine.port, ...lies })
  await until(() => mine.got.length === 1)
  t.is(touched, 0)
})

test('garbage in a proof ends the connection or is refused alone, and nothing is sent', async (t) => {
  const network = await networkOf(t)
  for (const [fields, isFatal] of [
    [{ port: 0 }, true],
    [{ port: 65_536 }, true],
    [{ port: '22' }, true],
    [{ port: 22.5 }, true],
    [{ port: 22, transport: 'sctp' }, true],
    [{ port: 22, nonce: 7 }, true],
    [{ port: 22, nonce: '' }, false],
    [{ port: 22, nonce: toBase64(new Uint8Array(13)) }, false],
  ] as const) {
    const peer = await peerOf(
      t,
      network,
      `m${Math.abs(JSON.stringify(fields).length)}-${randomBytes(3).toString('hex')}`,
    )
    await t.throwsAsync(ask(peer, fields), { code: 'ERR_REACH_DECODE' }, JSON.stringify(fields))
    if (isFatal) t.true(ReachError.is(await peer.control.closed))
    else t.deepEqual(await peer.client.peers(), [])
  }
  t.is(network.relay.metrics().network?.proofs.size, 0)
})

test('a request of a later version is refused by its number, and the connection goes on', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  const id = alice.control.nextId()
  await t.throwsAsync(alice.control.ask({ type: 'teleport', id }, ['pong']), {
    code: 'ERR_REACH_REQUEST_REFUSED',
  })
  t.deepEqual(await alice.client.peers(), [])
})

test('regression: a relay that says no seenAs is not asked to prove, as it would end the connection', async (t) => {
  const network = await networkOf(t)
  const alice = await peerOf(t, network, 'alice')
  Object.defineProperty(alice.control, 'seenAs', { value: undefined })
  await t.throwsAsync(alice.client.prove({ transport: 'tcp', port: 1, nonce: aNonce() }), {
    code: 'ERR_REACH_REQUEST_REFUSED',
  })
  t.deepEqual(await alice.client.peers(), [])
})
