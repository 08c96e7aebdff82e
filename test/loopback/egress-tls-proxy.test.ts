import { execFile } from 'node:child_process'
import { createServer as createHttpsServer } from 'node:https'
import { connect } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { noOpensslReason, TestAuthority } from './egress-support/certificates.ts'
import { serve } from './egress-support/servers.ts'

const opensslTest = noOpensslReason === undefined ? test : test.skip

opensslTest(
  'a trusted proxy that speaks TLS is asked with its credentials; the relay’s TLS runs inside its own',
  async (t) => {
    const authority = new TestAuthority(t)
    const relayCertificate = authority.selfSigned()
    const proxyCertificate = authority.issue()
    const { key, cert } = relayCertificate
    const relay = await serve(t, createTlsServer({ key, cert }))
    const heard: unknown[] = []
    const server = createHttpsServer({ key: proxyCertificate.key, cert: proxyCertificate.cert })
    server.on('connect', (request, client) => {
      heard.push(request.headers['proxy-authorization'])
      const upstream = connect(relay.port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.pipe(client).pipe(upstream)
      })
      upstream.on('error', () => client.destroy())
      client.on('error', () => upstream.destroy())
    })
    const proxy = await serve(t, server)
    const main = fileURLToPath(new URL('./egress-support/proxy-main.js', import.meta.url))
    const relayUrl = `https://127.0.0.1:${relay.port}#sha256=${relayCertificate.pinSha256}`
    const proxyUrl = `https://aladdin:opensesame@127.0.0.1:${proxy.port}`
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority.root.certFile }
    const { stdout } = await promisify(execFile)(process.execPath, [main, relayUrl, proxyUrl], { env })
    t.like(JSON.parse(stdout), {
      proxy: { value: 'works', address: `127.0.0.1:${proxy.port}` },
      way: { value: true, tlsTrusted: true, tlsIssuer: 'lonely relay' },
    })
    // RFC 7617 §2.
    t.deepEqual(heard, ['Basic YWxhZGRpbjpvcGVuc2VzYW1l'])
  },
)
