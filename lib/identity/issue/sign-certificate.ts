import { webcrypto } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Extension } from '@peculiar/x509'
import { Certificate } from '../certificate/certificate.ts'
import type { X509Library } from './x509-library.ts'
import { loadX509 } from './x509-library.ts'
import { signingKeyOf } from './signing-key.ts'

/** A CA that signs: its certificate, and its key. */
export interface Issuer {
  readonly certificate: Certificate
  readonly privateKey: KeyObject
}

/** A certificate to be made. */
export interface CertificateTemplate {
  /** Distinguished name, RFC 4514 in the simple form `CN=…, O=…`, or that of another certificate. */
  readonly subject: string | Certificate
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** RFC 5280 §4.1.2.2: positive, at most 20 bytes. */
  readonly serial: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly extensions: (x509: X509Library) => readonly Extension[]
}

/** RFC 5280 §4.1.2.5: certificates count whole seconds. */
const SECOND_MS = 1000

/** Signs a certificate. Without an issuer certificate it is self-signed by `privateKey`. */
export async function signCertificate(
  template: CertificateTemplate,
  issuer: { readonly certificate?: Certificate; readonly privateKey: KeyObject },
): Promise<Certificate> {
  const x509 = await loadX509()
  const { key, algorithm } = await signingKeyOf(issuer.privateKey)
  const publicKey = new x509.PublicKey(ownBytes(template.spki))
  const subject = nameOf(x509, template.subject)
  const keyId = await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto)
  const made = await x509.X509CertificateGenerator.create(
    {
      serialNumber: Buffer.from(template.serial).toString('hex'),
      subject,
      issuer: issuer.certificate === undefined ? subject : nameOf(x509, issuer.certificate),
      notBefore: wholeSeconds(template.notBeforeMs),
      notAfter: wholeSeconds(template.notAfterMs),
      publicKey,
      signingKey: key,
      signingAlgorithm: algorithm,
      extensions: [
        ...template.extensions(x509),
        keyId,
        new x509.AuthorityKeyIdentifierExtension(issuerKeyId(x509, issuer.certificate) ?? keyId.keyId),
      ],
    },
    webcrypto,
  )
  return Certificate.decode(new Uint8Array(made.rawData))
}

/** A certificate as the library knows it. */
export function toLibrary(
  x509: X509Library,
  certificate: Certificate,
): InstanceType<X509Library['X509Certificate']> {
  return new x509.X509Certificate(ownBytes(certificate.der))
}

/** The same bytes in a buffer of their own, which is what the library's types want. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes)
}

function nameOf(x509: X509Library, subject: string | Certificate): InstanceType<X509Library['Name']> {
  return typeof subject === 'string' ? new x509.Name(subject) : toLibrary(x509, subject).subjectName
}

/** As the issuer's own certificate says, for other CAs derive theirs in other ways (RFC 5280 §4.2.1.1). */
function issuerKeyId(x509: X509Library, issuer: Certificate | undefined): string | undefined {
  if (issuer === undefined) return undefined
  return toLibrary(x509, issuer).getExtension(x509.SubjectKeyIdentifierExtension)?.keyId
}

function wholeSeconds(timeMs: number): Date {
  return new Date(Math.floor(timeMs / SECOND_MS) * SECOND_MS)
}
