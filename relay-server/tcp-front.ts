import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { SecureContextOptions, Server as TlsServer, TLSSocket } from 'node:tls'
import type { Endpoint } from '../lib/base/endpoint.ts'
import type { TransportAddress } from '../lib/base/transport-address.ts'
import type { CertificateAndKey } from '../lib/identity/issue/self-signed-web-certificate.ts'
import { commonTlsOptions } from '../lib/identity/tls/tls-options.ts'
import type { TlsCredentials } from '../lib/identity/tls/tls-options.ts'
import { listenTcp } from '../lib/net/tcp-server.ts'
import type { TcpServer } from '../lib/net/tcp-server.ts'
import { CONTROL_ALPN } from '../lib/protocol/relay/control-frame.ts'
import { sniffFirstByte } from './first-byte.ts'
import type { ConnectionKind } from './first-byte.ts'
import type { RelayInfo } from './http-endpoints.ts'
import { httpEndpoints } from './http-endpoints.ts'
import { SilentConnections } from './silent-connections.ts'
import { sourceOf } from './source.ts'
import type { StunService } from './stun-service.ts'

export interface TcpFrontOptions {
  readonly listen: readonly Endpoint[]
  readonly tls: CertificateAndKey | undefined
  /** Members of the relay's network; undefined where it has none. */
  readonly control?: ControlFront
  readonly stun: StunService
  readonly info: () => RelayInfo
  /** Default {@link FIRST_BYTE_TIMEOUT_MS}. */
  readonly firstByteTimeoutMs: number | undefined
  /** How long an HTTP exchange may take. Default: see http-endpoints.ts. */
  readonly httpTimeoutMs: number | undefined
}

/** Who serves members of the network, and what they are shown. */
export interface ControlFront {
  readonly credentials: TlsCredentials
  serve(socket: TLSSocket): void
  /** @param source where it comes from, for limits */
  serveDataLeg(socket: Socket, source: string): void
}

/** Ours: who connects and says nothing, or dawdles over the TLS handshake, is cut off after this. */
export const FIRST_BYTE_TIMEOUT_MS = 10_000
/** Ours: bounds memory under a flood of connections; each costs some tens of KiB with TLS. */
const MAX_CONNECTIONS = 20_000
/** Ours: connections of one source that have not said what they are. */
const MAX_SILENT_PER_SOURCE = 256

/** The relay's TCP ports: each connection's first byte tells whether it is STUN, TLS or HTTP. */
export class TcpFront implements AsyncDisposable {
  readonly #options: TcpFrontOptions
  readonly #http: HttpServer
  readonly #tls: TlsServer | undefined
  readonly #firstByteTimeoutMs: number
  #servers: readonly TcpServer[] = []
  readonly #silent = new SilentConnections(MAX_SILENT_PER_SOURCE)

  private constructor(options: TcpFrontOptions) {
    this.#options = options
    this.#firstByteTimeoutMs = options.firstByteTimeoutMs ?? FIRST_BYTE_TIMEOUT_MS
    this.#http = httpEndpoints(options.info, options.httpTimeoutMs)
    this.#tls = options.tls === undefined ? undefined : this.#tlsServer(options.tls)
  }

  /** @throws {ReachError} ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET */
  static async open(options: TcpFrontOptions): Promise<TcpFront> {
    const front = new TcpFront(options)
    await front.#listen()
    return front
  }

  get addresses(): readonly TransportAddress[] {
    return this.#servers.map((server) => server.local)
  }

  get connectionCount(): number {
    return this.#servers.reduce((sum, server) => sum + server.connectionCount, 0)
  }

  /** Shows the network's newest certificate in handshakes from now on. */
  refreshCredentials(): void {
    const { tls } = this.#options
    if (tls !== undefined) this.#tls?.setSecureContext(this.#tlsContext(tls))
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
    this.#servers = []
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #listen(): Promise<void> {
    const opened: TcpServer[] = []
    try {
      for (const { host, port } of this.#options.listen) {
        opened.push(
          await listenTcp({ ip: host, port, maxConnections: MAX_CONNECTIONS }, (socket) =>
            this.#accept(socket),
          ),
        )
      }
    } catch (error) {
      await Promise.all(opened.map((server) => server.close()))
      throw error
    }
    this.#servers = opened
  }

  #accept(socket: Socket): void {
    const source = sourceOf(socket.remoteAddress)
    const spoke = this.#silent.add(source, socket)
    sniffFirstByte(socket, this.#firstByteTimeoutMs, (kind) => {
      spoke()
      this.#dispatch(socket, kind, source)
    })
  }

  #dispatch(socket: Socket, kind: ConnectionKind, source: string): void {
    switch (kind) {
      case 'stun':
        this.#options.stun.serveTcp(socket)
        return
      case 'tls':
        if (this.#tls === undefined) socket.destroy()
        else this.#tls.emit('connection', socket)
        return
      case 'data-leg':
        if (this.#options.control === undefined) socket.destroy()
        else this.#options.control.serveDataLeg(socket, source)
        return
      case 'http':
        this.#http.emit('connection', socket)
        return
      case 'unknown':
        socket.destroy()
    }
  }

  #tlsServer(tls: CertificateAndKey): TlsServer {
    const options = {
      ...this.#tlsContext(tls),
      ALPNProtocols: this.#options.control === undefined ? ['http/1.1'] : [CONTROL_ALPN, 'http/1.1'],
      handshakeTimeout: this.#firstByteTimeoutMs,
    }
    const server = createTlsServer(options, (socket) => {
      if (socket.alpnProtocol === CONTROL_ALPN) this.#options.control?.serve(socket)
      else this.#http.emit('connection', socket)
    })
    // A failed handshake is the client's affair: scanners make many.
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    return server
  }

  /**
   * Two certificates: that of the web for everybody, and the relay's Ed25519 one for members, who ask for no other
   * signature. OpenSSL chooses by what the client can verify.
   */
  #tlsContext({ certificate, key }: CertificateAndKey): SecureContextOptions {
    const members = this.#options.control?.credentials
    const own = members === undefined ? undefined : commonTlsOptions(members)
    return {
      cert: [certificate, ...(own?.cert === undefined ? [] : [own.cert])].flat(),
      key: [key, ...(own?.key === undefined ? [] : [own.key])].flat(),
      minVersion: 'TLSv1.2',
    }
  }
}
