import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { folderOf, run, start } from '../cli/support/command-line.ts'
import { freePortPair } from '../loopback/relay-support/relay.ts'
import { RunningProgram } from '../netns/support/running-program.ts'
import { forgeAuthority } from './support/forge-authority.ts'
import { opensslTest } from './support/openssl-folder.ts'

/* Networks whose certificates are signed by CAs that others made; OpenSSL judges what comes out. */

interface CaFiles {
  /** The issuing CA, those above it, the root last. */
  readonly chain: string
  readonly key: string
  readonly root: string
}

const CA_EXTENSIONS =
  'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'

function openssl(folder: string, ...argv: readonly string[]): string {
  return execFileSync('openssl', argv, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
}

/** A root and, with `intermediate`, a CA below it, as an operator makes them. */
function opensslCa(folder: string, algorithm: readonly string[], extra = '', isSingle = false): CaFiles {
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  for (const name of ['root', 'int']) openssl(folder, 'genpkey', ...algorithm, '-out', `${name}.key`)
  chmodSync(at('root.key'), 0o600)
  chmodSync(at('int.key'), 0o600)
  writeFileSync(
    at('root.cnf'),
    `[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ca\n[dn]\nO=Example Corp\nCN=Example Root\n[ca]\n${CA_EXTENSIONS}`,
  )
  openssl(
    folder,
    'req',
    '-new',
    '-x509',
    '-config',
    'root.cnf',
    '-key',
    'root.key',
    '-days',
    '3650',
    '-out',
    'root.pem',
  )
  if (isSingle) return { chain: at('root.pem'), key: at('root.key'), root: at('root.pem') }
  openssl(folder, 'req', '-new', '-key', 'int.key', '-subj', '/O=Example Corp/CN=Peers', '-out', 'int.csr')
  writeFileSync(at('int.ext'), `${CA_EXTENSIONS}authorityKeyIdentifier=keyid\n${extra}`)
  openssl(
    folder,
    'x509',
    '-req',
    '-in',
    'int.csr',
    '-CA',
    'root.pem',
    '-CAkey',
    'root.key',
    '-CAcreateserial',
    '-days',
    '365',
    '-extfile',
    'int.ext',
    '-out',
    'int.pem',
  )
  writeFileSync(at('chain.pem'), readFileSync(at('int.pem'), 'utf8') + readFileSync(at('root.pem'), 'utf8'))
  return { chain: at('chain.pem'), key: at('int.key'), root: at('root.pem') }
}

/** The member's certificate, and what leads from it to the root, as files. */
function writeChain(home: string): { readonly leaf: string; readonly above: string } {
  const parsed: unknown = JSON.parse(readFileSync(join(home, 'membership.json'), 'utf8'))
  const chain = typeof parsed === 'object' && parsed !== null && 'chain' in parsed ? parsed.chain : []
  const [leaf = '', ...above] = Array.isArray(chain) ? chain.map(String) : []
  writeFileSync(join(home, 'leaf.pem'), leaf)
  writeFileSync(join(home, 'above.pem'), above.join(''))
  return { leaf: join(home, 'leaf.pem'), above: join(home, 'above.pem') }
}

async function lives(t: ExecutionContext, ca: CaFiles, domain: RegExp): Promise<void> {
  const [relayHome, alice, bob] = [folderOf(t), folderOf(t), folderOf(t)]
  const [tcp, stun] = [await freePortPair(['127.0.0.1']), await freePortPair(['127.0.0.1'])]
  const listen = ['--listen', `127.0.0.1:${tcp}`, '--stun', `127.0.0.1:${stun}`]
  const flags = ['--external-ca', ca.chain, '--external-ca-key', ca.key]
  const relay = new RunningProgram(start(['relay', 'up', '--json', '--home', relayHome, ...listen, ...flags]))
  t.teardown(() => relay.stop('SIGKILL'))
  await relay.waitForLine(domain)
  for (const [name, home] of [
    ['alice', alice],
    ['bob', bob],
  ] as const) {
    const invited = await run(['invite', name, '--home', relayHome])
    t.is(invited.code, 0, invited.stderr)
    const joined = await run(['join', invited.stdout.trim(), '--home', home])
    t.is(joined.code, 0, joined.stderr)
  }
  const { leaf, above } = writeChain(alice)
  const untrusted = readFileSync(above, 'utf8') === '' ? [] : ['-untrusted', above]
  t.regex(openssl(alice, 'verify', '-CAfile', ca.root, ...untrusted, leaf), /: OK/)
  t.is((await run(['renew', '--home', alice])).code, 0)
  const stays = new RunningProgram(start(['renew', '--stay', '--json', '--home', bob]))
  t.teardown(() => stays.stop('SIGKILL'))
  await stays.waitForLine(/"event":"ready"/)
  t.is((await run(['revoke', 'alice', '--home', relayHome])).code, 0)
  await stays.waitForLine(/"event":"deny-list","number":1,"keys":1/)
  t.is((await run(['renew', '--home', alice])).code, 4)
  // The revocation list for other software names her certificates.
  const crl = join(relayHome, 'authority', 'crl.pem')
  const check = ['verify', '-crl_check', '-CAfile', ca.root, '-CRLfile', crl, ...untrusted, leaf]
  const refused = t.throws(() => openssl(alice, ...check))
  t.regex(
    refused instanceof Error && 'stderr' in refused ? String(refused.stderr) : '',
    /certificate revoked/,
  )
  const ofBob = writeChain(bob)
  t.regex(
    openssl(bob, 'verify', '-crl_check', '-CAfile', ca.root, '-CRLfile', crl, ...untrusted, ofBob.leaf),
    /: OK/,
  )
}

const ALGORITHMS = {
  'P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'RSA-2048': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  Ed25519: ['-algorithm', 'ed25519'],
} as const

for (const [name, algorithm] of Object.entries(ALGORITHMS)) {
  opensslTest(`a network lives under a CA that openssl made with ${name} keys`, async (t) => {
    await lives(t, opensslCa(folderOf(t), algorithm), /"domain":"net-[a-z0-9]{8}\.p2p-reach\.internal"/)
  })
}

opensslTest(
  'a network takes the domain that its CA is constrained to, and a root may issue by itself',
  async (t) => {
    const constraints =
      'nameConstraints=critical,permitted;DNS:peers.corp.example,permitted;URI:.peers.corp.example\n'
    await lives(
      t,
      opensslCa(folderOf(t), ALGORITHMS['P-256'], constraints),
      /"domain":"peers\.corp\.example"/,
    )
    await lives(t, opensslCa(folderOf(t), ALGORITHMS['P-256'], '', true), /"domain":"net-/)
  },
)

opensslTest('a CA that can’t do the work is refused before the network is made', async (t) => {
  const ca = opensslCa(join(folderOf(t), 'ca'), ALGORITHMS['P-256'])
  const foreign = opensslCa(join(folderOf(t), 'other'), ALGORITHMS['P-256'])
  const mail = opensslCa(
    join(folderOf(t), 'mail'),
    ALGORITHMS['P-256'],
    'nameConstraints=critical,permitted;email:corp.example\n',
  )
  const home = folderOf(t)
  const up = (chain: string, key: string) =>
    run([
      'relay',
      'up',
      '--home',
      home,
      '--listen',
      '127.0.0.1:1',
      '--stun',
      '127.0.0.1:1',
      '--external-ca',
      chain,
      '--external-ca-key',
      key,
    ])
  const cases = [
    [ca.chain, foreign.key, /is not that of the first certificate/],
    [join(home, 'nothing.pem'), ca.key, /there is no file/],
    [ca.chain, join(home, 'nothing.key'), /there is no file/],
    [ca.key, ca.key, /holds no certificate/],
    [mail.chain, mail.key, /name constraints permit no peers/],
  ] as const
  for (const [chain, key, message] of cases) {
    const { stdout, stderr, code } = await up(chain, key)
    t.is(code, 2, stderr)
    t.is(stdout, '')
    t.regex(stderr, message)
  }
  chmodSync(ca.key, 0o644)
  const open = await up(ca.chain, ca.key)
  t.is(open.code, 1)
  t.regex(open.stderr, /others can read or write the private key/)
})

opensslTest('a network lives under a CA that node-forge made with RSA keys', async (t) => {
  const folder = folderOf(t)
  const { root, issuing, issuingKey } = forgeAuthority()
  writeFileSync(join(folder, 'root.pem'), root)
  writeFileSync(join(folder, 'chain.pem'), issuing + root)
  writeFileSync(join(folder, 'issuing.key'), issuingKey, { mode: 0o600 })
  const at = (name: string) => join(folder, name)
  await lives(t, { chain: at('chain.pem'), key: at('issuing.key'), root: at('root.pem') }, /"domain":"net-/)
})
