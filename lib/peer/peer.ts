import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import { ClosingStack } from '../base/closing-stack.ts'
import { deadlineSignal, delay } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { PeerId } from '../base/peer-id.ts'
import { isPeerId } from '../base/peer-id.ts'
import type { Runtime, Timer } from '../base/runtime.ts'
import { holdMemberHome } from '../membership/hold-home.ts'
import type { MembershipEvent } from '../membership/membership-event.ts'
import { Membership } from '../membership/membership.ts'
import { Renewal } from '../membership/renewal.ts'
import { nodeRuntime } from '../net/node-runtime.ts'
import type { LinkOptions } from '../protocol/link/link-options.ts'
import type { MappingTrial } from '../protocol/port-mapping/mapping-trial.ts'
import type { Incoming, PresentPeer, RelayClient } from '../relay/relay-client.ts'
import { SessionHost } from '../session/session-host.ts'
import type { Session } from '../session/session.ts'
import type { SessionStream } from '../session/session-stream.ts'
import type { MapPortOptions, MappedPort } from './map-port.ts'
import { mapPortWith } from './map-port.ts'
import { PortLeases } from './port-leases.ts'
import { whenAccepted } from './open-stream.ts'
import type { PeerEvent, PeerNames } from './peer-event.ts'
import { PeerSession } from './peer-session.ts'
import type { RelayLink } from './relay-link.ts'
import { RelayLinks } from './relay-links.ts'
import { parsePeer, parseServiceAddress } from './service-address.ts'
import type { ServeStream } from './service-table.ts'
import { ServiceTable } from './service-table.ts'
import type { ServiceHandler } from './served-stream.ts'
import { serveWith } from './served-stream.ts'

/** How a peer is opened. */
export interface PeerOptions {
  /** The folder that `p2p-reach join` made. */
  readonly home: string
  /** Default: the clocks, sockets and names of this process. */
  readonly runtime?: Runtime
  /** Use a key file that others can read. Default: refuse. */
  readonly allowOpenKeyFile?: boolean
  readonly onEvent?: (event: PeerEvent) => void
  /** A datagram came. */
  readonly onDatagram?: (peer: PeerNames, bytes: Uint8Array) => void
  /** How long a session without a path is kept, and other limits of links. */
  readonly link?: Partial<LinkOptions>
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

/** A service that is exposed. Closing it refuses new streams; those that are open go on. */
export interface Exposure extends AsyncDisposable {
  readonly service: string
  close(): Promise<void>
}

/** Ours: how long a dial may take over one relay; the signal of the caller may be shorter. */
const DIAL_TIMEOUT_MS = 15_000
/** Ours: for a session that waits for a path, one attempt; and the pause between two. */
const MEND_TIMEOUT_MS = 4000
const MEND_PAUSE_MS = 250
/** Ours: how long streams that are open may go on when the peer closes: what was written arrives. */
const CLOSE_TIMEOUT_MS = 1000
/** Ours: handshakes of others under way at once; each costs a millisecond of the processor, and some memory. */
const MAX_HANDSHAKES = 64
/** Ours: how long a mapping waits for the first relay, which could prove it. */
const PROOF_RELAY_TIMEOUT_MS = 5000
/** Ours: how often a process that does not keep the home itself looks what the keeper has stored. */
const FOLLOW_INTERVAL_MS = 30_000

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
  /** Resolves when the peer is closed; with the reason when it could not go on: it was revoked, say. Never rejects. */
  readonly closed: Promise<ReachError | undefined>
  readonly #membership: Membership
  readonly #runtime: Runtime
  readonly #onEvent: (event: PeerEvent) => void
  readonly #onDatagram: (session: Session, bytes: Uint8Array) => void
  readonly #services = new ServiceTable()
  readonly #host: SessionHost
  readonly #links: RelayLinks
  readonly #resources = new ClosingStack()
  readonly #dials = new Map<string, Promise<Session>>()
  #leases: PortLeases | undefined
  readonly #stop = new AbortController()
  #settle: (error: ReachError | undefined) => void = () => undefined
  /** Only where this process keeps the home folder. */
  #renewal: Renewal | undefined
  /** Only where another process keeps it. */
  #followTimer: Timer | undefined
  #handshakes = 0
  #closing: Promise<void> | undefined

  private constructor(membership: Membership, options: PeerOptions, runtime: Runtime) {
    this.closed = new Promise((resolve) => (this.#settle = resolve))
    this.#membership = membership
    this.#runtime = runtime
    // Every handshake and dial under way listens to it: that is no leak.
    setMaxListeners(0, this.#stop.signal)
    this.#onEvent = options.onEvent ?? (() => undefined)
    this.#onDatagram = (session, bytes) => options.onDatagram?.(namesOf(session), bytes)
    this.#host = new SessionHost({
      runtime,
      trust: membership.trust,
      credentials: () => membership.credentials,
      decide: (request) => this.#services.decide(request),
      link: options.link ?? {},
      events: { onDatagram: (session, bytes) => this.#onDatagram(session, bytes) },
      onSession: (session) => this.#began(session, false),
    })
    this.#links = new RelayLinks({
      membership,
      runtime,
      events: {
        onEvent: (event) => this.#onEvent(event),
        onHopeless: (error) => void this.#end(error),
        onIncoming: (link, incoming) => void this.#takeIncoming(link, incoming),
        onRoots: () => this.#renewNow(),
      },
    })
  }

  /**
   * Opens the peer of a home folder. It is usable at once; relays are connected in the background.
   * @throws {ReachError} ERR_REACH_NOT_A_MEMBER, ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE, ERR_REACH_KEY_FILE, ERR_REACH_KEY_FILE_OPEN
   */
  static async open(options: PeerOptions): Promise<Peer> {
    const { home, runtime = nodeRuntime(), allowOpenKeyFile = false } = options
    const membership = await Membership.open({ home, runtime, allowOpenKeyFile })
    const peer = new Peer(membership, options, runtime)
    await peer.#start()
    return peer
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

  /** Relays that are connected now, as HOST:PORT. */
  get relays(): readonly string[] {
    return this.#links.up.map(({ relay }) => relay)
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
   * when a relay knows that we can be reached.
   * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_SERVICE_IN_USE, ERR_REACH_RELAY_UNREACHABLE, ERR_REACH_TRUST_…
   */
  listen(service: string, handler: ServiceHandler, options: ListenOptions = {}): Promise<Exposure> {
    return this.listenRaw(service, serveWith(handler), options)
  }

  /** The same for who wants to decide about each stream: it comes before it is accepted. */
  async listenRaw(service: string, serve: ServeStream, options: ListenOptions = {}): Promise<Exposure> {
    this.#checkOpen()
    const remove = this.#services.add(service, serve, options.allow)
    try {
      await this.#links.register(options.signal)
    } catch (error) {
      remove()
      throw error
    }
    const close = () => {
      remove()
      return Promise.resolve()
    }
    return { service, close, [Symbol.asyncDispose]: close }
  }

  /** The conversation with a peer, by name or PeerId: its paths, and pings. Dials nothing yet. @throws {ReachError} ERR_REACH_NAME */
  session(peer: string): PeerSession {
    return new PeerSession(parsePeer(peer), this, this.#runtime.clock)
  }

  /** Who can be reached now, as the relays know it. @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE */
  async peers(signal?: AbortSignal): Promise<readonly PresentPeer[]> {
    const links = await this.#links.ready(signal)
    const found = new Map<PeerId, PresentPeer>()
    const answers = await Promise.allSettled(
      links.map(async ({ client }) => (await client?.peers(signal)) ?? []),
    )
    for (const answer of answers) {
      if (answer.status === 'rejected') continue
      for (const peer of answer.value) if (!found.has(peer.peerId)) found.set(peer.peerId, peer)
    }
    const failed = answers.find(({ status }) => status === 'rejected')
    if (found.size === 0 && failed?.status === 'rejected') throw failed.reason
    return [...found.values()].sort((a, b) => (a.name ?? a.peerId).localeCompare(b.name ?? b.peerId))
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
    const leases = this.#portLeases()
    await this.#proofRelay(options.signal)
    const setup = { runtime: this.#runtime, openLease: leases.open, relays: () => this.#proofRelays() }
    return await mapPortWith(setup, port, options)
  }

  /**
   * Maps a port for the time of a test, has it tried from outside, and removes it: what `diagnose` takes as `tryMapping`.
   * @throws the signal's reason
   */
  async tryMapping(signal?: AbortSignal): Promise<MappingTrial> {
    const leases = this.#portLeases()
    await this.#proofRelay(signal)
    return await leases.try(() => this.#proofRelays(), signal)
  }

  /**
   * The session with a peer on which we open streams: the one that is there, or a new one. @internal
   * @param peer name or PeerId, as `parsePeer` gives it
   */
  async sessionWith(peer: string, signal?: AbortSignal): Promise<Session> {
    signal?.throwIfAborted()
    this.#checkOpen()
    const known = this.currentSession(peer)
    if (known !== undefined) return known
    const dial = this.#dials.get(peer) ?? this.#startDial(peer)
    return signal === undefined ? dial : abortable(dial, signal)
  }

  /** The session with a peer, if there is one that takes streams. @internal */
  currentSession(peer: string): Session | undefined {
    return this.#host.sessions.find(
      (session) =>
        session.isInitiator &&
        session.takesStreams &&
        (session.peer.peerId === peer || session.peer.name === peer),
    )
  }

  /** Takes leave of all peers: what was written arrives, streams that stay open are cut after a second. Idempotent. */
  close(): Promise<void> {
    return this.#end(undefined)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #portLeases(): PortLeases {
    this.#checkOpen()
    return (this.#leases ??= this.#resources.use(new PortLeases(this.#runtime, this.#membership.home)))
  }

  #proofRelays(): readonly RelayClient[] {
    return this.#links.up.flatMap(({ client }) => client ?? [])
  }

  /** Waits a while for the first relay; without one, a mapping is unproven. Rejects with the signal's reason. */
  async #proofRelay(signal: AbortSignal | undefined): Promise<void> {
    using deadline = deadlineSignal(this.#runtime.clock, PROOF_RELAY_TIMEOUT_MS, signal)
    await this.#links.ready(deadline.signal).catch(() => signal?.throwIfAborted())
  }

  async #start(): Promise<void> {
    const unwatch = this.#membership.watchCertificate(() => this.#host.refreshCredentials())
    this.#resources.defer(unwatch)
    this.#resources.defer(() => this.#followTimer?.cancel())
    this.#resources.defer(() => this.#links.close())
    this.#resources.defer(() => this.#host.close(CLOSE_TIMEOUT_MS))
    await this.#keepHome()
    this.#links.start()
  }

  /** One process keeps the home folder, the others follow it, and take over when it is gone. */
  async #keepHome(): Promise<void> {
    try {
      const held = await holdMemberHome(this.#membership.home)
      if (this.#closing !== undefined) {
        await held.close()
        return
      }
      this.#resources.use(held)
    } catch (error) {
      if (!ReachError.is(error, 'ERR_REACH_HOME_IN_USE')) throw error
      if (this.#closing === undefined) {
        this.#followTimer = this.#runtime.clock.setTimer(FOLLOW_INTERVAL_MS, () => void this.#follow())
      }
      return
    }
    const onEvent = (event: MembershipEvent) => this.#onEvent({ kind: 'membership', event })
    this.#renewal = new Renewal(this.#membership, { runtime: this.#runtime, onEvent }, () =>
      this.#membership.renew(this.#stop.signal),
    )
    this.#resources.defer(() => this.#renewal?.stop())
  }

  async #follow(): Promise<void> {
    if (this.#isStopped()) return
    await this.#membership.reload().catch(() => undefined) // a file that is being changed: the next look tells
    if (!this.#isStopped()) await this.#keepHome().catch((error: unknown) => void this.#end(asError(error)))
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  #renewNow(): void {
    this.#renewal?.now()
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ReachError('ERR_REACH_ABORTED', 'this peer is closed')
  }

  #startDial(peer: string): Promise<Session> {
    const dial = this.#dial(peer).finally(() => this.#dials.delete(peer))
    dial.catch(() => undefined) // whoever waits for it hears of it
    this.#dials.set(peer, dial)
    return dial
  }

  async #dial(peer: string): Promise<Session> {
    using deadline = deadlineSignal(this.#runtime.clock, DIAL_TIMEOUT_MS, this.#stop.signal)
    const links = await this.#links.ready(deadline.signal)
    let failure: unknown
    for (const link of links) {
      try {
        return await this.#dialOver(link, peer, deadline.signal)
      } catch (error) {
        deadline.signal.throwIfAborted()
        failure = moreTelling(failure, error)
      }
    }
    throw failure
  }

  async #dialOver(link: RelayLink, peer: string, signal: AbortSignal): Promise<Session> {
    const { client, relay } = link
    if (client === undefined) throw link.lastError ?? noRelay()
    const { socket } = await client.dial(peer, signal)
    const expected = isPeerId(peer) ? { peerId: peer } : { name: peer }
    const about = { kind: 'relay', via: relay } as const
    const events = {
      onPathNeeded: (session: Session, untilMs: number) => void this.#mend(session, untilMs),
      onDatagram: (session: Session, bytes: Uint8Array) => this.#onDatagram(session, bytes),
    }
    const session = await this.#host.begin(socket, about, expected, events, signal)
    void session.established.then((failure) => {
      if (failure === undefined) this.#began(session, true)
    })
    return session
  }

  #began(session: Session, isOurs: boolean): void {
    const peer = namesOf(session)
    this.#onEvent({ kind: 'session', peer, isOurs })
    void this.#tellPaths(session, peer)
    void session.closed.then((error) => this.#onEvent({ kind: 'session-ended', peer, error }))
  }

  async #tellPaths(session: Session, peer: PeerNames): Promise<void> {
    for await (const path of session.paths()) {
      this.#onEvent({ kind: 'path', peer, path })
    }
  }

  /** Brings a session another path, over whichever relay is the first to help. */
  async #mend(session: Session, untilMs: number): Promise<void> {
    const { clock } = this.#runtime
    this.#onEvent({ kind: 'path-lost', peer: namesOf(session) })
    this.#links.probe()
    while (session.isOpen && session.currentPaths.length === 0 && clock.nowMs() < untilMs) {
      if (this.#stop.signal.aborted) return
      this.#links.hurry()
      const attempts = this.#links.up.map((link) => this.#addPath(session, link))
      if (!(await Promise.all(attempts)).some(Boolean)) {
        await delay(clock, MEND_PAUSE_MS, this.#stop.signal).catch(() => undefined)
      }
    }
  }

  async #addPath(session: Session, link: RelayLink): Promise<boolean> {
    using deadline = deadlineSignal(this.#runtime.clock, MEND_TIMEOUT_MS, this.#stop.signal)
    try {
      if (link.client === undefined) return false
      const { socket } = await link.client.dial(session.peer.peerId, deadline.signal)
      if (!session.isOpen) {
        socket.destroy()
        return false
      }
      await this.#host.addPath(session, socket, { kind: 'relay', via: link.relay }, deadline.signal)
      return true
    } catch {
      return false // tried again until the session's resume time is over, which says why
    }
  }

  async #takeIncoming(link: RelayLink, incoming: Incoming): Promise<void> {
    const peer = { peerId: incoming.peerId, name: incoming.name }
    if (this.#handshakes >= MAX_HANDSHAKES || this.#closing !== undefined) return
    this.#handshakes++
    try {
      const socket: Duplex = await incoming.accept(this.#stop.signal)
      const about = { kind: 'relay', via: link.relay } as const
      await this.#host.accept(socket, about, { peerId: incoming.peerId }, this.#stop.signal)
    } catch (error) {
      this.#onEvent({ kind: 'refused', peer, error: asError(error) })
    } finally {
      this.#handshakes--
    }
  }

  #end(error: ReachError | undefined): Promise<void> {
    return (this.#closing ??= (async () => {
      try {
        if (error !== undefined) await this.#host.destroy(error)
        await this.#resources.close()
      } finally {
        this.#stop.abort(error ?? new ReachError('ERR_REACH_ABORTED', 'this peer is closed'))
        this.#settle(error)
      }
    })())
  }
}

function namesOf({ peer }: Session): PeerNames {
  return { peerId: peer.peerId, name: peer.name }
}

function noRelay(): ReachError {
  return new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'no relay is connected')
}

/** Of two failures, the one that says more: a relay that is away says nothing about the peer. */
function moreTelling(one: unknown, other: unknown): unknown {
  const rank = (error: unknown) => {
    if (error === undefined) return 0
    if (ReachError.is(error, 'ERR_REACH_RELAY_UNREACHABLE')) return 1
    return ReachError.is(error, 'ERR_REACH_PEER_OFFLINE') || ReachError.is(error, 'ERR_REACH_PEER_UNKNOWN')
      ? 2
      : 3
  }
  return rank(other) >= rank(one) ? other : one
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function asError(error: unknown): ReachError {
  return ReachError.is(error) ? error : new ReachError('ERR_REACH_SESSION_LOST', 'failed', { cause: error })
}
