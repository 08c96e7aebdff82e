import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import type { SecureContextOptions, Server as TlsServer, TLSSocket } from 'node:tls'
import type { Endpoint } from '../lib/base/endpoint.ts'
import type { Clock } from '../lib/base/runtime.ts'
import type { TransportAddress } from '../lib/base/transport-address.ts'
import type { CertificateAndKey } from '../lib/identity/issue/self-signed-web-certificate.ts'
import { commonTlsOptions } from '../lib/identity/tls/tls-options.ts'
import type { TlsCredentials } from '../lib/identity/tls/tls-options.ts'
import { listenTcp } from '../lib/net/tcp-server.ts'
import type { TcpServer } from '../lib/net/tcp-server.ts'
import { CONTROL_ALPN } from '../lib/protocol/relay/control-frame.ts'
import { LEG_ALPN } from '../lib/protocol/relay/data-leg.ts'
import { Admission } from './admission.ts'
import type { AdmissionLimits, Newcomer } from './admission.ts'
import { CarriedTls } from './carried-tls.ts'
import { sniffFirstByte } from './first-byte.ts'
import type { ConnectionKind } from './first-byte.ts'
import type { RelayInfo } from './http-endpoints.ts'
import { httpEndpoints } from './http-endpoints.ts'
import type { StunService } from './stun-service.ts'

export interface TcpFrontOptions {
  readonly listen: readonly Endpoint[]
  readonly tls: CertificateAndKey | undefined
  /** Members of the relay's network; undefined where it has none. */
  readonly control?: ControlFront
  /** Plain SSH clients; undefined where nobody knows any. */
  readonly ssh?: SshFront
  readonly stun: StunService
  readonly info: () => RelayInfo
  readonly clock: Clock
  /** What those may cost who have proven nothing. Default: see admission.ts. */
  readonly admission: Partial<AdmissionLimits> | undefined
  /** How long an HTTP exchange may take. Default: see http-endpoints.ts. */
  readonly httpTimeoutMs: number | undefined
}

/** Who serves members of the network, and what they are shown. */
export interface ControlFront {
  readonly credentials: TlsCredentials
  /** @param onProven the other side has shown who it is */
  serve(socket: TLSSocket, newcomer: Newcomer): void
  serveDataLeg(socket: Duplex, newcomer: Newcomer): void
}

/** Who serves SSH clients. */
export interface SshFront {
  serve(socket: Socket, newcomer: Newcomer): void
}

/** Ours: bounds memory under a flood of connections; each costs some tens of KiB with TLS. */
const MAX_CONNECTIONS = 20_000
/** The relay's TCP ports: each connection's first byte tells whether it is STUN, TLS, SSH or HTTP. */
export class TcpFront implements AsyncDisposable {
  readonly #options: TcpFrontOptions
  readonly #http: HttpServer
  readonly #tls: TlsServer | undefined
  readonly #admission: Admission
  /** The two ends of a connection in TLS → what it was before. */
  readonly #inTls = new Map<string, Newcomer>()
  /** An HTTP connection → what it was before. */
  readonly #inHttp = new WeakMap<Duplex, Newcomer>()
  readonly #carried: CarriedTls
  #servers: readonly TcpServer[] = []

  private constructor(options: TcpFrontOptions) {
    this.#options = options
    this.#admission = new Admission(options.clock, options.admission)
    this.#http = httpEndpoints(options.info, options.httpTimeoutMs, (stream, connection) =>
      this.#acceptCarried(stream, connection),
    )
    this.#carried = new CarriedTls(() => options.control?.credentials)
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

  /** Connections that have proven nothing yet. */
  get newcomerCount(): number {
    return this.#admission.size
  }

  /** Shows the network's newest certificate in handshakes from now on. */
  refreshCredentials(): void {
    const { tls } = this.#options
    if (tls !== undefined) this.#tls?.setSecureContext(this.#tlsContext(tls))
    this.#carried.refresh()
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
    const newcomer = this.#admission.admit(socket)
    if (newcomer === undefined) return
    sniffFirstByte(socket, (kind) => {
      newcomer.spoke()
      this.#dispatch(socket, kind, newcomer)
    })
  }

  #dispatch(socket: Socket, kind: ConnectionKind, newcomer: Newcomer): void {
    switch (kind) {
      case 'stun':
        newcomer.timesItself()
        this.#options.stun.serveTcp(socket)
        return
      case 'tls':
        this.#startTls(socket, newcomer)
        return
      case 'data-leg':
        if (this.#options.control === undefined) socket.destroy()
        else this.#options.control.serveDataLeg(socket, newcomer)
        return
      case 'ssh':
        if (this.#options.ssh === undefined) socket.destroy()
        else this.#options.ssh.serve(socket, newcomer)
        return
      case 'http':
        this.#serveHttp(socket, newcomer)
        return
      case 'unknown':
        socket.destroy()
    }
  }

  #startTls(socket: Socket, newcomer: Newcomer): void {
    if (this.#tls === undefined) {
      socket.destroy()
      return
    }
    const ends = endsOf(socket)
    this.#inTls.set(ends, newcomer)
    socket.once('close', () => {
      if (this.#inTls.get(ends) === newcomer) this.#inTls.delete(ends)
    })
    this.#tls.emit('connection', socket)
  }

  /** A TLS server does not say which connection a handshake belongs to; its two ends do. */
  #serveTls(socket: TLSSocket): void {
    const newcomer = this.#inTls.get(endsOf(socket))
    if (newcomer === undefined) {
      socket.destroy() // reset in this very moment
    } else if (socket.alpnProtocol === CONTROL_ALPN) {
      this.#options.control?.serve(socket, newcomer)
    } else if (socket.alpnProtocol === LEG_ALPN) {
      this.#options.control?.serveDataLeg(socket, newcomer)
    } else {
      this.#serveHttp(socket, newcomer)
    }
  }

  #serveHttp(connection: Duplex, newcomer: Newcomer): void {
    newcomer.timesItself()
    this.#inHttp.set(connection, newcomer)
    this.#http.emit('connection', connection)
  }

  /** A stream inside a WebSocket is another connection to this port, but for what needs no network. */
  #acceptCarried(stream: Duplex, connection: Duplex): void {
    const newcomer = this.#inHttp.get(connection)
    const { control } = this.#options
    stream.on('error', () => undefined)
    if (newcomer === undefined || control === undefined) {
      stream.destroy()
      return
    }
    newcomer.mustProve()
    sniffFirstByte(stream, (kind) => {
      if (kind === 'data-leg') control.serveDataLeg(stream, newcomer)
      else if (kind === 'tls') this.#carried.secure(stream, (socket) => control.serve(socket, newcomer))
      else stream.destroy()
    })
  }

  #tlsServer(tls: CertificateAndKey): TlsServer {
    const options = {
      ...this.#tlsContext(tls),
      ALPNProtocols:
        this.#options.control === undefined ? ['http/1.1'] : [CONTROL_ALPN, LEG_ALPN, 'http/1.1'],
    }
    const server = createTlsServer(options, (socket) => this.#serveTls(socket))
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

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ')
}
