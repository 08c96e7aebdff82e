import type { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { Membership } from '../membership/membership.ts'
import { SessionHost } from '../session/session-host.ts'
import type { Session, SessionEvents } from '../session/session.ts'
import { DirectPaths } from './direct/direct-paths.ts'
import { DirectResources } from './direct/direct-resources.ts'
import { DirectSearch } from './direct/direct-search.ts'
import { Exposures } from './exposures.ts'
import { HomeKeeping } from './home-keeping.ts'
import { IncomingPaths } from './incoming-paths.ts'
import { KnownPeers } from './lan/known-peers.ts'
import { LanDialer } from './lan/lan-dialer.ts'
import { LanReach } from './lan/lan-reach.ts'
import { MappedPorts } from './mapped-ports.ts'
import { NetworkWatch } from './network-watch.ts'
import { PathMender } from './path-mender.ts'
import { namesOf } from './peer-event.ts'
import type { PeerEvent } from './peer-event.ts'
import { PeerLife } from './peer-life.ts'
import type { PeerOptions } from './peer-options.ts'
import { PeerSessions } from './peer-sessions.ts'
import { Presence } from './presence.ts'
import { RelayLinks } from './relay-links.ts'
import { SessionDialer } from './session-dialer.ts'
import type { SessionDialerSetup } from './session-dialer.ts'
import { SshDialer } from './ssh-dialer.ts'
import { SshRelays, sshServersOf } from './ssh-relays.ts'

/** Ours: how long streams that are open may go on when the peer closes: what was written arrives. */
const CLOSE_TIMEOUT_MS = 1000

/** What a peer consists of, and who of it tells whom what. */
export class PeerParts {
  readonly life = new PeerLife()
  readonly host: SessionHost
  readonly links: RelayLinks
  /** Undefined where there are none. */
  readonly ssh: SshRelays | undefined
  /** Undefined where peers are not looked for on the LAN. */
  readonly lan: LanReach | undefined
  /** Undefined where only relays are to be used. */
  readonly direct: DirectPaths | undefined
  readonly directResources: DirectResources | undefined
  readonly dialer: SessionDialer
  readonly mender: PathMender
  readonly sessions: PeerSessions
  readonly incoming: IncomingPaths
  readonly presence: Presence
  readonly exposures: Exposures
  readonly ports: MappedPorts
  readonly home: HomeKeeping
  readonly network: NetworkWatch
  readonly #known: KnownPeers
  readonly #membership: Membership
  readonly #runtime: Runtime
  readonly #onEvent: (event: PeerEvent) => void

  constructor(membership: Membership, options: PeerOptions, runtime: Runtime) {
    this.#membership = membership
    this.#runtime = runtime
    this.#onEvent = options.onEvent ?? (() => undefined)
    const { life } = this
    life.writers.use(membership)
    const onDatagram = (session: Session, bytes: Uint8Array) => options.onDatagram?.(namesOf(session), bytes)
    this.host = this.#makeHost(options, { onDatagram })
    this.sessions = this.#makeSessions()
    this.incoming = new IncomingPaths({
      ...{ host: this.host, life },
      onRefused: (peer, error) => this.#onEvent({ kind: 'refused', peer, error }),
    })
    this.links = this.#makeLinks()
    this.ports = new MappedPorts({ runtime, home: membership.home, life, links: this.links })
    this.ssh = this.#makeSsh(options)
    this.directResources = options.relayOnly === true ? undefined : this.#makeResources()
    this.#known = life.writers.use(new KnownPeers(membership.home))
    this.lan = options.lan === true ? this.directResources && this.#makeLan(this.directResources) : undefined
    const dialling = this.#dialerSetup({
      onPathNeeded: (session, untilMs) => this.sessions.pathNeeded(session, untilMs),
      onPathLost: (session, path) => this.sessions.pathLost(session, path),
      onDatagram,
    })
    this.dialer = new SessionDialer(dialling)
    this.mender = new PathMender(dialling)
    this.direct = this.directResources && this.#makeDirect(this.directResources)
    const { links, ssh, lan, host } = this
    this.presence = new Presence({ life, links, ssh, lan, resources: this.directResources })
    this.exposures = new Exposures(life, this.presence)
    this.home = this.#makeHome()
    this.network = new NetworkWatch({
      ...{ runtime, host, links, ssh },
      onChange: () => this.direct?.networkChanged(),
    })
  }

  /** @throws {ReachError} ERR_REACH_FILE when the home folder can't be kept */
  async start(): Promise<void> {
    const { life, links, ssh, lan, host, home, network } = this
    const { resources } = life
    resources.defer(this.#membership.watchCertificate(() => host.refreshCredentials()))
    resources.defer(() => links.close())
    resources.defer(() => ssh?.close())
    resources.defer(() => host.close(CLOSE_TIMEOUT_MS))
    resources.use(home)
    await home.start()
    links.start()
    lan?.listen()
    network.start()
    resources.defer(() => network[Symbol.dispose]())
  }

  /** Ends everything; sessions at once where there is an error. Idempotent. */
  end(error?: ReachError): Promise<void> {
    return this.life.end(error, (why) => this.host.destroy(why))
  }

  #makeHost({ link = {} }: PeerOptions, events: SessionEvents): SessionHost {
    const { trust } = this.#membership
    return new SessionHost({
      ...{ runtime: this.#runtime, trust, link, events },
      credentials: () => this.#membership.credentials,
      decide: (request) => this.exposures.decide(request, this.direct),
      onSession: (session) => this.sessions.began(session, false),
    })
  }

  #makeSessions(): PeerSessions {
    return new PeerSessions({
      ...{ host: this.host, life: this.life, onEvent: this.#onEvent },
      helpers: () => {
        const { dialer, mender, network, direct, lan } = this
        return { dialer, mender, network, direct, known: lan && this.#known }
      },
    })
  }

  #makeLinks(): RelayLinks {
    return new RelayLinks({
      ...{ membership: this.#membership, runtime: this.#runtime },
      events: {
        onEvent: (event) => {
          this.#onEvent(event)
          if (event.kind !== 'relay-up') return
          this.direct?.relayUp()
          void this.presence.tellNetwork()
        },
        onHopeless: (error) => void this.end(error),
        onImproved: (link) => void this.mender.improve(link),
        onRestarting: (link) => void this.mender.leave(link),
        onIncoming: (link, incoming) => void this.incoming.takeFromRelay(link, incoming),
        onRoots: () => this.home.renewNow(),
      },
    })
  }

  #makeSsh({ ssh: named = [], sshLogin = {} }: PeerOptions): SshRelays | undefined {
    const servers = sshServersOf(named, this.#membership.ssh, sshLogin)
    if (servers.length === 0) return undefined
    return new SshRelays({
      ...{ servers, runtime: this.#runtime, membership: this.#membership },
      events: {
        onEvent: (event) => this.#onEvent(event),
        onStream: (stream, about) => void this.incoming.takeStream(stream, about),
      },
    })
  }

  #makeResources(): DirectResources {
    const resources = new DirectResources({
      ...{ runtime: this.#runtime, openLease: this.ports.openLease },
      relays: () => this.links.clients,
      onKeepalive: (ms) => {
        for (const session of this.host.sessions) session.speakEvery(ms, 'direct-udp')
      },
    })
    return this.life.resources.use(resources)
  }

  #makeLan(resources: DirectResources): LanReach {
    const { peerId, trust } = this.#membership
    const lan = new LanReach({
      ...{ runtime: this.#runtime, peerId, network: trust.network.roots[0]?.spkiSha256 ?? '' },
      relays: () => this.#membership.relays,
      listeners: () => resources.listeners(),
      onStream: (stream, about) => void this.incoming.takeStream(stream, about),
    })
    return this.life.resources.use(lan)
  }

  #dialerSetup(events: SessionEvents): SessionDialerSetup {
    const { host, links, life } = this
    const runtime = this.#runtime
    const ssh = this.ssh && new SshDialer({ runtime, host, events, relays: this.ssh })
    const lan = this.lan && new LanDialer({ host, events, lan: this.lan, known: this.#known })
    return { runtime, host, links, ssh, lan, events, signal: life.signal }
  }

  #makeDirect(resources: DirectResources): DirectPaths {
    const direct = new DirectPaths({
      ...{ runtime: this.#runtime, host: this.host, signal: this.life.signal },
      startAttempt: (context) => new DirectSearch(resources, context),
      onReport: ({ peerId, name }, report) =>
        this.#onEvent({ kind: 'direct', peer: { peerId, name }, report }),
      onNetworkChange: () => {
        resources.networkChanged()
        void this.presence.tellNetwork()
      },
    })
    this.life.resources.defer(() => direct.close())
    return direct
  }

  #makeHome(): HomeKeeping {
    return new HomeKeeping({
      ...{ membership: this.#membership, runtime: this.#runtime, life: this.life },
      onEvent: (event) => this.#onEvent({ kind: 'membership', event }),
      onFailed: (error) => void this.end(error),
    })
  }
}
