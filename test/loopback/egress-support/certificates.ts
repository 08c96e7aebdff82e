import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

/** Why certificates can't be made here; undefined when they can. */
export const noOpensslReason =
  spawnSync('openssl', ['version']).status === 0 ? undefined : 'the openssl command is not installed'

if (noOpensslReason !== undefined) console.log(`skipped tests that need certificates: ${noOpensslReason}`)

export interface Issued {
  readonly key: string
  readonly cert: string
  readonly certFile: string
  /** What a relay URL would pin. */
  readonly pinSha256: string
}

export interface IssueOptions {
  /** As `openssl -subj` takes it. */
  readonly subject?: string
  /** `IP:127.0.0.1`, `DNS:relay.example`. */
  readonly altName?: string
  /** `YYYYMMDDHHMMSSZ`. */
  readonly notBefore?: string
  readonly notAfter?: string
}

/** A certificate authority of one test, in a folder that is removed with it. */
export class TestAuthority {
  readonly #folder: string
  readonly root: Issued
  #count = 0

  constructor(t: ExecutionContext, subject = '/O=Test Authority/CN=Test Root') {
    this.#folder = mkdtempSync(join(tmpdir(), 'egress-test-'))
    t.teardown(() => rmSync(this.#folder, { recursive: true, force: true }))
    writeFileSync(join(this.#folder, 'index'), '')
    writeFileSync(join(this.#folder, 'serial'), '01\n')
    writeFileSync(join(this.#folder, 'conf'), CONFIGURATION)
    this.root = this.#make(subject, 'root', ['-x509', '-days', '30', '-extensions', 'root'])
  }

  /** A certificate that signs itself. */
  selfSigned(subject = '/CN=lonely relay'): Issued {
    return this.#make(subject, this.#nextName(), ['-x509', '-days', '30', '-extensions', 'plain'])
  }

  /** A certificate signed by this authority. */
  issue({
    subject = '/CN=relay',
    altName = 'IP:127.0.0.1',
    notBefore = '20200101000000Z',
    notAfter = '20990101000000Z',
  }: IssueOptions = {}): Issued {
    const name = this.#nextName()
    this.#openssl([...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject])
    writeFileSync(join(this.#folder, `${name}.ext`), `subjectAltName=${altName}\n`)
    const dates = ['-startdate', notBefore, '-enddate', notAfter]
    const files = ['-in', `${name}.csr`, '-out', `${name}.crt`, '-extfile', `${name}.ext`]
    this.#openssl(['ca', '-batch', '-notext', '-config', 'conf', ...dates, ...files])
    return this.#read(name)
  }

  #make(subject: string, name: string, options: readonly string[]): Issued {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.crt`]
    this.#openssl([...NEW_KEY, ...options, ...files, '-subj', subject])
    return this.#read(name)
  }

  #read(name: string): Issued {
    const certFile = join(this.#folder, `${name}.crt`)
    const cert = readFileSync(certFile, 'utf8')
    const key = readFileSync(join(this.#folder, `${name}.key`), 'utf8')
    const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
    return { key, cert, certFile, pinSha256: createHash('sha256').update(spki).digest('hex') }
  }

  #nextName(): string {
    return `leaf${++this.#count}`
  }

  #openssl(args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' })
  }
}

const NEW_KEY = ['req', '-config', 'conf', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

const CONFIGURATION = `
[req]
distinguished_name = dn
[dn]
[plain]
subjectAltName = IP:127.0.0.1
[root]
basicConstraints = critical,CA:TRUE
[ca]
default_ca = this
[this]
database = index
serial = serial
new_certs_dir = .
certificate = root.crt
private_key = root.key
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
organizationName = optional
`
