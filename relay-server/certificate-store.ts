import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { ReachError } from '../lib/base/errors.ts'
import type { CertificateAndKey } from '../lib/identity/issue/self-signed-web-certificate.ts'
import { makeSelfSignedCertificate } from '../lib/identity/issue/self-signed-web-certificate.ts'

/** Ours: ten years; a self-signed certificate is trusted by its key alone. */
const LIFETIME_MS = 10 * 365 * 86_400_000
/** Ours: clients' clocks may be a day behind. */
const BACKDATE_MS = 86_400_000
/** Both in one file, so that no crash leaves a key without its certificate. */
const FILE_NAME = 'relay-tls.pem'

/** Where the relay's certificate comes from. `own`: self-signed, made on the first start and kept in `home`. */
export type TlsSource =
  | { readonly kind: 'none' }
  | { readonly kind: 'own'; readonly home: string; readonly hosts: readonly string[] }
  | { readonly kind: 'files'; readonly certificateFile: string; readonly keyFile: string }

/** @throws {ReachError} ERR_REACH_CONFIG */
export async function loadCertificate(
  source: TlsSource,
  nowMs: number,
): Promise<CertificateAndKey | undefined> {
  switch (source.kind) {
    case 'none':
      return undefined
    case 'own':
      return ownCertificate(source.home, source.hosts, nowMs)
    case 'files':
      return readCertificate(source.certificateFile, source.keyFile)
  }
}

/** Reads a certificate and its key from the operator's files. @throws {ReachError} ERR_REACH_CONFIG */
async function readCertificate(certificateFile: string, keyFile: string): Promise<CertificateAndKey> {
  const [certificate, key] = await Promise.all([read(certificateFile), read(keyFile)])
  checkPair(checked(certificate, certificateFile), key, keyFile)
  return { certificate, key }
}

/** The relay's own self-signed certificate, made on the first start and kept in its home folder (0600). */
async function ownCertificate(
  home: string,
  hosts: readonly string[],
  nowMs: number,
): Promise<CertificateAndKey> {
  const file = join(home, FILE_NAME)
  const stored = await readFile(file, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw new ReachError('ERR_REACH_CONFIG', `cannot read ${file}`, { cause: error })
  })
  if (stored !== undefined)
    return {
      certificate: checked(pemBlock(stored, 'CERTIFICATE', file), file),
      key: pemBlock(stored, 'PRIVATE KEY', file),
    }
  const made = await makeSelfSignedCertificate({
    hosts,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + LIFETIME_MS),
  })
  await store(home, file, `${made.certificate}\n${made.key}`)
  return made
}

/** Written beside and renamed, so that a crash leaves the whole file or none. */
async function store(home: string, file: string, text: string): Promise<void> {
  const temporary = `${file}.new`
  try {
    await mkdir(home, { recursive: true, mode: 0o700 })
    await rm(temporary, { force: true }) // one left by a crash would keep its own mode
    await writeFile(temporary, text, { mode: 0o600, flag: 'wx' })
    await rename(temporary, file)
  } catch (error) {
    throw new ReachError('ERR_REACH_CONFIG', `cannot write ${file}`, {
      cause: error,
      hint: 'name a folder that can be written to with  --home DIR',
    })
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new ReachError('ERR_REACH_CONFIG', `cannot read ${file}`, {
      cause: error,
      hint: 'check the path and its permissions',
    })
  }
}

function checked(certificate: string, file: string): string {
  try {
    new X509Certificate(certificate)
    return certificate
  } catch (error) {
    throw new ReachError('ERR_REACH_CONFIG', `${file} holds no certificate in PEM`, { cause: error })
  }
}

/** Node would tell only at the first handshake that key and certificate don't belong together. */
function checkPair(certificate: string, key: string, keyFile: string): void {
  let isPair: boolean
  try {
    isPair = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
  } catch (error) {
    throw new ReachError('ERR_REACH_CONFIG', `${keyFile} holds no private key in PEM without a passphrase`, {
      cause: error,
    })
  }
  if (!isPair) throw new ReachError('ERR_REACH_CONFIG', `the key in ${keyFile} is not the certificate's`)
}

function pemBlock(text: string, label: string, file: string): string {
  const block = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`).exec(text)?.[0]
  if (block !== undefined) return block
  throw new ReachError('ERR_REACH_CONFIG', `${file} holds no ${label.toLowerCase()}`, {
    hint: `move it away, and a new one is made; clients that pinned the old one must be told`,
  })
}

function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT'
}
