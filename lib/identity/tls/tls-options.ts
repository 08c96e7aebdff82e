import { constants } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import type { Certificate } from '../certificate/certificate.ts'

/** What we show in a handshake: the certificate and those that lead to a root, and the key of the first. */
export interface TlsCredentials {
  readonly chain: readonly Certificate[]
  readonly privateKey: KeyObject
}

/** Ours: the fastest on processors with AES; the second for those without. Both are of TLS 1.3 (RFC 8446 §B.4). */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384'

/**
 * The options that every handshake between members shares: TLS 1.3 and nothing below, no authority of the system, no
 * resumption, which would skip the certificate: without tickets of its own, a server would have to be asked for sessions
 * that nobody keeps.
 */
export function commonTlsOptions({ chain, privateKey }: TlsCredentials): SecureContextOptions {
  return {
    cert: chain.map(({ pem }) => pem).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ...verificationOptions(),
  }
}

/** The same for a side that shows no certificate. */
export function verificationOptions(): SecureContextOptions {
  return {
    ca: [], // without it Node would load the system's
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}
