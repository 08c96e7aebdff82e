import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import {
  canBind,
  canListen,
  connectTo,
  exchange,
  folderOf,
  freePortPair,
  openRelay,
  readToEnd,
  relayOf,
  tcpPort,
} from './relay-support/relay.ts'

function get(path: string, ...headers: readonly string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: relay.example.org', ...headers, '', ''].join('\r\n')
}

/** RFC 6455 §1.2's own example. */
const HANDSHAKE = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
]

test('answers health checks, the front page and HEAD, and nothing else', async (t) => {
  const port = tcpPort(await relayOf(t))
  const health = await exchange(t, port, get('/healthz'))
  t.regex(health, /^HTTP\/1\.1 200 OK\r\n/)
  t.true(health.endsWith('\r\n\r\nok\n'))
  t.regex(health, /\r\nCache-Control: no-store\r\n/)
  t.regex(await exchange(t, port, get('/')), /^HTTP\/1\.1 200 [^]*\r\n\r\np2p-reach relay 1\.2\.3\n$/)
  t.regex(await exchange(t, port, get('/?from=a-browser')), /^HTTP\/1\.1 200 /)
  t.regex(await exchange(t, port, get('/healthz').replace('GET', 'HEAD')), /^HTTP\/1\.1 200 [^]*\r\n\r\n$/)
  for (const path of ['/metrics', '/healthz/', '//', '/../etc/passwd', '/%2e%2e/'])
    t.regex(await exchange(t, port, get(path)), /^HTTP\/1\.1 404 /)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    t.regex(
      await exchange(t, port, get('/').replace('GET', method)),
      /^HTTP\/1\.1 405 [^]*\r\nAllow: GET, HEAD\r\n/,
    )
})

test('echoes the challenge of a captive portal check only when it is harmless', async (t) => {
  const port = tcpPort(await relayOf(t))
  const plain = await exchange(t, port, get('/generate_204'))
  t.regex(plain, /^HTTP\/1\.1 204 No Content\r\n/)
  t.notRegex(plain, /x-p2p-reach-response/i)
  const echoed = await exchange(t, port, get('/generate_204', 'X-P2P-Reach-Challenge: abc-123_Z.9'))
  t.regex(echoed, /^HTTP\/1\.1 204 [^]*\r\nX-P2P-Reach-Response: abc-123_Z\.9\r\n/)
  for (const hostile of ['<script>', 'a b', 'x'.repeat(65), '\u00e9', 'a\tb', ''])
    t.notRegex(
      await exchange(t, port, get('/generate_204', `X-P2P-Reach-Challenge: ${hostile}`)),
      /x-p2p-reach-response/i,
    )
  const twice = get('/generate_204', 'X-P2P-Reach-Challenge: one', 'X-P2P-Reach-Challenge: two')
  t.notRegex(await exchange(t, port, twice), /x-p2p-reach-response/i)
})

test('says in its JSON file what it is and where its STUN is', async (t) => {
  const stun = await freePortPair(['127.0.0.1'])
  const port = tcpPort(await relayOf(t, { stun: [{ host: '127.0.0.1', port: stun }] }))
  const reply = await exchange(t, port, get('/.well-known/p2p-reach.json'))
  t.regex(reply, /\r\nContent-Type: application\/json\r\n/)
  t.deepEqual(JSON.parse(reply.split('\r\n\r\n')[1] ?? ''), {
    version: '1.2.3',
    stun: [`127.0.0.1:${stun}`, `127.0.0.1:${stun + 1}`],
  })
})

test('completes a WebSocket handshake as RFC 6455 §1.3 shows it, and closes with status 1000', async (t) => {
  const relay = await relayOf(t)
  const reply = await exchange(t, tcpPort(relay), get('/ws', ...HANDSHAKE))
  t.regex(reply, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  t.regex(reply, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/)
  t.true(reply.endsWith('\r\n\r\n\x88\x02\x03\xe8'))
})

test('refuses upgrades that are no WebSocket handshake of version 13 at /ws', async (t) => {
  const port = tcpPort(await relayOf(t))
  const without = (start: string) => HANDSHAKE.filter((line) => !line.startsWith(start))
  const refused = [
    get('/', ...HANDSHAKE),
    get('/ws', ...without('Sec-WebSocket-Key')),
    get('/ws', ...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: short=='),
    get('/ws', ...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 8'),
    get('/ws', ...without('Upgrade'), 'Upgrade: h2c'),
  ]
  for (const request of refused) t.regex(await exchange(t, port, request), /^HTTP\/1\.1 400 /)
  // Without Connection: Upgrade it is an ordinary request.
  t.regex(await exchange(t, port, get('/ws', ...without('Connection'))), /^HTTP\/1\.1 404 /)
})

test('closes a connection whose first byte is of no protocol, and garbage that starts like one', async (t) => {
  const relay = await relayOf(t)
  const garbage = ['\x02', '\x7f', '\xff\xff', '\r\n', 'get / HTTP/1.1\r\n\r\n', 'A\0\0\0\r\n\r\n']
  for (const bytes of garbage) {
    const socket = await connectTo(t, tcpPort(relay))
    socket.write(bytes, 'latin1')
    t.is((await readToEnd(socket)).length, 0)
  }
  t.regex(await exchange(t, tcpPort(relay), get('/healthz')), /^HTTP\/1\.1 200 /)
})

test('closes TLS where it has no certificate', async (t) => {
  const relay = await relayOf(t)
  t.is(relay.fingerprint, undefined)
  const socket = connectTls({ host: '127.0.0.1', port: tcpPort(relay), rejectUnauthorized: false })
  const [error]: unknown[] = await once(socket, 'error').catch((thrown: unknown) => [thrown])
  t.true(error instanceof Error)
  socket.destroy()
})

test('a connection that says nothing is closed when its time is over, and so is one that never ends its request', async (t) => {
  const relay = await relayOf(t, { admission: { timeoutMs: 50 }, httpTimeoutMs: 50 })
  const silent = await connectTo(t, tcpPort(relay))
  t.is((await readToEnd(silent)).length, 0)
  const slow = await connectTo(t, tcpPort(relay))
  slow.write('GET / HTTP/1.1\r\nHost: relay')
  t.is((await readToEnd(slow)).length, 0)
  await noConnectionIsLeft(relay)
  t.is(relay.metrics().tcpConnections, 0)
})

test('regression: a client that keeps its side open after an upgrade was never cut off', async (t) => {
  const relay = await relayOf(t, { httpTimeoutMs: 50 })
  const socket = await connectTo(t, tcpPort(relay))
  socket.allowHalfOpen = true
  socket.write(get('/ws', ...HANDSHAKE))
  socket.resume()
  await once(socket, 'end')
  await noConnectionIsLeft(relay)
  t.is(relay.metrics().tcpConnections, 0)
})

test('a client that says goodbye after an upgrade is forgotten at once', async (t) => {
  const relay = await relayOf(t, { httpTimeoutMs: 600_000 })
  const socket = await connectTo(t, tcpPort(relay))
  socket.write(get('/ws', ...HANDSHAKE))
  await readToEnd(socket)
  await noConnectionIsLeft(relay)
  t.is(relay.metrics().tcpConnections, 0)
})

test('5,000 silent connections of one address keep nobody from being served, and cost little', async (t) => {
  const relay = await relayOf(t)
  const silent: Promise<Buffer>[] = []
  for (let round = 0; round < 50; round++) {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => connectTo(t, tcpPort(relay))))
    silent.push(...sockets.map(readToEnd))
    if (round % 10 === 9) t.regex(await exchange(t, tcpPort(relay), get('/healthz')), /^HTTP\/1\.1 200 /)
  }
  const { tcpConnections } = relay.metrics()
  t.true(tcpConnections >= 900 && tcpConnections <= 1100, `${tcpConnections} are open`)
  await relay.close()
  t.true((await Promise.all(silent)).every((bytes) => bytes.length === 0))
})

test('serves a port that is silent at first, then sends byte by byte', async (t) => {
  const relay = await relayOf(t)
  const socket = await connectTo(t, tcpPort(relay))
  const reply = readToEnd(socket)
  for (const character of get('/healthz')) {
    socket.write(character)
    await new Promise(setImmediate)
  }
  t.true((await reply).toString().endsWith('ok\n'))
})

function shownCertificate(socket: TLSSocket): X509Certificate {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) throw new Error('the relay showed no certificate')
  return certificate
}

async function connectToTls(t: ExecutionContext, port: number): Promise<TLSSocket> {
  return secured(t, await connectTo(t, port))
}

async function secured(t: ExecutionContext, raw: Socket): Promise<TLSSocket> {
  const socket = connectTls({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

test('serves the same over TLS with a certificate of its own, whose key is the fingerprint', async (t) => {
  const home = folderOf(t)
  const relay = await relayOf(t, { tls: { kind: 'own', home, hosts: ['127.0.0.1', 'relay.example.org'] } })
  const socket = await connectToTls(t, tcpPort(relay))
  const certificate = shownCertificate(socket)
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
  t.is(relay.fingerprint, createHash('sha256').update(spki).digest('hex'))
  t.is(certificate.checkIP('127.0.0.1'), '127.0.0.1')
  t.is(certificate.checkHost('relay.example.org'), 'relay.example.org')
  t.is(socket.alpnProtocol, 'http/1.1')
  socket.write(get('/generate_204', 'X-P2P-Reach-Challenge: over-tls'))
  t.regex((await readToEnd(socket)).toString(), /^HTTP\/1\.1 204 [^]*X-P2P-Reach-Response: over-tls\r\n/)
})

test('makes its key once: one file that only its owner reads, and the same key on the next start', async (t) => {
  const home = join(folderOf(t), 'new', 'home')
  const tls = { kind: 'own', home, hosts: ['127.0.0.1'] } as const
  const first = await openRelay({ tls })
  await first.close()
  t.deepEqual(readdirSync(home), ['relay-tls.pem'])
  if (process.platform !== 'win32') {
    t.is(statSync(join(home, 'relay-tls.pem')).mode & 0o777, 0o600)
    t.is(statSync(home).mode & 0o777, 0o700)
  }
  const before = readFileSync(join(home, 'relay-tls.pem'))
  const second = await relayOf(t, { tls })
  t.is(second.fingerprint, first.fingerprint)
  t.deepEqual(readFileSync(join(home, 'relay-tls.pem')), before)
})

test('regression: a file left by a crash gave its looser mode to the new key', async (t) => {
  const home = folderOf(t)
  writeFileSync(join(home, 'relay-tls.pem.new'), 'half a certi')
  chmodSync(join(home, 'relay-tls.pem.new'), 0o644)
  await relayOf(t, { tls: { kind: 'own', home, hosts: ['127.0.0.1'] } })
  t.deepEqual(readdirSync(home), ['relay-tls.pem'])
  if (process.platform !== 'win32') t.is(statSync(join(home, 'relay-tls.pem')).mode & 0o777, 0o600)
})

test('says which file is no certificate, and what cannot be written', async (t) => {
  const home = folderOf(t)
  const own = (folder: string) => openRelay({ tls: { kind: 'own', home: folder, hosts: ['127.0.0.1'] } })
  writeFileSync(join(home, 'relay-tls.pem'), 'not a certificate')
  await t.throwsAsync(own(home), { code: 'ERR_REACH_CONFIG', message: /relay-tls\.pem holds no certificate/ })
  await t.throwsAsync(own(join(home, 'relay-tls.pem')), { code: 'ERR_REACH_CONFIG' })
  const other = folderOf(t)
  mkdirSync(join(other, 'relay-tls.pem.new'))
  await t.throwsAsync(own(other), { code: 'ERR_REACH_CONFIG', message: /^cannot write .*relay-tls\.pem$/ })
  const missing = join(home, 'missing.pem')
  await t.throwsAsync(openRelay({ tls: { kind: 'files', certificateFile: missing, keyFile: missing } }), {
    code: 'ERR_REACH_CONFIG',
    message: `cannot read ${missing}`,
  })
})

test('refuses a key that is not the certificate’s', async (t) => {
  const files: { certificateFile: string; keyFile: string }[] = []
  for (const name of ['one', 'other']) {
    const home = folderOf(t)
    await (await openRelay({ tls: { kind: 'own', home, hosts: [name] } })).close()
    const file = join(home, 'relay-tls.pem')
    files.push({ certificateFile: file, keyFile: file })
  }
  const [one, other] = files
  if (one === undefined || other === undefined) throw new Error('two certificates were made')
  const open = (certificateFile: string, keyFile: string) =>
    openRelay({ tls: { kind: 'files', certificateFile, keyFile } })
  await t.throwsAsync(open(one.certificateFile, other.keyFile), {
    code: 'ERR_REACH_CONFIG',
    message: /is not the certificate's$/,
  })
  const relay = await open(one.certificateFile, one.keyFile)
  t.is(relay.fingerprint?.length, 64)
  await relay.close()
})

test('a client that resets the connection in the middle of anything over TLS ends nothing but itself', async (t) => {
  const home = folderOf(t)
  const relay = await relayOf(t, { tls: { kind: 'own', home, hosts: ['127.0.0.1'] } })
  for (const request of [get('/ws', ...HANDSHAKE), 'GET / HT']) {
    const raw = await connectTo(t, tcpPort(relay))
    const socket = await secured(t, raw)
    await new Promise((resolve) => socket.write(request, resolve))
    raw.resetAndDestroy()
  }
  const handshake = await connectTo(t, tcpPort(relay))
  handshake.write(Uint8Array.of(0x16, 3, 1, 2, 0))
  handshake.resetAndDestroy()
  await noConnectionIsLeft(relay)
  const again = await connectToTls(t, tcpPort(relay))
  again.write(get('/healthz'))
  t.true((await readToEnd(again)).toString().endsWith('ok\n'))
})

test('a TLS handshake that stops half-way is cut off in time', async (t) => {
  const home = folderOf(t)
  const tls = { kind: 'own', home, hosts: ['127.0.0.1'] } as const
  const relay = await relayOf(t, { tls, admission: { timeoutMs: 50 } })
  const socket = await connectTo(t, tcpPort(relay))
  socket.write(Uint8Array.of(0x16, 3, 1, 2, 0))
  await readToEnd(socket)
  await noConnectionIsLeft(relay)
  t.is(relay.metrics().tcpConnections, 0)
})

/** The relay hears of closed connections a moment after their clients; polls for it. */
async function noConnectionIsLeft(relay: { metrics(): { readonly tcpConnections: number } }): Promise<void> {
  for (let polls = 0; relay.metrics().tcpConnections > 0 && polls < 500; polls++)
    await new Promise((resolve) => setTimeout(resolve, 10))
}

test('a taken TCP port gives back everything that was bound before', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const stun = await freePortPair(['127.0.0.1'])
  const listen = [
    { host: '127.0.0.1', port: 0 },
    { host: '127.0.0.1', port },
  ]
  const options = { listen, stun: [{ host: '127.0.0.1', port: stun }] }
  await t.throwsAsync(openRelay(options), { code: 'ERR_REACH_ADDRESS_IN_USE' })
  t.true(await canBind('127.0.0.1', stun))
  t.true(await canBind('127.0.0.1', stun + 1))
  const admin = { host: '127.0.0.1', port }
  const free = await openRelay()
  const freePort = tcpPort(free)
  await free.close()
  const open = openRelay({ listen: [{ host: '127.0.0.1', port: freePort }], stun: options.stun, admin })
  await t.throwsAsync(open, { code: 'ERR_REACH_ADDRESS_IN_USE' })
  t.true(await canListen(freePort))
  t.true(await canBind('127.0.0.1', stun))
})

test('closing twice is closing once: connections end and every port is free', async (t) => {
  const home = folderOf(t)
  const stun = await freePortPair(['127.0.0.1', '127.0.0.2'])
  const relay = await openRelay({
    stun: ['127.0.0.1', '127.0.0.2'].map((host) => ({ host, port: stun })),
    tls: { kind: 'own', home, hosts: ['127.0.0.1'] },
    admin: { host: '127.0.0.1', port: 0 },
  })
  const adminPort = relay.adminAddress?.port ?? 0
  const port = tcpPort(relay)
  const connections = [await connectTo(t, port), await connectToTls(t, port), await connectTo(t, adminPort)]
  connections[0]?.write(Uint8Array.of(0, 1, 0, 0))
  const ended = Promise.all(connections.map(readToEnd))
  const closing = relay.close()
  t.is(relay.close(), closing)
  await closing
  await ended
  await relay[Symbol.asyncDispose]()
  t.true(await canListen(port))
  t.true(await canListen(adminPort))
  for (const ip of ['127.0.0.1', '127.0.0.2'])
    for (const udp of [stun, stun + 1]) t.true(await canBind(ip, udp))
})
