import type { PeerId } from '../../base/peer-id.ts'
import { isPeerId } from '../../base/peer-id.ts'
import type { SessionHost } from '../../session/session-host.ts'
import type { Session, SessionEvents } from '../../session/session.ts'
import { dialledAs } from '../dialled-as.ts'
import type { KnownPeers } from './known-peers.ts'
import type { LanReach } from './lan-reach.ts'

/** What a dialer over the LAN is made of. */
export interface LanDialerSetup {
  readonly host: SessionHost
  readonly lan: LanReach
  readonly known: KnownPeers
  readonly events: SessionEvents
}

/** Ours: RFC 8305 §5: where a peer is known to be next door, other ways wait so long. */
const HEAD_START_MS = 250

/** Begins sessions with peers of this LAN, and brings sessions a path there. */
export class LanDialer {
  readonly #setup: LanDialerSetup

  constructor(setup: LanDialerSetup) {
    this.#setup = setup
  }

  /** The key that a peer is looked for by; undefined for a name that we have never met. */
  async peerIdOf(peer: string): Promise<PeerId | undefined> {
    return isPeerId(peer) ? peer : await this.#setup.known.peerIdOf(peer)
  }

  /** How long other ways wait for the LAN. */
  async headStartMs(peerId: PeerId): Promise<number> {
    return (await this.#setup.lan.hears(peerId)) ? HEAD_START_MS : 0
  }

  /** Begins a session. @param peer as it was dialled: its certificate must say so @throws {ReachError} */
  async begin(peer: string, peerId: PeerId, signal: AbortSignal): Promise<Session> {
    const { host, lan, events } = this.#setup
    const { stream, about } = await lan.connect(peerId, signal)
    return await host.begin(stream, about, dialledAs(peer), events, signal)
  }

  /** Brings a session a path. @throws {ReachError} */
  async addPath(session: Session, signal: AbortSignal): Promise<void> {
    const { host, lan } = this.#setup
    const { stream, about } = await lan.connect(session.peer.peerId, signal)
    if (!session.isOpen) {
      stream.destroy()
      return
    }
    await host.addPath(session, stream, about, signal)
  }
}
