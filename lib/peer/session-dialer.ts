import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { SessionHost } from '../session/session-host.ts'
import type { Session, SessionEvents } from '../session/session.ts'
import { aboutRelay } from './about-relay.ts'
import { dialledAs } from './dialled-as.ts'
import type { LanDialer } from './lan/lan-dialer.ts'
import type { RelayLink } from './relay-link.ts'
import type { RelayLinks } from './relay-links.ts'
import type { SshDialer } from './ssh-dialer.ts'
import { staggered } from './staggered.ts'

/** What a dialer of sessions is made of. */
export interface SessionDialerSetup {
  readonly runtime: Runtime
  readonly host: SessionHost
  readonly links: RelayLinks
  /** Over SSH servers, where there are any. */
  readonly ssh: SshDialer | undefined
  /** Over the LAN; undefined where peers are not looked for there. */
  readonly lan: LanDialer | undefined
  /** Of sessions that are dialled here. */
  readonly events: SessionEvents
  /** Ends whatever is under way. */
  readonly signal: AbortSignal
}

/** Ours: how long a dial may take over one relay; the signal of the caller may be shorter. */
export const DIAL_TIMEOUT_MS = 15_000
/** Ours: relays first; a network that swallows packets to them costs no more than this. */
const SSH_HEAD_START_MS = 700

/** Begins sessions over the LAN, relays and SSH servers. */
export class SessionDialer {
  readonly #setup: SessionDialerSetup

  constructor(setup: SessionDialerSetup) {
    this.#setup = setup
  }

  /** Begins a session with a peer, by name or PeerId, over whatever leads to it. @throws {ReachError} */
  async dial(peer: string): Promise<Session> {
    const { runtime, lan, signal } = this.#setup
    using deadline = deadlineSignal(runtime.clock, DIAL_TIMEOUT_MS, signal)
    const beyond = (during: AbortSignal) => this.#dialServers(peer, during)
    const peerId = await lan?.peerIdOf(peer)
    if (lan === undefined || peerId === undefined) return await beyond(deadline.signal)
    const overLan = (during: AbortSignal) => lan.begin(peer, peerId, during)
    return await this.#race(overLan, beyond, await lan.headStartMs(peerId), deadline.signal)
  }

  async #dialServers(peer: string, signal: AbortSignal): Promise<Session> {
    const { ssh } = this.#setup
    const overRelays = (during: AbortSignal) => this.#dialRelays(peer, during)
    if (ssh === undefined) return await overRelays(signal)
    return await this.#race(overRelays, (during) => ssh.begin(peer, during), SSH_HEAD_START_MS, signal)
  }

  async #race(first: Dial, second: Dial, headStartMs: number, signal: AbortSignal): Promise<Session> {
    return await staggered(first, second, {
      ...{ clock: this.#setup.runtime.clock, headStartMs, signal, moreTelling },
      discard: (session) => session.destroy(),
    })
  }

  /** Over the first relay that leads to the peer. */
  async #dialRelays(peer: string, signal: AbortSignal): Promise<Session> {
    let failure: unknown
    for (const link of await this.#setup.links.ready(signal)) {
      try {
        return await this.#dialOver(link, peer, signal)
      } catch (error) {
        signal.throwIfAborted()
        failure = moreTelling(failure, error)
      }
    }
    throw failure
  }

  async #dialOver(link: RelayLink, peer: string, signal: AbortSignal): Promise<Session> {
    if (link.client === undefined) throw link.lastError ?? noRelay()
    const { leg } = await link.client.dial(peer, signal)
    const { host, events } = this.#setup
    return await host.begin(leg.stream, aboutRelay(link.relay, leg), dialledAs(peer), events, signal)
  }
}

type Dial = (signal: AbortSignal) => Promise<Session>

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
