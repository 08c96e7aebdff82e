import { orAbort } from '../base/deadline.ts'
import type { ReachError } from '../base/errors.ts'
import type { PeerId } from '../base/peer-id.ts'
import type { Runtime } from '../base/runtime.ts'
import { Membership } from '../membership/membership.ts'
import { nodeRuntime } from '../net/node-runtime.ts'
import type { PeerNetwork } from '../protocol/ice/pair-prediction.ts'
import type { MappingTrial } from '../protocol/port-mapping/mapping-trial.ts'
import type { PresentPeer } from '../relay/relay-client.ts'
import type { DatagramFlow } from '../session/datagram-flow.ts'
import type { SessionStream } from '../session/session-stream.ts'
import type { Session } from '../session/session.ts'
import { RelayWays } from '../ways/relay-ways.ts'
import type { DirectReport } from './direct/direct-report.ts'
import type { MapPortOptions, MappedPort } from './map-port.ts'
import { whenAccepted } from './open-stream.ts'
import type {
  ConnectDatagramsOptions,
  ConnectOptions,
  Exposure,
  ListenDatagramsOptions,
  ListenOptions,
  PeerOptions,
} from './peer-options.ts'
import { PeerParts } from './peer-parts.ts'
import { PeerSession } from './peer-session.ts'
import { presentPeers } from './present-peers.ts'
import { checkFlowOptions, limitFlows, serveFlowsWith, setIdle } from './served-flow.ts'
import type { FlowHandler } from './served-flow.ts'
import { serveWith } from './served-stream.ts'
import type { ServiceHandler } from './served-stream.ts'
import { parsePeer, parseServiceAddress } from './service-address.ts'
import type { ServeFlow, ServeStream } from './service-table.ts'

/**
 * This program as a member of its network: reaches services of other peers and exposes its own, over whatever path there
 * is. It stays connected to the network's relays, renews its certificate, and applies what the network revokes.
 *
 * ```ts
 * await using peer = await Peer.open({ home: './bob' })
 * const stream = await peer.connect('alice/web')
 * ```
 */
export class Peer implements AsyncDisposable {
  readonly #membership: Membership
  readonly #runtime: Runtime
  readonly #parts: PeerParts

  private constructor(membership: Membership, options: PeerOptions, runtime: Runtime) {
    this.#membership = membership
    this.#runtime = runtime
    this.#parts = new PeerParts(membership, options, runtime)
  }

  /**
   * Opens the peer of a home folder. It is usable at once; relays are connected in the background.
   * @throws {ReachError} ERR_REACH_NOT_A_MEMBER, ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE, ERR_REACH_KEY_FILE, ERR_REACH_KEY_FILE_OPEN
   */
  static async open(options: PeerOptions): Promise<Peer> {
    const { home, runtime = nodeRuntime(), allowOpenKeyFile = false } = options
    const ways = new RelayWays({ runtime, home, env: options.env ?? {} })
    const dialer = options.dialer ?? ways
    const membership = await Membership.open({ home, runtime, dialer, allowOpenKeyFile })
    const peer = new Peer(membership, options, runtime)
    peer.#parts.life.writers.use(ways)
    await peer.#parts.start()
    return peer
  }

  /** Resolves when the peer is closed; with the reason when it could not go on: it was revoked, say. Never rejects. */
  get closed(): Promise<ReachError | undefined> {
    return this.#parts.life.closed
  }

  /** The clocks and sockets that it uses. */
  get runtime(): Runtime {
    return this.#runtime
  }

  get peerId(): PeerId {
    return this.#membership.peerId
  }

  /** As the network calls it. */
  get name(): string {
    return this.#membership.name
  }

  /** What the names of the network end in. */
  get domain(): string {
    return this.#membership.domain
  }

  /** Relays that are connected now, as HOST:PORT, and SSH servers where we wait, as ssh://USER@HOST:PORT. */
  get relays(): readonly string[] {
    const ssh = this.#parts.ssh?.up.map(({ server }) => server.name) ?? []
    return [...this.#parts.links.up.map(({ relay }) => relay), ...ssh]
  }

  /**
   * Opens a stream to a service, `PEER/SERVICE` with the peer's name or PeerId. Resolves when the peer has taken it.
   * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_PEER_UNKNOWN, ERR_REACH_PEER_OFFLINE, ERR_REACH_RELAY_UNREACHABLE,
   * ERR_REACH_STREAM_REFUSED, ERR_REACH_TRUST_…, ERR_REACH_TIMEOUT
   * @throws the signal's reason
   */
  async connect(target: string, options: ConnectOptions = {}): Promise<SessionStream> {
    const { signal, firstBytes } = options
    const address = parseServiceAddress(target)
    const session = await this.sessionWith(address.peer, signal)
    const stream = session.open(address.service)
    if (firstBytes !== undefined) stream.write(firstBytes)
    return whenAccepted(stream, address, signal)
  }

  /**
   * Exposes a service to the network: an `http.Server`, a `net.Server`, or a function that gets each stream. Resolves
   * when a relay knows that we can be reached, or an SSH server.
   * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_SERVICE_IN_USE, ERR_REACH_RELAY_UNREACHABLE, ERR_REACH_TRUST_…,
   * ERR_REACH_SSH_…
   */
  listen(service: string, handler: ServiceHandler, options: ListenOptions = {}): Promise<Exposure> {
    return this.listenRaw(service, serveWith(handler), options)
  }

  /** The same for who wants to decide about each stream: it comes before it is accepted. */
  listenRaw(service: string, serve: ServeStream, options: ListenOptions = {}): Promise<Exposure> {
    const { exposures } = this.#parts
    return exposures.expose(service, () => exposures.services.add(service, serve, options.allow), options)
  }

  /**
   * Exposes a service of datagrams: a function gets each flow that a peer opens. A service of streams may have the same
   * name. Rejects as `listen` does.
   */
  listenDatagrams(
    service: string,
    handler: FlowHandler,
    options: ListenDatagramsOptions = {},
  ): Promise<Exposure> {
    return this.listenDatagramsRaw(service, serveFlowsWith(handler), options)
  }

  /** The same for who wants to decide about each flow: it comes before it is accepted. */
  listenDatagramsRaw(
    service: string,
    serve: ServeFlow,
    options: ListenDatagramsOptions = {},
  ): Promise<Exposure> {
    const { exposures } = this.#parts
    const limited = limitFlows(serve, options)
    return exposures.expose(
      service,
      () => exposures.services.addFlows(service, limited, options.allow),
      options,
    )
  }

  /**
   * Opens a flow of datagrams to a service, `PEER/SERVICE`. Resolves when the peer has taken it.
   * @throws {ReachError} as `connect` does
   * @throws the signal's reason
   */
  async connectDatagrams(target: string, options: ConnectDatagramsOptions = {}): Promise<DatagramFlow> {
    const { signal } = options
    checkFlowOptions(options)
    const address = parseServiceAddress(target)
    const session = await this.sessionWith(address.peer, signal)
    const flow = session.openFlow(address.service)
    await whenAccepted(flow.stream, address, signal)
    setIdle(flow, options)
    return flow
  }

  /** The conversation with a peer, by name or PeerId: its paths, and pings. Dials nothing yet. @throws {ReachError} ERR_REACH_NAME */
  session(peer: string): PeerSession {
    return new PeerSession(parsePeer(peer), this, this.#runtime.clock)
  }

  /** Who can be reached now, as the relays know it. @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE */
  peers(signal?: AbortSignal): Promise<readonly PresentPeer[]> {
    return presentPeers(this.#parts.links, signal)
  }

  /**
   * What our network over IPv4 is like, measured at the STUN servers of our relays: `predictPair` tells with a peer's `nat`
   * what to expect of the two. It takes some seconds the first time. Undefined: nobody could be asked, or only relays
   * are to be used.
   * @throws the signal's reason
   */
  async ownNetwork(signal?: AbortSignal): Promise<PeerNetwork | undefined> {
    this.#parts.life.checkOpen()
    const measuring = this.#parts.directResources?.network() ?? Promise.resolve(undefined)
    return (await (signal === undefined ? measuring : orAbort(measuring, signal)))?.nat
  }

  /**
   * Asks the gateway for a port (PCP, NAT-PMP or UPnP), and has a relay of the network try it from outside. It is renewed,
   * and proven and made anew when needed, until it or the peer is closed. Only a state whose proof is `proven` may be
   * told to others; without a relay it stays `unproven`.
   * @param port that a program of this host listens on
   * @throws {RangeError} when a port is none
   * @throws {ReachError} ERR_REACH_NO_GATEWAY, ERR_REACH_MAPPING_REFUSED, ERR_REACH_MAPPING_UNREACHABLE when nothing comes in
   */
  async mapPort(port: number, options: MapPortOptions = {}): Promise<MappedPort> {
    return await this.#parts.ports.map(port, options)
  }

  /**
   * Maps a port for the time of a test, has it tried from outside, and removes it: what `diagnose` takes as `tryMapping`.
   * @throws the signal's reason
   */
  async tryMapping(signal?: AbortSignal): Promise<MappingTrial> {
    return await this.#parts.ports.try(signal)
  }

  /**
   * The session with a peer on which we open streams: the one that is there, or a new one. @internal
   * @param peer name or PeerId, as `parsePeer` gives it
   */
  sessionWith(peer: string, signal?: AbortSignal): Promise<Session> {
    return this.#parts.sessions.with(peer, signal)
  }

  /** The session with a peer, if there is one that takes streams. @internal */
  currentSession(peer: string): Session | undefined {
    return this.#parts.sessions.current(peer)
  }

  /** How it stands with direct paths to a peer. @internal */
  directReport(peer: string): DirectReport | undefined {
    return this.#parts.direct?.report(peer)
  }

  /** Takes leave of all peers: what was written arrives, streams that stay open are cut after a second. Idempotent. */
  close(): Promise<void> {
    return this.#parts.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
