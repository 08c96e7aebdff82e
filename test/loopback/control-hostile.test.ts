import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { sign } from 'node:crypto'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { toBase64 } from '../../lib/base/base64.ts'
import { JsonReader } from '../../lib/base/json-reader.ts'
import { selfSignedCertificate } from '../../lib/identity/issue/certificate-profiles.ts'
import { generateKeyPair } from '../../lib/identity/keys/key-pair.ts'
import {
  CONTROL_ALPN,
  CONTROL_EXPORTER_LABEL,
  FrameReader,
  MAX_FRAME,
  encodeFrame,
} from '../../lib/protocol/relay/control-frame.ts'
import { proofBytes } from '../../lib/protocol/relay/control-request.ts'
import { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { memberOf, networkOf } from './network-support.ts'
import type { TestNetwork } from './network-support.ts'

/* Who comes to the control service and is no member, or a member that misbehaves. */

async function dial(
  t: ExecutionContext,
  { port }: TestNetwork,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connectTls({
    ...{
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ALPNProtocols: [CONTROL_ALPN],
      sigalgs: 'ed25519',
    },
    ...options,
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** All frames until the relay closes. */
async function replies(socket: TLSSocket): Promise<readonly JsonReader[]> {
  const frames = new FrameReader(MAX_FRAME)
  const said: JsonReader[] = []
  socket.on('data', (chunk: Uint8Array) => {
    for (const text of frames.push(chunk)) said.push(JsonReader.parse(text, 'reply'))
  })
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return said
}

function lengthPrefixed(body: string): Uint8Array {
  const bytes = Buffer.from(body, 'utf8')
  const header = Buffer.alloc(4)
  header.writeUInt32BE(bytes.length)
  return Buffer.concat([header, bytes])
}

const RUBBISH: readonly (readonly [string, Uint8Array, string])[] = [
  ['no JSON', lengthPrefixed('hello'), 'ERR_REACH_DECODE'],
  ['a list', lengthPrefixed('[]'), 'ERR_REACH_DECODE'],
  ['no type', lengthPrefixed('{}'), 'ERR_REACH_DECODE'],
  ['a frame of four gigabytes', Uint8Array.of(0xff, 0xff, 0xff, 0xff), 'ERR_REACH_DECODE'],
  ['a frame over a stranger’s limit', Uint8Array.of(0, 2, 0, 0), 'ERR_REACH_DECODE'],
  ['very deep JSON', lengthPrefixed(`{"type":${'['.repeat(20_000)}`), 'ERR_REACH_DECODE'],
  ['a request of another age', encodeFrame({ type: 'teleport' }), 'ERR_REACH_REQUEST_REFUSED'],
  ['a ping before the proof', encodeFrame({ type: 'ping', id: 1 }), 'ERR_REACH_TRUST_NO_CERTIFICATE'],
  [
    'a report before the proof',
    encodeFrame({ type: 'report', roots: [], denyListNumber: 0 }),
    'ERR_REACH_TRUST_NO_CERTIFICATE',
  ],
  [
    'a token that is none',
    encodeFrame({ type: 'enrol', tokenId: 'x', secret: 'y', request: 'AAAA' }),
    'ERR_REACH_REQUEST_REFUSED',
  ],
]

test('rubbish is refused with a code, and the connection ends', async (t) => {
  const network = await networkOf(t)
  for (const [what, bytes, code] of RUBBISH) {
    const socket = await dial(t, network)
    socket.write(bytes)
    const said = await replies(socket)
    t.deepEqual(
      said.map((reply) => reply.text('type')),
      ['refused'],
      what,
    )
    t.is(said[0]?.text('code'), code, what)
  }
})

test('requests for members get an answer without ending only where that is promised', async (t) => {
  const network = await networkOf(t)
  const socket = await dial(t, network)
  const all = replies(socket)
  socket.write(encodeFrame({ type: 'renew', request: 'AAAA' }))
  socket.write(encodeFrame({ type: 'admin', id: 7, request: { op: 'status' } }))
  socket.write(encodeFrame({ type: 'ping', id: 1 }))
  const said = await all
  t.deepEqual(
    said.map((reply) => reply.text('code')),
    Array.from({ length: 3 }, () => 'ERR_REACH_TRUST_NO_CERTIFICATE'),
  )
  t.is(said[1]?.count('id'), 7)
})

test('a proof counts for its own connection and its own key only', async (t) => {
  const network = await networkOf(t)
  const alice = await memberOf(t, network, 'alice')
  const thief = generateKeyPair()
  const { chain, privateKey } = alice.credentials
  const report = { roots: [], denyListNumber: 0, addresses: [] }
  const prove = (socket: TLSSocket, key = privateKey) => {
    const exported = socket.exportKeyingMaterial(32, CONTROL_EXPORTER_LABEL, Buffer.alloc(0))
    const relay = Certificate.decode(socket.getPeerX509Certificate()?.raw ?? new Uint8Array())
    return toBase64(sign(null, proofBytes(exported, relay.spkiSha256), key))
  }
  const chainOf = (certificates: readonly Certificate[]) => certificates.map(({ der }) => toBase64(der))
  const outcome = async (socket: TLSSocket, signature: string, certificates = chain) => {
    const all = replies(socket)
    socket.write(encodeFrame({ type: 'authenticate', chain: chainOf(certificates), signature, ...report }))
    socket.write(encodeFrame({ type: 'teleport' })) // ends the connection in any case
    const [first] = await all
    return first?.text('type') === 'refused' ? first.text('code') : first?.text('type')
  }
  const elsewhere = prove(await dial(t, network))
  t.is(await outcome(await dial(t, network), elsewhere), 'ERR_REACH_TRUST_WRONG_KEY')
  const first = await dial(t, network)
  t.is(await outcome(first, prove(first, thief.privateKey)), 'ERR_REACH_TRUST_WRONG_KEY')
  const second = await dial(t, network)
  const stranger = [await selfSignedCertificate(thief, 1_800_000_000_000)]
  t.is(await outcome(second, prove(second, thief.privateKey), stranger), 'ERR_REACH_TRUST_UNKNOWN_ISSUER')
  const third = await dial(t, network)
  t.is(await outcome(third, prove(third), []), 'ERR_REACH_TRUST_WRONG_KEY')
  const honest = await dial(t, network)
  t.is(await outcome(honest, prove(honest)), 'welcome')
})

test('strangers from one address are few at a time, and their guesses rationed', async (t) => {
  const network = await networkOf(t, {}, { admission: { maxPerSource: 32 } })
  const waiting = await Promise.all(Array.from({ length: 32 }, () => dial(t, network)))
  await t.throwsAsync(dial(t, network), { code: 'ECONNRESET' })
  for (const socket of waiting) socket.destroy()
  for (const socket of waiting) if (!socket.closed) await once(socket, 'close')
  while (network.relay.metrics().newcomers > 0) await new Promise((resolve) => setTimeout(resolve, 5))

  let limited = false
  for (let attempt = 0; attempt < 60 && !limited; attempt++) {
    const socket = await dial(t, network)
    socket.write(encodeFrame({ type: 'enrol', tokenId: '00', secret: '00', request: 'AAAA' }))
    const [refusal] = await replies(socket)
    limited = refusal?.text('code') === 'ERR_REACH_RATE_LIMITED'
  }
  t.true(limited)
})

test('members are shown the network’s certificate, browsers that of the web, TLS 1.2 nothing of the control service', async (t) => {
  const network = await networkOf(t)
  const member = await dial(t, network)
  t.is(member.getPeerX509Certificate()?.publicKey.asymmetricKeyType, 'ed25519')
  const browser = connectTls({
    host: '127.0.0.1',
    port: network.port,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  })
  t.teardown(() => browser.destroy())
  await once(browser, 'secureConnect')
  t.is(browser.getPeerX509Certificate()?.publicKey.asymmetricKeyType, 'ec')
  t.is(browser.alpnProtocol, 'http/1.1')
  const old = connectTls({
    ...{ host: '127.0.0.1', port: network.port, rejectUnauthorized: false, ALPNProtocols: [CONTROL_ALPN] },
    maxVersion: 'TLSv1.2',
  })
  old.on('error', () => undefined)
  old.once('secureConnect', () => old.write(encodeFrame({ type: 'ask-network' })))
  t.deepEqual(await replies(old), [])
})

test('a stranger has one deadline from the accept on, however far it has come; a member has none', async (t) => {
  const network = await networkOf(t, {}, { admission: { timeoutMs: 1500 } })
  const alice = await memberOf(t, network, 'alice')
  const { client } = await alice.connect()
  t.teardown(() => client.close())
  const startMs = Date.now()
  const silent = await dial(t, network)
  const asking = await dial(t, network)
  const asks = setInterval(() => asking.write(encodeFrame({ type: 'ask-network' })), 100)
  t.teardown(() => clearInterval(asks))
  const [nothing, answers] = await Promise.all([replies(silent), replies(asking)])
  const tookMs = Date.now() - startMs
  t.true(tookMs >= 1300, `${tookMs} ms`)
  t.is(nothing.length, 0)
  t.true(answers.length > 3)
  await client.ask({ type: 'ping', id: client.nextId() }, ['pong'])
  t.is(network.relay.metrics().newcomers, 0)
})
