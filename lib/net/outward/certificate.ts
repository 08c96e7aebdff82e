import { createHash } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import { printable } from './printable.ts'

/** What a report says about the certificate that a server showed. */
export interface CertificateFacts {
  /** `R3 (Let's Encrypt)`: common name and organisation of who signed it, fit for terminals. */
  readonly issuer: string
  readonly isSelfSigned: boolean
  /** SHA-256 of the public key's SubjectPublicKeyInfo in DER, lower-case hex: what a pin is compared with. */
  readonly spkiSha256: string
  readonly validity: CertificateValidity
}

/** By this host's clock; `date` is the end that was passed, as the certificate writes it. */
export type CertificateValidity =
  { readonly kind: 'valid' } | { readonly kind: 'expired' | 'not-yet-valid'; readonly date: string }

/** Reads a certificate; checks no signature. `wallMs` is this host's calendar time. */
export function certificateFacts(certificate: X509Certificate, wallMs: number): CertificateFacts {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return {
    issuer: readableName(certificate.issuer),
    isSelfSigned: certificate.issuer === certificate.subject && certificate.verify(certificate.publicKey),
    spkiSha256: createHash('sha256').update(spki).digest('hex'),
    validity: validityOf(certificate, wallMs),
  }
}

function validityOf(certificate: X509Certificate, wallMs: number): CertificateValidity {
  const { validFrom, validTo } = certificate
  if (wallMs > Date.parse(validTo)) return { kind: 'expired', date: printable(validTo) }
  if (wallMs < Date.parse(validFrom)) return { kind: 'not-yet-valid', date: printable(validFrom) }
  return { kind: 'valid' }
}

/** `CN (O)` of a distinguished name as Node prints it: one `KEY=value` a line, backslashes before special characters. */
export function readableName(distinguishedName: string): string {
  const part = (key: string) =>
    distinguishedName
      .split('\n')
      .find((line) => line.startsWith(`${key}=`))
      ?.slice(key.length + 1)
      .replace(/\\(.)/g, '$1')
  const commonName = part('CN')
  const organization = part('O')
  if (commonName === undefined || commonName === '')
    return printable(organization ?? '') || 'an unnamed authority'
  if (organization === undefined || organization === commonName) return printable(commonName)
  return printable(`${commonName} (${organization})`)
}
