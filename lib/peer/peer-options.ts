import type { RelayDialer } from '../base/relay-dialer.ts'
import type { Runtime } from '../base/runtime.ts'
import type { ProxyEnvironment } from '../net/outward/proxy-environment.ts'
import type { LinkOptions } from '../protocol/link/link-options.ts'
import type { PeerEvent, PeerNames } from './peer-event.ts'
import type { FlowOptions } from './served-flow.ts'
import type { SshLoginOptions, SshRelayOptions } from './ssh-relays.ts'

/** How a peer is opened. */
export interface PeerOptions {
  /** The folder that `p2p-reach join` made. */
  readonly home: string
  /** Default: the clocks, sockets and names of this process. */
  readonly runtime?: Runtime
  /** How relays are dialled. Default: `RelayWays` with `env` and this home. */
  readonly dialer?: RelayDialer
  /** Environment variables: the proxies that HTTPS_PROXY, ALL_PROXY, HTTP_PROXY and NO_PROXY name. Default: none. */
  readonly env?: ProxyEnvironment
  /** Use a key file that others can read. Default: refuse. */
  readonly allowOpenKeyFile?: boolean
  readonly onEvent?: (event: PeerEvent) => void
  /** A datagram came. */
  readonly onDatagram?: (peer: PeerNames, bytes: Uint8Array) => void
  /** How long a session without a path is kept, and other limits of links. */
  readonly link?: Partial<LinkOptions>
  /** Never look for direct paths: peers then don't learn our addresses. Default false. */
  readonly relayOnly?: boolean
  /**
   * Find peers of this LAN by multicast DNS, and be found by them, so that no relay is needed there. Members who know our
   * PeerId can then tell that we are here. Not with `relayOnly`. Default false.
   */
  readonly lan?: boolean
  /** SSH servers that carry sessions where no relay can be reached, besides those of the join string. Default: none. */
  readonly ssh?: readonly SshRelayOptions[]
  /** How to log in at those of the join string. */
  readonly sshLogin?: SshLoginOptions
}

/** How a stream is opened. */
export interface ConnectOptions {
  readonly signal?: AbortSignal
  /** Sent together with the name of the service: they arrive without another round trip. */
  readonly firstBytes?: Uint8Array
}

/** How a service is exposed. */
export interface ListenOptions {
  /** Names or PeerIds of those who may use it. Default: every member of the network. */
  readonly allow?: readonly string[]
  readonly signal?: AbortSignal
}

/** How a service of datagrams is exposed. */
export interface ListenDatagramsOptions extends ListenOptions, FlowOptions {}

/** How a flow of datagrams is opened. */
export interface ConnectDatagramsOptions extends Pick<FlowOptions, 'idleMs'> {
  readonly signal?: AbortSignal
}

/** A service that is exposed. Closing it refuses new streams; those that are open go on. */
export interface Exposure extends AsyncDisposable {
  readonly service: string
  close(): Promise<void>
}
