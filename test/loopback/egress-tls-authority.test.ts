import { execFile } from 'node:child_process'
import { createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { noOpensslReason, TestAuthority } from './egress-support/certificates.ts'
import type { Issued } from './egress-support/certificates.ts'
import { serve } from './egress-support/servers.ts'

const opensslTest = noOpensslReason === undefined ? test : test.skip

const OTHER_PIN = '00'.repeat(32)

/** The finding of a process that counts `authority` among its authorities, for the host or IP in `target`. */
async function shake(
  t: ExecutionContext,
  authority: TestAuthority,
  { key, cert }: Issued,
  target: readonly string[],
): Promise<unknown> {
  const { port } = await serve(t, createServer({ key, cert }))
  const main = fileURLToPath(new URL('./egress-support/handshake-main.js', import.meta.url))
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority.root.certFile }
  const { stdout } = await promisify(execFile)(process.execPath, [main, String(port), ...target], { env })
  return JSON.parse(stdout)
}

opensslTest(
  'a certificate of an authority that Node trusts, made out to this host, is trusted',
  async (t) => {
    const authority = new TestAuthority(t)
    const byIp = await shake(t, authority, authority.issue(), ['127.0.0.1'])
    t.like(byIp, { value: true, tlsTrusted: true, tlsIssuer: 'Test Root (Test Authority)' })
    const named = authority.issue({ altName: 'DNS:relay.example' })
    t.like(await shake(t, authority, named, ['relay.example']), { value: true, tlsTrusted: true })
  },
)

opensslTest('a certificate that is made out to another host is not trusted, and says why', async (t) => {
  const authority = new TestAuthority(t)
  const named = authority.issue({ altName: 'DNS:other.example' })
  const finding = await shake(t, authority, named, ['relay.example'])
  t.like(finding, { value: true, tlsTrusted: false })
  t.regex(JSON.stringify(finding), /it is not made out to this host \(ERR_TLS_CERT_ALTNAME_INVALID\)/)
})

opensslTest(
  'an expired certificate of a trusted authority is not trusted, and hints at the clock',
  async (t) => {
    const authority = new TestAuthority(t)
    const old = authority.issue({ notBefore: '20200101000000Z', notAfter: '20200201000000Z' })
    const finding = await shake(t, authority, old, ['127.0.0.1'])
    t.like(finding, { value: true, tlsTrusted: false })
    t.regex(JSON.stringify(finding), /CERT_HAS_EXPIRED/)
    t.regex(JSON.stringify(finding), /check the clock/)
  },
)

opensslTest(
  'with a pin, an authority that was added to this host is no witness against interception',
  async (t) => {
    const authority = new TestAuthority(t, '/CN=Corp Inspection CA')
    const finding = await shake(t, authority, authority.issue(), ['127.0.0.1', OTHER_PIN])
    t.like(finding, {
      value: false,
      tlsTrusted: false,
      error: 'TLS is intercepted: certificate signed by Corp Inspection CA',
    })
  },
)
