import type { Duplex } from 'node:stream'
import { TLSSocket, createServer } from 'node:tls'
import type { Server } from 'node:tls'
import { ReachError } from '../../base/errors.ts'
import type { SecureChannel, SecureChannelOptions } from './secure-channel.ts'
import { PEER_ALPN, authenticate } from './secure-channel.ts'
import type { TlsCredentials } from './tls-options.ts'
import { commonTlsOptions } from './tls-options.ts'

/** How a server of secure channels is made. */
export interface SecureServerOptions {
  readonly credentials: TlsCredentials
  /** Default {@link PEER_ALPN}. */
  readonly alpn?: string
}

interface Pending {
  readonly resolve: (socket: TLSSocket) => void
  readonly reject: (error: unknown) => void
}

/**
 * Makes connections secure, as the side that was dialled: mutual TLS 1.3 over any Duplex that it is handed. It listens
 * nowhere.
 *
 * It goes through `tls.createServer`, as a bare server-side TLSSocket has traps (`authorized` says nothing there). Which
 * handshake belongs to which transport is told by the server that emits it: each handshake has an object of its own for one.
 */
export class SecureServer {
  readonly #server: Server

  constructor(options: SecureServerOptions) {
    this.#server = createServer({
      ...commonTlsOptions(options.credentials),
      ALPNProtocols: [options.alpn ?? PEER_ALPN],
      requestCert: true,
      rejectUnauthorized: false, // OpenSSL's opinion is of no interest: decideTrust has the say
    })
  }

  /** Shows these in handshakes from now on; channels that are open stay as they are. */
  setCredentials(credentials: TlsCredentials): void {
    this.#server.setSecureContext(commonTlsOptions(credentials))
  }

  /**
   * Secures one connection. Resolves when both sides have accepted each other. It owns the transport from the call on,
   * and destroys it when the handshake fails.
   * @throws {ReachError} as `connectSecurely` does
   */
  accept(transport: Duplex, options: SecureChannelOptions): Promise<SecureChannel> {
    const handshake = new Promise<TLSSocket>((resolve, reject) => {
      const onClose = () => reject(new ReachError('ERR_REACH_TLS', CLOSED))
      if (transport.destroyed) onClose()
      transport.once('close', onClose)
      const { allowHalfOpen } = transport
      // Node's handshake does not notice an end of a transport that may be half open: it would wait for the timeout.
      transport.allowHalfOpen = false
      begin(this.#server, transport, { resolve, reject })
      transport.allowHalfOpen = allowHalfOpen
    })
    return authenticate(transport, handshake, options)
  }
}

/**
 * Begins a handshake. Node emits what becomes of it on whatever server the listener of `connection` was called on: here on an
 * object that inherits all of the real one but what it emits. An AsyncLocalStorage would tell which transport it is as
 * well, but makes every promise and callback of the process dearer: a seventh of what short streams cost.
 */
function begin(server: Server, transport: Duplex, { resolve, reject }: Pending): void {
  const own: unknown = Object.create(server, {
    emit: {
      value(event: string, first: unknown, second: unknown): boolean {
        if (event === 'secureConnection' && first instanceof TLSSocket) resolve(first)
        else if (event === 'tlsClientError' && second instanceof TLSSocket) {
          second.destroy()
          reject(first)
        } else return server.emit(event, first, second)
        return true
      },
    },
  })
  for (const listener of server.listeners('connection')) Reflect.apply(listener, own, [transport])
}

const CLOSED = 'the TLS handshake failed: the other side closed the connection'
