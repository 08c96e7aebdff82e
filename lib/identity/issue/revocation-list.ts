import { webcrypto } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import { encodePem } from '../certificate/pem.ts'
import type { Issuer } from './sign-certificate.ts'
import { toLibrary } from './sign-certificate.ts'
import { signingKeyOf } from './signing-key.ts'
import { loadX509 } from './x509-library.ts'

/** A certificate that is to be refused. */
export interface RevokedCertificate {
  /** In hex. */
  readonly serial: string
  readonly revokedAtMs: number
}

/** Ours: other software must fetch the next list within a week; ours doesn't use it. */
export const CRL_LIFETIME_MS = 7 * 86_400_000

/**
 * A certificate revocation list (RFC 5280 §5) in PEM, for software that is not ours. The label is `X509 CRL` (RFC 7468
 * §7): Node and OpenSSL take no other.
 */
export async function makeRevocationList(
  revoked: readonly RevokedCertificate[],
  issuer: Issuer,
  nowMs: number,
): Promise<string> {
  const x509 = await loadX509()
  const { key, algorithm } = await signingKeyOf(issuer.privateKey)
  const crl = await x509.X509CrlGenerator.create(
    {
      issuer: issuerName(x509, issuer.certificate),
      thisUpdate: new Date(nowMs),
      nextUpdate: new Date(nowMs + CRL_LIFETIME_MS),
      signingKey: key,
      signingAlgorithm: algorithm,
      extensions: [
        // RFC 5280 §5.2.1 and §5.2.3: which key signed, and a number that only grows.
        await x509.AuthorityKeyIdentifierExtension.create(
          toLibrary(x509, issuer.certificate).publicKey,
          false,
          webcrypto,
        ),
        new x509.Extension('2.5.29.20', false, crlNumber(nowMs)),
      ],
      entries: revoked.map(({ serial, revokedAtMs }) => ({
        serialNumber: serial,
        revocationDate: new Date(revokedAtMs),
        reason: x509.X509CrlReason.unspecified,
      })),
    },
    webcrypto,
  )
  return encodePem('X509 CRL', new Uint8Array(crl.rawData))
}

/** Seconds since 1970 as an INTEGER in DER: the shortest form that is positive. */
function crlNumber(nowMs: number): Uint8Array<ArrayBuffer> {
  const hex = Math.floor(nowMs / 1000).toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const content = (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes])
  return Uint8Array.of(0x02, content.length, ...content)
}

function issuerName(x509: Awaited<ReturnType<typeof loadX509>>, certificate: Certificate): string {
  return toLibrary(x509, certificate).subject
}
