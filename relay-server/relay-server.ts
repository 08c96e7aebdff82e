import { ReachError } from '../lib/base/errors.ts'
import type { Endpoint } from '../lib/base/endpoint.ts'
import type { Runtime } from '../lib/base/runtime.ts'
import type { TransportAddress } from '../lib/base/transport-address.ts'
import { formatAddress } from '../lib/base/transport-address.ts'
import type { CertificateAndKey } from '../lib/identity/issue/self-signed-web-certificate.ts'
import { spkiSha256 } from '../lib/identity/issue/self-signed-web-certificate.ts'
import type { TcpServer } from '../lib/net/tcp-server.ts'
import type { StunServerOptions } from '../lib/protocol/stun/server.ts'
import type { AdmissionLimits } from './admission.ts'
import { openAdminServer } from './admin-server.ts'
import type { TlsSource } from './certificate-store.ts'
import { loadCertificate } from './certificate-store.ts'
import type { RelayMetrics } from './metrics.ts'
import type { AdvertisedIps } from './stun-addresses.ts'
import { primaryPorts, stunAddresses } from './stun-addresses.ts'
import { StunService } from './stun-service.ts'
import { NetworkService } from './network-service.ts'
import type { JoinedNetworkOptions, OwnNetworkOptions } from './network-service.ts'
import type { SshService } from './ssh/ssh-service.ts'
import { TcpFront } from './tcp-front.ts'
import type { ControlFront, SshFront } from './tcp-front.ts'

export { administerHome } from './administer-home.ts'
export { hasAuthority } from './authority/create-authority.ts'
export type { ExternalCa } from './authority/external-ca.ts'
export { readExternalCa } from './authority/external-ca.ts'
export type { TlsSource } from './certificate-store.ts'
export type { JoinedNetworkOptions, OwnNetworkOptions } from './network-service.ts'

export interface RelayServerOptions {
  readonly version: string
  /** TCP addresses that tell STUN, TLS and HTTP apart. */
  readonly listen: readonly Endpoint[]
  /** UDP addresses for STUN; two IPs of one family make RFC 5780 work in full. */
  readonly stun: readonly Endpoint[]
  /** Without a certificate, TLS connections are closed. */
  readonly tls: TlsSource
  /** The private network that it serves. Default: none. */
  readonly network?: OwnNetworkOptions | JoinedNetworkOptions
  /** Where `/metrics` and `/healthz` listen. Default: nowhere. */
  readonly admin?: Endpoint
  /** Public IPs by own IPs, for a server behind a 1:1 NAT. */
  readonly advertised?: AdvertisedIps
  /** Limits of the STUN server. Default: its own. */
  readonly limits?: Pick<StunServerOptions, 'rateLimit' | 'ration'>
  /** What TCP connections may cost that have proven nothing yet. Default: {@link admissionLimits}. */
  readonly admission?: Partial<AdmissionLimits>
  /** How long an HTTP exchange may take in all. Default 10 s. */
  readonly httpTimeoutMs?: number
}

/** How a relay is drained. */
export interface DrainOptions {
  /** How long paths that are carried may go on. Default {@link DRAIN_GRACE_MS}. */
  readonly graceMs?: number
  /** How long the relay needs, once it has ended, to be there again. Default {@link RESTART_DELAY_MS}. */
  readonly restartDelayMs?: number
}

/** Ours: what members are told when the relay ends: long enough to start anew. */
export const RESTART_DELAY_MS = 1000
/** Ours: as cloudflared; a path that is cut off is made anew over another relay, without a byte lost. */
export const DRAIN_GRACE_MS = 30_000

/** The deployable relay: its network, STUN (UDP and TCP), and what `diagnose` asks over HTTP and TLS. */
export class RelayServer implements AsyncDisposable {
  readonly #stun: StunService
  readonly #front: TcpFront
  readonly #tls: CertificateAndKey | undefined
  readonly #network: NetworkService | undefined
  readonly #runtime: Runtime
  readonly #startedMs: number
  #admin: TcpServer | undefined
  #closing: Promise<void> | undefined

  private constructor(
    runtime: Runtime,
    stun: StunService,
    front: TcpFront,
    tls: CertificateAndKey | undefined,
    network: NetworkService | undefined,
  ) {
    this.#network = network
    this.#runtime = runtime
    this.#stun = stun
    this.#front = front
    this.#tls = tls
    this.#startedMs = runtime.clock.nowMs()
  }

  /**
   * Binds everything that was asked for, or nothing.
   * @throws {ReachError} ERR_REACH_CONFIG, ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET
   */
  static async open(runtime: Runtime, options: RelayServerOptions): Promise<RelayServer> {
    const tls = await loadCertificate(options.tls, runtime.clock.wallMs())
    if (options.network !== undefined && tls === undefined) {
      throw new ReachError('ERR_REACH_CONFIG', 'a network needs TLS', { hint: 'leave out --no-tls' })
    }
    const addresses = stunAddresses(
      options.stun,
      runtime.network.interfaces(),
      options.advertised ?? new Map(),
    )
    let front: TcpFront | undefined
    let network: NetworkService | undefined
    let stun: StunService | undefined
    try {
      // First the home: a second relay on it is told so, and not of ports.
      if (options.network !== undefined) {
        network = await NetworkService.open(runtime, options.network, {
          onCredentials: () => front?.refreshCredentials(),
          stunPorts: primaryPorts(addresses),
        })
      }
      stun = await StunService.open(
        { addresses, software: `p2p-reach ${options.version}`, ...options.limits },
        runtime.clock,
      )
      const stunAt = stun.addresses.map(formatAddress)
      const info = () => ({ version: options.version, stun: stunAt })
      const { listen, admission, httpTimeoutMs } = options
      front = await TcpFront.open({
        ...{ listen, tls, stun, info, clock: runtime.clock, admission, httpTimeoutMs },
        ...(network === undefined ? {} : { control: controlFront(network) }),
        ...(network?.ssh === undefined ? {} : { ssh: sshFront(network.ssh) }),
      })
      if (network !== undefined && tls !== undefined) network.control.webKey = spkiSha256(tls.certificate)
      const relay = new RelayServer(runtime, stun, front, tls, network)
      if (options.network?.kind === 'own') await network?.noteAddresses(options.network.publicAddresses())
      if (options.admin !== undefined)
        relay.#admin = await openAdminServer(options.admin, () => relay.metrics())
      return relay
    } catch (error) {
      await Promise.all([stun?.close(), front?.close()])
      await network?.close()
      throw error
    }
  }

  get stunAddresses(): readonly TransportAddress[] {
    return this.#stun.addresses
  }

  get tcpAddresses(): readonly TransportAddress[] {
    return this.#front.addresses
  }

  get adminAddress(): TransportAddress | undefined {
    return this.#admin?.local
  }

  /** SHA-256 of the certificate's public key, for URLs that pin it. */
  get fingerprint(): string | undefined {
    return this.#tls === undefined ? undefined : spkiSha256(this.#tls.certificate)
  }

  /** The network that it serves. */
  get network(): NetworkService | undefined {
    return this.#network
  }

  metrics(): RelayMetrics {
    return {
      stun: { udp: this.#stun.counters('udp'), tcp: this.#stun.counters('tcp') },
      network: this.#network?.counters,
      tcpConnections: this.#front.connectionCount,
      newcomers: this.#front.newcomerCount,
      uptimeS: (this.#runtime.clock.nowMs() - this.#startedMs) / 1000,
    }
  }

  /**
   * Ends in order: members hear that the relay will be away, and for how long; new paths are refused; those that are
   * carried may end by themselves within the grace. Then closes. `close()` cuts it short.
   */
  async drain(options: DrainOptions = {}): Promise<void> {
    const { graceMs = DRAIN_GRACE_MS, restartDelayMs = RESTART_DELAY_MS } = options
    this.#network?.control.tellRestarting(graceMs + restartDelayMs)
    await this.#network?.data.drain(graceMs)
    await this.close()
  }

  /** Ends all connections and gives all ports back, at once. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#network?.control.tellRestarting(RESTART_DELAY_MS)
    await Promise.all([this.#admin?.close(), this.#front.close(), this.#stun.close()])
    await this.#network?.close()
  }
}

function sshFront(service: SshService): SshFront {
  return { serve: (socket, newcomer) => service.serve(socket, () => newcomer.proven()) }
}

function controlFront(service: NetworkService): ControlFront {
  return {
    get credentials() {
      return service.network.credentials
    },
    serve: (socket, newcomer) => service.control.serve(socket, newcomer.ip, () => newcomer.proven()),
    serveDataLeg: (socket, newcomer) => service.data.serve(socket, newcomer.source, () => newcomer.proven()),
  }
}
