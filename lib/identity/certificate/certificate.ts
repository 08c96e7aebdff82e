import { X509Certificate, createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ReachError } from '../../base/errors.ts'
import type { PeerId } from '../../base/peer-id.ts'
import { PUBLIC_KEY_LENGTH, peerIdOf } from '../../base/peer-id.ts'
import { sameBytes } from '../../base/same-bytes.ts'
import type { DerElement } from './der-reader.ts'
import { DerReader, TAG, contextTag, readInside } from './der-reader.ts'
import { readOid, readSmallInteger, readTime } from './der-values.ts'
import type { Extensions } from './extensions.ts'
import { readExtensions } from './extensions.ts'
import { decodePem, encodePem } from './pem.ts'

/** Ours: those that we issue have under 1 KiB; RSA ones of others 2. */
export const MAX_CERTIFICATE_LENGTH = 16 * 1024
/** RFC 8410 §4: the SubjectPublicKeyInfo of an Ed25519 key is these bytes and the key. */
const ED25519_SPKI_PREFIX = Uint8Array.of(
  0x30,
  0x2a,
  0x30,
  0x05,
  0x06,
  0x03,
  0x2b,
  0x65,
  0x70,
  0x03,
  0x21,
  0x00,
)
/** RFC 5280 §4.1.2.1: version 3 is 2. */
const VERSION_3 = 2

/**
 * An X.509 version 3 certificate (RFC 5280), read strictly: what is malformed or stands there twice is refused, also
 * where OpenSSL would let it pass. It says what it holds, not whether to believe it: see `verifyChain`.
 */
export class Certificate {
  readonly der: Uint8Array
  /** How its issuer signed it, as an object identifier. */
  readonly signatureAlgorithm: string
  /** Serial number in lower-case hex. */
  readonly serial: string
  readonly issuerDer: Uint8Array
  readonly subjectDer: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly extensions: Extensions
  /** SHA-256 of the SubjectPublicKeyInfo in lower-case hex: what pins and deny lists name. */
  readonly spkiSha256: string
  /** The key as a PeerId; undefined when it is no Ed25519 key. */
  readonly peerId: PeerId | undefined
  readonly #x509: X509Certificate
  /** Neither certificate ever changes, so a signature has to be checked once. */
  readonly #signedBy = new WeakMap<Certificate, boolean>()

  private constructor(der: Uint8Array, fields: CertificateFields, x509: X509Certificate) {
    this.der = der
    this.signatureAlgorithm = fields.signatureAlgorithm
    this.serial = Buffer.from(fields.serial).toString('hex')
    this.issuerDer = fields.issuer
    this.subjectDer = fields.subject
    this.notBeforeMs = fields.notBeforeMs
    this.notAfterMs = fields.notAfterMs
    this.extensions = fields.extensions
    this.spkiSha256 = createHash('sha256').update(fields.spki).digest('hex')
    this.peerId = peerIdOfSpki(fields.spki)
    this.#x509 = x509
  }

  /** @throws {ReachError} ERR_REACH_DECODE */
  static decode(bytes: Uint8Array): Certificate {
    if (bytes.length > MAX_CERTIFICATE_LENGTH) {
      throw new ReachError('ERR_REACH_DECODE', `a certificate has ${bytes.length} bytes`)
    }
    const der = Uint8Array.from(bytes)
    const fields = readCertificate(der)
    return new Certificate(der, fields, openSslView(der))
  }

  /** The first certificate of a PEM text. @throws {ReachError} ERR_REACH_DECODE */
  static fromPem(text: string): Certificate {
    const [first] = certificatesFromPem(text)
    if (first === undefined) throw new ReachError('ERR_REACH_DECODE', 'there is no certificate in PEM')
    return first
  }

  get pem(): string {
    return encodePem('CERTIFICATE', this.der)
  }

  get publicKey(): KeyObject {
    return this.#x509.publicKey
  }

  /** The subject as people read it, such as `CN=alice`. */
  get subject(): string {
    return this.#x509.subject.replaceAll('\n', ', ')
  }

  /** Its issuer's name is the other's subject, and the other's key made its signature. */
  isIssuedBy(other: Certificate): boolean {
    if (!sameBytes(this.issuerDer, other.subjectDer)) return false
    const known = this.#signedBy.get(other)
    if (known !== undefined) return known
    const isSigned = this.#isSignedBy(other)
    this.#signedBy.set(other, isSigned)
    return isSigned
  }

  #isSignedBy(other: Certificate): boolean {
    try {
      return this.#x509.verify(other.publicKey)
    } catch {
      return false // a key of another type can't have made this signature
    }
  }
}

/** All certificates of a PEM text, in their order. @throws {ReachError} ERR_REACH_DECODE */
export function certificatesFromPem(text: string): readonly Certificate[] {
  return decodePem(text, 'CERTIFICATE').map((der) => Certificate.decode(der))
}

/** True when both are the same certificate, byte for byte. */
export function isSameCertificate(a: Certificate, b: Certificate): boolean {
  return sameBytes(a.der, b.der)
}

interface CertificateFields {
  readonly signatureAlgorithm: string
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly spki: Uint8Array
  readonly extensions: Extensions
}

function readCertificate(der: Uint8Array): CertificateFields {
  const outer = new DerReader(der, 'certificate')
  const certificate = outer.enter('Certificate')
  outer.end()
  const tbs = certificate.enter('tbsCertificate')
  const algorithm = certificate.enter('signatureAlgorithm')
  certificate.next('signature', TAG.bitString)
  certificate.end()
  return { ...readTbs(tbs), signatureAlgorithm: readOid(algorithm.next('id', TAG.oid)) }
}

/** RFC 5280 §4.1. */
function readTbs(tbs: DerReader): Omit<CertificateFields, 'signatureAlgorithm'> {
  const version = tbs.optional('version', contextTag(0, 'constructed'))
  if (version === undefined || readVersion(version) !== VERSION_3) {
    throw new ReachError('ERR_REACH_DECODE', 'a certificate is not of version 3')
  }
  const serial = tbs.next('serialNumber', TAG.integer).content
  tbs.next('signature', TAG.sequence)
  const issuer = tbs.next('issuer', TAG.sequence).der
  const validity = tbs.enter('validity')
  const notBeforeMs = readTime(validity.next('notBefore'))
  const notAfterMs = readTime(validity.next('notAfter'))
  validity.end()
  const subject = tbs.next('subject', TAG.sequence).der
  const spki = tbs.next('subjectPublicKeyInfo', TAG.sequence).der
  const wrapped = tbs.optional('extensions', contextTag(3, 'constructed'))
  tbs.end()
  return { serial, issuer, subject, notBeforeMs, notAfterMs, spki, extensions: extensionsIn(wrapped) }
}

function readVersion(element: DerElement): number {
  return readSmallInteger(readInside(element, 'version').next('version', TAG.integer))
}

function extensionsIn(wrapped: DerElement | undefined): Extensions {
  if (wrapped === undefined) return readExtensions(new DerReader(new Uint8Array(), 'extensions'))
  const reader = readInside(wrapped, 'extensions')
  const list = reader.enter('list')
  reader.end()
  return readExtensions(list)
}

function undecodable(cause?: unknown): never {
  throw new ReachError('ERR_REACH_DECODE', 'OpenSSL can’t read a certificate', { cause })
}

function openSslView(der: Uint8Array): X509Certificate {
  try {
    const x509 = new X509Certificate(der)
    // A key that OpenSSL can't read is told now.
    return x509.publicKey.type === 'public' ? x509 : undecodable()
  } catch (error) {
    return undecodable(error)
  }
}

/** The PeerId of a SubjectPublicKeyInfo in DER; undefined when it is no Ed25519 key. */
export function peerIdOfSpki(spki: Uint8Array): PeerId | undefined {
  const prefixLength = ED25519_SPKI_PREFIX.length
  if (spki.length !== prefixLength + PUBLIC_KEY_LENGTH) return undefined
  if (!sameBytes(spki.subarray(0, prefixLength), ED25519_SPKI_PREFIX)) return undefined
  return peerIdOf(spki.subarray(prefixLength))
}

/** The SubjectPublicKeyInfo in DER of a raw Ed25519 public key (RFC 8410 §4). */
export function spkiOfPublicKey(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(...ED25519_SPKI_PREFIX, ...publicKey)
}
