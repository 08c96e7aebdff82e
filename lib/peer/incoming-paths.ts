import type { Duplex } from 'node:stream'
import type { ReachError } from '../base/errors.ts'
import type { Incoming } from '../relay/relay-client.ts'
import type { PathAbout } from '../session/path-pipe.ts'
import type { SessionHost } from '../session/session-host.ts'
import { aboutRelay } from './about-relay.ts'
import type { PeerNames } from './peer-event.ts'
import { asReachError } from './peer-life.ts'
import type { PeerLife } from './peer-life.ts'
import type { RelayLink } from './relay-link.ts'

/** What taking connections needs. */
export interface IncomingPathsSetup {
  readonly host: SessionHost
  readonly life: PeerLife
  /** Somebody wanted to begin a session, and did not get it. */
  readonly onRefused: (peer: PeerNames, error: ReachError) => void
}

/** Ours: handshakes of others under way at once; each costs a millisecond of the processor, and some memory. */
const MAX_HANDSHAKES = 64

/** Takes the connections that others make to us, wherever they come in: the session host tells whose they are. */
export class IncomingPaths {
  readonly #setup: IncomingPathsSetup
  #handshakes = 0

  constructor(setup: IncomingPathsSetup) {
    this.#setup = setup
  }

  /** Of a peer that has asked a relay for us. Never rejects. */
  async takeFromRelay(link: RelayLink, incoming: Incoming): Promise<void> {
    const peer = { peerId: incoming.peerId, name: incoming.name }
    await this.#handshake(peer, async (signal) => {
      const leg = await incoming.accept(signal)
      const about = aboutRelay(link.relay, leg)
      await this.#setup.host.accept(leg.stream, about, { peerId: incoming.peerId }, signal)
    })
  }

  /** Of somebody who has yet to say who it is. Never rejects. */
  async takeStream(stream: Duplex, about: PathAbout): Promise<void> {
    stream.on('error', () => undefined) // its end is told by whoever has it
    const isTaken = await this.#handshake(undefined, async (signal) => {
      await this.#setup.host.accept(stream, about, {}, signal)
    })
    if (!isTaken) stream.destroy()
  }

  /** False when there are too many at once. What fails is told, unless nobody has said who it was. */
  async #handshake(
    peer: PeerNames | undefined,
    take: (signal: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const { life, onRefused } = this.#setup
    if (this.#handshakes >= MAX_HANDSHAKES || life.isClosing) return false
    this.#handshakes++
    try {
      await take(life.signal)
    } catch (error) {
      if (peer !== undefined) onRefused(peer, asReachError(error))
    } finally {
      this.#handshakes--
    }
    return true
  }
}
