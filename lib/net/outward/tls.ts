import type { Duplex } from 'node:stream'
import { connect, createSecureContext, rootCertificates } from 'node:tls'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { Runtime } from '../../base/runtime.ts'
import { isIp } from '../../base/transport-address.ts'
import { protocolError } from '../protocol-error.ts'
import { attempt } from './attempt.ts'
import type { Attempt, StepLimits } from './attempt.ts'
import { certificateFacts } from './certificate.ts'
import type { CertificateFacts } from './certificate.ts'
import { owned } from './owned-socket.ts'

/** Whom we mean to reach. */
export interface TlsTarget {
  /** Name or IP that the certificate must carry. */
  readonly host: string
  /** SHA-256 of the public key that it must have, when the relay's URL pins one. */
  readonly pinSha256?: string
  /** RFC 7301. Default `http/1.1`. */
  readonly alpn?: string
}

/**
 * Why a certificate is believed, or is not. `untrusted`: nobody vouches for it, and no pin was given to tell whether it
 * is the relay's own. `intercepted`: a pin was given, and this is somebody else's key. `reason` is OpenSSL's code.
 */
export type TlsTrust =
  | { readonly kind: 'pin' }
  | { readonly kind: 'authority'; readonly pinDiffers: boolean }
  | { readonly kind: 'untrusted' | 'intercepted'; readonly reason: string }

/** A finished handshake. Whoever is handed it destroys the socket. */
export interface TlsConnection {
  readonly socket: TLSSocket
  readonly certificate: CertificateFacts
  readonly trust: TlsTrust
  readonly protocol: string
}

/**
 * Shakes hands over a connection, whoever signed the certificate, and tells whether it can be believed. Sends no
 * secret; offers one protocol (ALPN), and the name (SNI) where the host is one.
 */
export function secure(
  runtime: Runtime,
  socket: Duplex,
  target: TlsTarget,
  limits: StepLimits,
): Promise<Attempt<TlsConnection>> {
  return attempt(runtime.clock, limits, async (signal) => {
    const { socket: secured } = owned(clientHello(socket, target))
    try {
      await handshake(secured, signal)
      return inspect(secured, target, runtime.clock.wallMs())
    } catch (error) {
      secured.destroy()
      throw error
    }
  })
}

function clientHello(socket: Duplex, { host, pinSha256, alpn = 'http/1.1' }: TlsTarget): TLSSocket {
  return connect({
    socket,
    // Checked against the certificate's names; only names, not IPs, may be sent as SNI (RFC 6066 §3).
    host,
    ...(isIp(host) ? {} : { servername: host }),
    ALPNProtocols: [alpn],
    // Everybody's certificate is read and reported; nothing but public questions is sent over it.
    rejectUnauthorized: false,
    // With a pin, an authority that somebody added to this host (NODE_EXTRA_CA_CERTS) is no witness against interception.
    ...(pinSha256 === undefined ? {} : { secureContext: publicAuthorities() }),
  })
}

let publicAuthoritiesContext: SecureContext | undefined

/** Node's own list of authorities and nothing else. Made once: reading some 140 certificates takes 50 ms. */
function publicAuthorities(): SecureContext {
  return (publicAuthoritiesContext ??= createSecureContext({ ca: [...rootCertificates] }))
}

function handshake(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      signal.removeEventListener('abort', onAbort)
      socket.off('secureConnect', onSecure).off('error', onError).off('close', onClose)
      outcome()
    }
    const onAbort = () => settle(() => reject(signal.reason))
    const onSecure = () => settle(resolve)
    const onError = (error: Error) => settle(() => reject(error))
    const onClose = () =>
      settle(() => reject(protocolError('ECONNRESET', 'the connection was cut during the TLS handshake')))
    if (signal.aborted) return reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('secureConnect', onSecure).on('error', onError).on('close', onClose)
  })
}

function inspect(socket: TLSSocket, target: TlsTarget, wallMs: number): TlsConnection {
  // Once only: on the client a second call of getPeerX509Certificate() answers undefined (Node 20).
  const x509 = socket.getPeerX509Certificate()
  if (x509 === undefined) throw protocolError('ERR_TLS_NO_CERTIFICATE', 'the server showed no certificate')
  const certificate = certificateFacts(x509, wallMs)
  const trust = trustOf(socket, target, certificate)
  return { socket, certificate, trust, protocol: socket.getProtocol() ?? 'TLS' }
}

function trustOf(socket: TLSSocket, { pinSha256 }: TlsTarget, certificate: CertificateFacts): TlsTrust {
  if (certificate.spkiSha256 === pinSha256) return { kind: 'pin' }
  if (socket.authorized) return { kind: 'authority', pinDiffers: pinSha256 !== undefined }
  const reason = reasonOf(socket.authorizationError)
  return { kind: pinSha256 === undefined ? 'untrusted' : 'intercepted', reason }
}

/** Node gives OpenSSL's code as a string, though it is typed as an error, too. */
function reasonOf(error: unknown): string {
  if (typeof error === 'string') return error
  return error instanceof Error ? error.message : 'UNKNOWN'
}
