import type { Duplex } from 'node:stream'
import { TLSSocket, createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { commonTlsOptions } from '../lib/identity/tls/tls-options.ts'
import type { TlsCredentials } from '../lib/identity/tls/tls-options.ts'
import { CONTROL_ALPN } from '../lib/protocol/relay/control-frame.ts'

/**
 * TLS of members inside of another stream. A TLS server tells its connections apart by their addresses only, and such a
 * stream has none; so these are bare sockets. Their one trap, that nobody checks the client's certificate, is none here:
 * no client is asked for one.
 */
export class CarriedTls {
  readonly #credentials: () => TlsCredentials | undefined
  #context: SecureContext | undefined

  constructor(credentials: () => TlsCredentials | undefined) {
    this.#credentials = credentials
  }

  /** Shows the network's newest certificate in handshakes from now on. */
  refresh(): void {
    this.#context = undefined
  }

  /** Shakes hands as the relay. A handshake that fails ends the stream, and is the client's affair. */
  secure(stream: Duplex, onSecure: (socket: TLSSocket) => void): void {
    const credentials = this.#credentials()
    if (credentials === undefined) {
      stream.destroy()
      return
    }
    this.#context ??= createSecureContext(commonTlsOptions(credentials))
    const socket = new TLSSocket(stream, {
      isServer: true,
      secureContext: this.#context,
      ALPNProtocols: [CONTROL_ALPN],
    })
    socket.on('error', () => stream.destroy())
    socket.once('close', () => stream.destroy())
    stream.once('close', () => socket.destroy())
    socket.once('secure', () => {
      if (socket.alpnProtocol === CONTROL_ALPN) onSecure(socket)
      else socket.destroy()
    })
  }
}
