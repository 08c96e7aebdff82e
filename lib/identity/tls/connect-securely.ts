import type { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { ReachError } from '../../base/errors.ts'
import type { EarlyChannel, SecureChannel, SecureChannelOptions } from './secure-channel.ts'
import { PEER_ALPN, authenticate, authenticateEarly } from './secure-channel.ts'
import type { TlsCredentials } from './tls-options.ts'
import { commonTlsOptions } from './tls-options.ts'

/** A handshake as the side that dials. */
export interface ConnectSecurelyOptions extends SecureChannelOptions {
  readonly credentials: TlsCredentials
  /** Default {@link PEER_ALPN}. */
  readonly alpn?: string
}

/**
 * Makes a connection secure, as the side that dialled: mutual TLS 1.3 over any Duplex. Resolves when both sides have
 * accepted each other. It owns the transport from the call on, and destroys it when the handshake fails.
 * @throws {ReachError} ERR_REACH_TRUST_… of this side, or of the other with `details.by` `remote`; ERR_REACH_TLS,
 * ERR_REACH_TLS_VERSION, ERR_REACH_TIMEOUT
 */
export function connectSecurely(transport: Duplex, options: ConnectSecurelyOptions): Promise<SecureChannel> {
  return authenticate(transport, secured(tlsOver(transport, options)), options)
}

/**
 * The same, resolved a round trip earlier: when we have accepted the other side, and it has not said yet whether it
 * accepts us. What is written then it reads only if it does. @throws {ReachError} of this side; `accepted` of the other
 */
export function connectEarly(transport: Duplex, options: ConnectSecurelyOptions): Promise<EarlyChannel> {
  return authenticateEarly(transport, secured(tlsOver(transport, options)), options)
}

function tlsOver(transport: Duplex, options: ConnectSecurelyOptions): TLSSocket {
  const socket = connect({
    socket: transport,
    ...commonTlsOptions(options.credentials),
    ALPNProtocols: [options.alpn ?? PEER_ALPN],
    rejectUnauthorized: false, // OpenSSL's opinion is of no interest: decideTrust has the say
    checkServerIdentity: () => undefined,
  })
  // A transport that is closed already would keep it waiting.
  if (transport.destroyed) socket.destroy()
  return socket
}

/** Resolves when the client's side of the handshake is over. */
export function secured(socket: TLSSocket): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket))
    // Stays: an 'error' event without a listener would end the process.
    socket.on('error', reject)
    socket.once('close', () => reject(new ReachError('ERR_REACH_TLS', CLOSED)))
  })
}

const CLOSED = 'the TLS handshake failed: the other side closed the connection'
