import { webcrypto, X509Certificate, createHash, KeyObject } from 'node:crypto'
import { loadX509 } from './x509-library.ts'

/** A TLS server's key and certificate, both as PEM. */
export interface CertificateAndKey {
  readonly certificate: string
  /** Secret: never log it. */
  readonly key: string
}

export interface SelfSignedOptions {
  /** Names and IPs that the certificate is for. */
  readonly hosts: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
}

/** P-256, which every TLS client takes; browsers and some probes refuse Ed25519 certificates. */
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const SERVER_AUTH_OID = '1.3.6.1.5.5.7.3.1'

/** Makes a key and a certificate that it signs itself. Clients trust it by its fingerprint ({@link spkiSha256}). */
export async function makeSelfSignedCertificate(options: SelfSignedOptions): Promise<CertificateAndKey> {
  const x509 = await loadX509()
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=p2p-reach relay',
      notBefore: options.notBefore,
      notAfter: options.notAfter,
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([SERVER_AUTH_OID]),
        new x509.SubjectAlternativeNameExtension(
          options.hosts.map((value) => ({
            type: /^[0-9.]+$|:/.test(value) ? ('ip' as const) : ('dns' as const),
            value,
          })),
        ),
      ],
    },
    webcrypto,
  )
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' })
  return { certificate: certificate.toString('pem'), key: key.toString() }
}

/** SHA-256 of a certificate's public key (SubjectPublicKeyInfo, DER) as 64 hex digits: what a relay URL pins. */
export function spkiSha256(certificatePem: string): string {
  const spki = new X509Certificate(certificatePem).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(spki).digest('hex')
}
