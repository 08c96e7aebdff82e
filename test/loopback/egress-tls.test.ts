import { createServer as createHttpServer } from 'node:http'
import { createServer as createTlsServer } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { EgressFinding } from '../../lib/probe/egress/egress-finding.ts'
import { tlsFinding } from '../../lib/probe/egress/egress-finding.ts'
import { secure } from '../../lib/net/outward/tls.ts'
import type { TlsTarget } from '../../lib/net/outward/tls.ts'
import { FakeClock } from '../unit/net/support/fake-clock.ts'
import { noOpensslReason, TestAuthority } from './egress-support/certificates.ts'
import type { Issued } from './egress-support/certificates.ts'
import { flood, runtimeWith, serve, serveRaw } from './egress-support/servers.ts'
import type { TestServer } from './egress-support/servers.ts'

const opensslTest = noOpensslReason === undefined ? test : test.skip

const OTHER_PIN = '00'.repeat(32)

function serveTls(t: ExecutionContext, { key, cert }: Issued): Promise<TestServer> {
  return serve(t, createTlsServer({ key, cert, ALPNProtocols: ['http/1.1'] }))
}

/** What a handshake with a server tells, and that it leaves no connection behind. */
async function shake(
  server: TestServer,
  target: Partial<TlsTarget> = {},
  runtime = nodeRuntime(),
): Promise<EgressFinding> {
  const socket = await runtime.network.connectTcp(transportAddress('127.0.0.1', server.port, 'tcp'))
  const outcome = await secure(runtime, socket, { host: '127.0.0.1', ...target }, { timeoutMs: 2500 })
  if (outcome.kind === 'done') outcome.value.socket.destroy()
  const finding = tlsFinding(outcome)
  await server.allClosed()
  return finding
}

opensslTest('a certificate whose key is pinned is trusted, self-signed or not', async (t) => {
  const certificate = new TestAuthority(t).selfSigned()
  const finding = await shake(await serveTls(t, certificate), { pinSha256: certificate.pinSha256 })
  t.is(finding.value, true)
  t.is(finding.confidence, 'measured')
  t.is(finding.tlsTrusted, true)
  t.is(finding.tlsIssuer, 'lonely relay')
  t.is(finding.error, undefined)
  t.true(finding.evidence.includes('its key is the one that the URL pins'))
})

opensslTest(
  'another key than the pinned one is interception, and says whose certificate it is',
  async (t) => {
    const authority = new TestAuthority(t, '/O=Corp Ltd/CN=Corp Inspection CA')
    const finding = await shake(await serveTls(t, authority.issue()), { pinSha256: OTHER_PIN })
    t.is(finding.value, false)
    t.is(finding.tlsTrusted, false)
    t.is(finding.tlsIssuer, 'Corp Inspection CA (Corp Ltd)')
    t.is(finding.error, 'TLS is intercepted: certificate signed by Corp Inspection CA (Corp Ltd)')
  },
)

opensslTest(
  'a self-signed certificate without a pin works, but is not trusted; the pin to add is named',
  async (t) => {
    const certificate = new TestAuthority(t).selfSigned()
    const finding = await shake(await serveTls(t, certificate))
    t.is(finding.value, true)
    t.is(finding.tlsTrusted, false)
    t.is(finding.error, undefined)
    t.regex(finding.evidence.join('\n'), /it is self-signed \(DEPTH_ZERO_SELF_SIGNED_CERT\)/)
    t.regex(finding.evidence.join('\n'), new RegExp(`#sha256=${certificate.pinSha256}`))
  },
)

opensslTest('a certificate of an unknown authority without a pin works, but is not trusted', async (t) => {
  const finding = await shake(await serveTls(t, new TestAuthority(t).issue()))
  t.is(finding.value, true)
  t.is(finding.tlsTrusted, false)
  t.is(finding.tlsIssuer, 'Test Root (Test Authority)')
  t.regex(
    finding.evidence.join('\n'),
    /no public authority vouches for it \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)/,
  )
})

opensslTest('a certificate that is out of date is named, with a hint at the clock', async (t) => {
  const authority = new TestAuthority(t)
  const old = authority.issue({ notBefore: '20200101000000Z', notAfter: '20200201000000Z' })
  const future = authority.issue({ notBefore: '20980101000000Z' })
  const expired = await shake(await serveTls(t, old), { pinSha256: old.pinSha256 })
  t.regex(expired.evidence.join('\n'), /it expired on Feb {2}1 00:00:00 2020 GMT, .* ahead: check the clock/)
  const early = await shake(await serveTls(t, future))
  t.regex(early.evidence.join('\n'), /valid only from Jan {2}1 00:00:00 2098 GMT, .* behind: check the clock/)
  t.is(early.tlsTrusted, false)
})

opensslTest('the clock that a certificate is judged by is the one of the runtime', async (t) => {
  const clock = new FakeClock()
  clock.shiftWall(-40 * 365 * 86_400_000)
  const server = await serveTls(t, new TestAuthority(t).issue())
  const finding = await shake(server, {}, runtimeWith(clock))
  t.regex(finding.evidence.join('\n'), /valid only from Jan {2}1 00:00:00 2020 GMT/)
})

opensslTest('names from certificates can send no escape sequence to a terminal', async (t) => {
  const certificate = new TestAuthority(t).selfSigned('/CN=\u001b[31mred\u202egnp.exe')
  const finding = await shake(await serveTls(t, certificate), { pinSha256: OTHER_PIN })
  t.notRegex(JSON.stringify(finding), /\\u001b|\u001b|\u202e/)
  t.regex(finding.tlsIssuer ?? '', /red/)
})

opensslTest('ALPN offers http/1.1; SNI carries names, never IPs (RFC 6066 §3)', async (t) => {
  const { key, cert } = new TestAuthority(t).selfSigned()
  const offers: unknown[] = []
  const server = await serve(
    t,
    createTlsServer({
      key,
      cert,
      ALPNCallback: ({ servername, protocols }) => {
        offers.push([servername, protocols])
        return protocols[0]
      },
    }),
  )
  await shake(server, { host: '127.0.0.1' })
  await shake(server, { host: 'relay.example' })
  t.deepEqual(offers, [
    [false, ['http/1.1']],
    ['relay.example', ['http/1.1']],
  ])
})

test('an HTTP server where TLS should be is named as such', async (t) => {
  const server = await serve(t, createHttpServer())
  const finding = await shake(server)
  t.is(finding.value, false)
  t.is(finding.confidence, 'measured')
  t.is(finding.error, 'ERR_SSL_WRONG_VERSION_NUMBER')
  t.is(finding.tlsIssuer, undefined)
})

test('garbage, floods of it, an immediate close and a reset are measured failures', async (t) => {
  const servers = {
    binary: await serveRaw(t, (socket) => socket.write(Uint8Array.of(0xff, 0x00, 0xfe, 0x01, 0x80, 0x80))),
    flood: await serveRaw(t, (socket) => flood(socket, 'A'.repeat(65_536))),
    close: await serveRaw(t, (socket) => socket.end()),
    reset: await serveRaw(t, (socket) => socket.once('data', () => socket.resetAndDestroy())),
  }
  const errors: Record<string, unknown> = {}
  for (const [name, server] of Object.entries(servers)) {
    const finding = await shake(server)
    t.is(finding.value, false, name)
    t.is(finding.confidence, 'measured', name)
    errors[name] = finding.error
  }
  t.deepEqual(errors, {
    binary: 'ERR_SSL_WRONG_VERSION_NUMBER',
    flood: 'ERR_SSL_WRONG_VERSION_NUMBER',
    close: 'ECONNRESET',
    reset: 'ECONNRESET',
  })
})

test('a server that refuses the handshake is named by its alert', async (t) => {
  // RFC 8446 §6: a fatal alert, handshake_failure.
  const server = await serveRaw(t, (socket) => socket.write(Uint8Array.of(0x15, 3, 1, 0, 2, 2, 40)))
  const finding = await shake(server)
  t.is(finding.value, false)
  // Node 20 and 22 spell it differently.
  t.regex(finding.error ?? '', /^ERR_SSL_.*ALERT_HANDSHAKE_FAILURE$/)
})

test('a server that says nothing is given up after the step’s time; silence is only inferred', async (t) => {
  const clock = new FakeClock()
  const server = await serveRaw(t, (socket) => socket.once('data', () => clock.advance(2500)))
  const finding = await shake(server, {}, runtimeWith(clock))
  t.is(finding.value, false)
  t.is(finding.confidence, 'inferred')
  t.is(finding.error, 'ETIMEDOUT')
  t.is(clock.pendingTimers, 0)
})

test('a caller who gives up gets his own reason, and the connection is cut', async (t) => {
  const caller = new AbortController()
  const server = await serveRaw(t, (socket) => socket.once('data', () => caller.abort(new Error('enough'))))
  const runtime = nodeRuntime()
  const socket = await runtime.network.connectTcp(transportAddress('127.0.0.1', server.port, 'tcp'))
  const limits = { timeoutMs: 2500, signal: caller.signal }
  await t.throwsAsync(secure(runtime, socket, { host: '127.0.0.1' }, limits), { message: 'enough' })
  await server.allClosed()
})
