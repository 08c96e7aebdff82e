import { X509Certificate, createPrivateKey } from 'node:crypto'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import type { ExecutionContext } from 'ava'
import { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { verifyChain } from '../../lib/identity/certificate/verify-chain.ts'
import { crossSign, issueIntermediate, issueLeaf } from '../../lib/identity/issue/certificate-profiles.ts'
import {
  checkCertificateRequest,
  makeCertificateRequest,
} from '../../lib/identity/issue/certificate-request.ts'
import { makeRevocationList } from '../../lib/identity/issue/revocation-list.ts'
import type { Issuer } from '../../lib/identity/issue/sign-certificate.ts'
import { spkiOf } from '../../lib/identity/issue/signing-key.ts'
import { generateKeyPair, privateKeyPem } from '../../lib/identity/keys/key-pair.ts'
import { SecureServer } from '../../lib/identity/tls/secure-server.ts'
import { decideTrust } from '../../lib/identity/trust/decide-trust.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { TestNetwork } from '../support/identity.ts'
import { HOUR_MS, aCertificate, aMember, aNetwork, memberNames, rejection } from '../support/identity.ts'
import { forgeAuthority } from './support/forge-authority.ts'
import type { OpensslFolder } from './support/openssl-folder.ts'
import { noOpensslReason, opensslTest } from './support/openssl-folder.ts'

/* openssl knows no other time than that of the system, so here everything takes place now. */
const NOW_MS = nodeRuntime().clock.wallMs()
/** When what openssl has made since has begun. */
const SOON_MS = NOW_MS + HOUR_MS / 2
const network = await aNetwork('net.example', NOW_MS - HOUR_MS)
const member = (of: TestNetwork, name = 'alice') =>
  aMember(of, { name, roles: ['peer', 'admin'], issuedAtMs: NOW_MS - 1000 })
const alice = await member(network)

interface VerifyOptions {
  readonly roots: readonly Certificate[]
  readonly above?: readonly Certificate[]
  readonly flags?: readonly string[]
}

/** What `openssl verify` says of a certificate. */
function verify(
  openssl: OpensslFolder,
  certificate: Certificate,
  options: VerifyOptions,
): { ok: boolean; said: string } {
  const { roots, above = [], flags = ['-x509_strict'] } = options
  const pem = (all: readonly Certificate[]) => all.map((one) => one.pem).join('')
  const untrusted = above.length === 0 ? [] : ['-untrusted', openssl.write('above.pem', pem(above))]
  const files = ['-CAfile', openssl.write('roots.pem', pem(roots)), ...untrusted]
  // No authority of this machine may help.
  const only = ['-no-CApath', '-no-CAstore']
  return openssl.ask('verify', ...flags, ...only, ...files, openssl.write('leaf.pem', certificate.pem))
}

opensslTest('accepts root, intermediate and leaf, strictly, for servers and for clients', (t, openssl) => {
  const roots = [network.root]
  const above = [network.intermediate]
  for (const [certificate, options] of [
    [network.root, { roots }],
    [network.intermediate, { roots }],
    [alice.leaf, { roots, above }],
    [alice.leaf, { roots, above, flags: ['-x509_strict', '-purpose', 'sslserver'] }],
    [
      alice.leaf,
      {
        roots,
        above,
        flags: ['-x509_strict', '-purpose', 'sslclient', '-verify_hostname', 'alice.net.example'],
      },
    ],
  ] as const) {
    const { ok, said } = verify(openssl, certificate, options)
    t.true(ok, said)
  }
  t.false(verify(openssl, alice.leaf, { roots }).ok, 'not without the intermediate')
})

opensslTest('accepts a cross-signed root', async (t, openssl) => {
  const next = await aNetwork('net.example', NOW_MS - HOUR_MS)
  const cross = await crossSign(next.root, network.rootIssuer, NOW_MS)
  const bob = await member(next, 'bob')
  const { ok, said } = verify(openssl, bob.leaf, { roots: [network.root], above: [next.intermediate, cross] })
  t.true(ok, said)
  t.is(verifyChain(bob.leaf, [next.intermediate, cross], [network.root], NOW_MS).kind, 'valid')
})

opensslTest(
  'rejects what our intermediate signs outside its domain (error 47), as we do',
  async (t, openssl) => {
    const bounds = { issuer: network.issuer, notBeforeMs: NOW_MS - HOUR_MS, notAfterMs: NOW_MS + HOUR_MS }
    for (const [what, names] of [
      ['a name elsewhere', memberNames('alice', 'elsewhere.example')],
      ['a URI elsewhere', { dns: ['a.net.example'], uris: ['p2p-reach://a.elsewhere.example/peer'] }],
      ['a domain that only ends like it', memberNames('alice', 'evilnet.example')],
    ] as const) {
      const { certificate } = await aCertificate({ ...bounds, ...names })
      const { ok, said } = verify(openssl, certificate, {
        roots: [network.root],
        above: [network.intermediate],
      })
      t.false(ok, what)
      t.regex(said, /permitted subtree violation/, what)
      const outcome = verifyChain(certificate, [network.intermediate], [network.root], NOW_MS)
      t.is(outcome.kind === 'invalid' ? outcome.problem : 'valid', 'name-constraint', what)
    }
    const withIp = await aCertificate({
      ...bounds,
      extensions: (x509) => [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '192.0.2.1' }])],
    })
    const { said } = verify(openssl, withIp.certificate, {
      roots: [network.root],
      above: [network.intermediate],
    })
    t.regex(said, /excluded subtree violation/)
  },
)

opensslTest('rejects a CA below our intermediate, as we do', async (t, openssl) => {
  const below = await aCertificate({
    ca: {},
    issuer: network.issuer,
    notAfterMs: NOW_MS + HOUR_MS,
    notBeforeMs: NOW_MS - HOUR_MS,
  })
  const leaf = await aCertificate({
    issuer: below,
    notAfterMs: NOW_MS + HOUR_MS,
    notBeforeMs: NOW_MS - HOUR_MS,
  })
  const above = [below.certificate, network.intermediate]
  t.regex(
    verify(openssl, leaf.certificate, { roots: [network.root], above }).said,
    /path length constraint exceeded/,
  )
  const outcome = verifyChain(leaf.certificate, above, [network.root], NOW_MS)
  t.is(outcome.kind === 'invalid' ? outcome.problem : 'valid', 'too-long')
})

opensslTest('shows names, roles and constraints', (t, openssl) => {
  const show = (certificate: Certificate) =>
    openssl.run('x509', '-noout', '-text', '-in', openssl.write('one.pem', certificate.pem))
  const leaf = show(alice.leaf)
  t.regex(
    leaf,
    /DNS:alice\.net\.example, URI:p2p-reach:\/\/alice\.net\.example\/peer, URI:p2p-reach:\/\/alice\.net\.example\/admin/,
  )
  t.regex(leaf, /TLS Web Client Authentication, TLS Web Server Authentication/)
  t.regex(leaf, /Public Key Algorithm: ED25519/)
  t.regex(leaf, /CA:FALSE/)
  const intermediate = show(network.intermediate)
  t.regex(
    intermediate,
    /Name Constraints: critical\s+Permitted:\s+DNS:net\.example\s+URI:\.net\.example\s+Excluded:/,
  )
  t.regex(intermediate, /IP:0\.0\.0\.0\/0\.0\.0\.0/)
  t.regex(intermediate, /CA:TRUE, pathlen:0/)
  t.regex(intermediate, /Certificate Sign, CRL Sign/)
})

opensslTest('takes our revocation list, and refuses who is on it', async (t, openssl) => {
  const bob = await member(network, 'bob')
  const revoked = [{ serial: bob.leaf.serial, revokedAtMs: NOW_MS - 1000 }]
  const crl = await makeRevocationList(revoked, network.issuer, NOW_MS - 1000)
  const file = openssl.write('list.crl', crl)
  const text = openssl.run('crl', '-noout', '-text', '-in', file)
  t.regex(text, new RegExp(`Serial Number: ${bob.leaf.serial}`, 'i'))
  openssl.write('int.pem', network.intermediate.pem)
  t.regex(openssl.ask('crl', '-noout', '-CAfile', 'int.pem', '-in', file).said, /verify OK/)
  const flags = ['-crl_check', '-CRLfile', file]
  const [roots, above] = [[network.root], [network.intermediate]]
  t.regex(verify(openssl, bob.leaf, { roots, above, flags }).said, /certificate revoked/)
  const { ok, said } = verify(openssl, alice.leaf, { roots, above, flags })
  t.true(ok, said)
})

opensslTest('an empty revocation list is one, too', async (t, openssl) => {
  const file = openssl.write('list.crl', await makeRevocationList([], network.issuer, NOW_MS - 1000))
  t.regex(openssl.run('crl', '-noout', '-text', '-in', file), /No Revoked Certificates/)
})

opensslTest('takes our certificate request, and we take its own for Ed25519 alone', async (t, openssl) => {
  const keys = generateKeyPair()
  openssl.write('ours.csr', await makeCertificateRequest(keys))
  t.regex(openssl.ask('req', '-verify', '-noout', '-inform', 'DER', '-in', 'ours.csr').said, /verify OK/i)
  openssl.write('own.key', privateKeyPem(keys.privateKey))
  openssl.run(
    'req',
    '-new',
    '-key',
    'own.key',
    '-subj',
    '/CN=whatever/O=it says',
    '-outform',
    'DER',
    '-out',
    'theirs.csr',
  )
  const request = openssl.readBytes('theirs.csr')
  t.is((await checkCertificateRequest(request)).peerId, keys.peerId)
  const forged = Uint8Array.from(request)
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
  await rejection(t, checkCertificateRequest(forged), 'ERR_REACH_REQUEST_REFUSED', /signature is wrong/)
  for (const [algorithm, option] of [
    ['EC', 'ec_paramgen_curve:P-256'],
    ['RSA', 'rsa_keygen_bits:2048'],
  ] as const) {
    openssl.run('genpkey', '-algorithm', algorithm, '-pkeyopt', option, '-out', 'other.key')
    openssl.run('req', '-new', '-key', 'other.key', '-subj', '/CN=x', '-outform', 'DER', '-out', 'other.csr')
    const other = checkCertificateRequest(openssl.readBytes('other.csr'))
    await rejection(t, other, 'ERR_REACH_REQUEST_REFUSED', /not for an Ed25519 key/)
  }
})

/** Issuing CAs that openssl makes: how the key is drawn, and what else is asked of `req`. */
const authorities: readonly (readonly [string, readonly string[]])[] = [
  ['Ed25519', ['-algorithm', 'ED25519']],
  ['P-256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
  ['P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['RSA-2048', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
]
/** How names are encoded: `string_mask` of openssl-req(1). */
const encodings: readonly (readonly [string, string, string])[] = [
  ['UTF8String', 'utf8only', '/C=DE/O=Bücher & Söhne/CN=Ausstellerin'],
  ['PrintableString', 'pkix', '/C=DE/O=Example Ltd/OU=PKI/CN=Issuing 1'],
  ['T61String', 'nombstr', '/C=DE/O=B\u00fccher/CN=Issuing 2'],
  ['an escaped name', 'utf8only', '/O=Smith, Sons + "Co" <x>;#/CN= a\\/b=c /emailAddress=pki@example.org'],
]

/** A root and an issuing CA below it, both made by openssl. */
function opensslAuthority(
  openssl: OpensslFolder,
  key: readonly string[],
  options: { readonly mask?: string; readonly subject?: string; readonly constraints?: string } = {},
): { readonly root: Certificate; readonly issuer: Issuer } {
  const { mask = 'utf8only', subject = '/O=Example/CN=Issuing', constraints } = options
  openssl.write(
    'conf',
    `[req]\ndistinguished_name=dn\nstring_mask=${mask}\n[dn]\n[root]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n`,
  )
  const bounds = constraints === undefined ? '' : `nameConstraints=critical,${constraints}\n`
  openssl.write(
    'ext',
    `basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n${bounds}`,
  )
  const config = ['-config', 'conf', '-utf8']
  openssl.run('genpkey', ...key, '-out', 'root.key')
  openssl.run(
    'req',
    '-x509',
    ...config,
    '-key',
    'root.key',
    '-subj',
    `${subject} Root`,
    '-extensions',
    'root',
    '-days',
    '30',
    '-out',
    'root.pem',
  )
  openssl.run('genpkey', ...key, '-out', 'int.key')
  openssl.run('req', '-new', ...config, '-key', 'int.key', '-subj', subject, '-out', 'int.csr')
  openssl.run(
    'x509',
    '-req',
    '-in',
    'int.csr',
    '-CA',
    'root.pem',
    '-CAkey',
    'root.key',
    '-extfile',
    'ext',
    '-days',
    '20',
    '-out',
    'int.pem',
    '-set_serial',
    '0x00f00dfeedf00dfeed',
  )
  const issuer = {
    certificate: Certificate.fromPem(openssl.read('int.pem')),
    privateKey: createPrivateKey(openssl.read('int.key')),
  }
  return { root: Certificate.fromPem(openssl.read('root.pem')), issuer }
}

/** Issues a member below a foreign CA, and asks everybody of it. */
async function issueBelow(
  t: ExecutionContext,
  openssl: OpensslFolder,
  root: Certificate,
  issuer: Issuer,
  domain = 'net.example',
): Promise<void> {
  const keys = generateKeyPair()
  const subject = { name: 'alice', domain, roles: ['peer'] as const, spki: spkiOf(keys.publicKey) }
  const leaf = await issueLeaf(subject, issuer, NOW_MS)
  const above = [issuer.certificate]
  t.is(
    Buffer.compare(leaf.issuerDer, issuer.certificate.subjectDer),
    0,
    'the name is that of the CA, byte for byte',
  )
  const { ok, said } = verify(openssl, leaf, { roots: [root], above })
  t.true(ok, said)
  t.is(verifyChain(leaf, above, [root], SOON_MS).kind, 'valid')
  t.is(
    decideTrust([leaf, ...above], { network: { domain, roots: [root] }, name: 'alice' }, SOON_MS).kind,
    'trusted',
  )
  const crl = await makeRevocationList(
    [{ serial: leaf.serial, revokedAtMs: NOW_MS - 1000 }],
    issuer,
    NOW_MS - 1000,
  )
  const flags = ['-crl_check', '-CRLfile', openssl.write('list.crl', crl)]
  t.regex(verify(openssl, leaf, { roots: [root], above, flags }).said, /certificate revoked/)
}

for (const [type, key] of authorities) {
  opensslTest(`a CA made by openssl with a key of type ${type} issues for us`, async (t, openssl) => {
    const { root, issuer } = opensslAuthority(openssl, key)
    await issueBelow(t, openssl, root, issuer)
    for (const certificate of [root, issuer.certificate]) {
      const node = new X509Certificate(certificate.der)
      t.is(certificate.serial.replace(/^00/, ''), node.serialNumber.toLowerCase())
      t.is(certificate.notAfterMs, Date.parse(node.validTo))
      t.is(certificate.notBeforeMs, Date.parse(node.validFrom))
      t.true(certificate.extensions.basicConstraints.isCa)
    }
  })

  opensslTest(
    `a CA made by openssl (${type}) that is bound to a domain keeps within it, for openssl and for us`,
    async (t, openssl) => {
      const constraints = 'permitted;DNS:net.example,permitted;URI:.net.example'
      const { root, issuer } = opensslAuthority(openssl, key, { constraints })
      await issueBelow(t, openssl, root, issuer)
      const keys = generateKeyPair()
      const subject = {
        name: 'alice',
        domain: 'other.example',
        roles: ['peer'] as const,
        spki: spkiOf(keys.publicKey),
      }
      const leaf = await issueLeaf(subject, issuer, NOW_MS)
      t.regex(
        verify(openssl, leaf, { roots: [root], above: [issuer.certificate] }).said,
        /permitted subtree violation/,
      )
      const outcome = verifyChain(leaf, [issuer.certificate], [root], SOON_MS)
      t.is(outcome.kind === 'invalid' ? outcome.problem : 'valid', 'name-constraint')
    },
  )

  opensslTest(`a root made by openssl (${type}) signs an intermediate of ours`, async (t, openssl) => {
    const { root } = opensslAuthority(openssl, key)
    const keys = generateKeyPair()
    const rootIssuer = { certificate: root, privateKey: createPrivateKey(openssl.read('root.key')) }
    const certificate = await issueIntermediate('net.example', spkiOf(keys.publicKey), rootIssuer, NOW_MS)
    await issueBelow(t, openssl, root, { certificate, privateKey: keys.privateKey })
  })
}

for (const [encoding, mask, subject] of encodings) {
  opensslTest(`a CA whose name is ${encoding} keeps its name in what it issues`, async (t, openssl) => {
    const { root, issuer } = opensslAuthority(openssl, ['-algorithm', 'ED25519'], { mask, subject })
    await issueBelow(t, openssl, root, issuer)
  })
}

for (const digest of ['sha1', 'md5', 'sha224']) {
  opensslTest(`regression: a certificate that is signed with ${digest} is refused`, (t, openssl) => {
    const { root } = opensslAuthority(openssl, ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'])
    const sign = (hash: string): string => {
      openssl.run(
        ...['x509', '-req', `-${hash}`, '-in', 'int.csr', '-CA', 'root.pem', '-CAkey', 'root.key'],
        ...['-extfile', 'ext', '-days', '20', '-out', 'again.pem'],
      )
      const outcome = verifyChain(Certificate.fromPem(openssl.read('again.pem')), [], [root], SOON_MS)
      return outcome.kind === 'valid' ? outcome.kind : outcome.problem
    }
    t.is(sign(digest), 'weak-signature')
    t.is(sign('sha384'), 'valid')
  })
}

opensslTest('a CA made by node-forge (RSA) issues for us', async (t, openssl) => {
  const forged = forgeAuthority()
  const root = Certificate.fromPem(forged.root)
  const issuer: Issuer = {
    certificate: Certificate.fromPem(forged.issuing),
    privateKey: createPrivateKey(forged.issuingKey),
  }
  const keys = generateKeyPair()
  const subject = {
    name: 'alice',
    domain: 'net.example',
    roles: ['peer'] as const,
    spki: spkiOf(keys.publicKey),
  }
  const leaf = await issueLeaf(subject, issuer, NOW_MS)
  t.is(verifyChain(leaf, [issuer.certificate], [root], SOON_MS).kind, 'valid')
  // Without an authority key identifier, for node-forge can't tell that of another; so not strictly.
  const { ok, said } = verify(openssl, leaf, { roots: [root], above: [issuer.certificate], flags: [] })
  t.true(ok, said)
})

opensslTest('s_client and SecureServer: mutual TLS 1.3, and our verdict', async (t, openssl) => {
  const relay = await aMember(network, { name: 'relay-1', roles: ['relay'], issuedAtMs: NOW_MS - 1000 })
  const server = new SecureServer({ credentials: relay.credentials })
  const { clock } = nodeRuntime()
  const listener = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.teardown(() => listener.close())
  const address = listener.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  openssl.write('cert.pem', alice.leaf.pem)
  openssl.write('chain.pem', network.intermediate.pem)
  openssl.write('key.pem', privateKeyPem(alice.keys.privateKey))
  openssl.write('root.pem', network.root.pem)
  const accepted = new Promise<string | undefined>((resolve, reject) => {
    listener.once('connection', (socket) => {
      server
        .accept(socket, {
          clock,
          policy: () => ({ network: { domain: 'net.example', roots: [network.root] } }),
        })
        .then(({ peer, stream }) => {
          stream.end('welcome')
          resolve(peer.name)
        })
        .catch(reject)
    })
  })
  const identity = ['-cert', 'cert.pem', '-key', 'key.pem', '-cert_chain', 'chain.pem', '-CAfile', 'root.pem']
  const flags = [
    '-verify_return_error',
    '-verify_hostname',
    'relay-1.net.example',
    '-alpn',
    'p2p-reach/1',
    '-brief',
    '-ign_eof',
  ]
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...identity, ...flags], {
    cwd: openssl.path,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stdin.write(Uint8Array.of(0)) // it accepts us
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  t.is(await accepted, 'alice')
  await ended
  t.regex(said, /Protocol version: TLSv1\.3/)
  t.regex(said, /Verification: OK/)
  t.true(said.includes('\0welcome'), said)
})

if (noOpensslReason !== undefined) console.warn(`tests with openssl are skipped: ${noOpensslReason}`)
