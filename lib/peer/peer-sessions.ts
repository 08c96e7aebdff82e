import { orAbort } from '../base/deadline.ts'
import type { PathAbout } from '../session/path-pipe.ts'
import type { SessionHost } from '../session/session-host.ts'
import type { Session } from '../session/session.ts'
import type { DirectPaths } from './direct/direct-paths.ts'
import type { KnownPeers } from './lan/known-peers.ts'
import type { NetworkWatch } from './network-watch.ts'
import { namesOf } from './peer-event.ts'
import type { PeerEvent, PeerNames } from './peer-event.ts'
import type { PathMender } from './path-mender.ts'
import type { PeerLife } from './peer-life.ts'
import type { SessionDialer } from './session-dialer.ts'

/** Who helps sessions to begin, and to find other paths. */
export interface SessionHelpers {
  readonly dialer: SessionDialer
  readonly mender: PathMender
  readonly network: NetworkWatch
  /** Undefined where only relays are to be used. */
  readonly direct: DirectPaths | undefined
  /** Who was met; undefined where peers are not looked for on the LAN. */
  readonly known: KnownPeers | undefined
}

/** What the sessions of a peer need. */
export interface PeerSessionsSetup {
  readonly host: SessionHost
  readonly life: PeerLife
  readonly onEvent: (event: PeerEvent) => void
  /** Asked when something happens: they are made after this, and with it. */
  readonly helpers: () => SessionHelpers
}

/** The sessions of a peer, those that it began and those that others did: one for all who want the same peer at once. */
export class PeerSessions {
  readonly #setup: PeerSessionsSetup
  readonly #dials = new Map<string, Promise<Session>>()

  constructor(setup: PeerSessionsSetup) {
    this.#setup = setup
  }

  /** The session on which we open streams: the one that is there, or a new one. @param peer name or PeerId */
  async with(peer: string, signal?: AbortSignal): Promise<Session> {
    signal?.throwIfAborted()
    this.#setup.life.checkOpen()
    const known = this.current(peer)
    if (known !== undefined) return known
    const dial = this.#dials.get(peer) ?? this.#startDial(peer)
    return signal === undefined ? dial : orAbort(dial, signal)
  }

  /** The session with a peer that we began, if there is one that takes streams. */
  current(peer: string): Session | undefined {
    return this.#setup.host.sessions.find(
      (session) =>
        session.isInitiator &&
        session.takesStreams &&
        (session.peer.peerId === peer || session.peer.name === peer),
    )
  }

  /** A session begins. */
  began(session: Session, isOurs: boolean): void {
    const { onEvent, helpers } = this.#setup
    const { direct, known } = helpers()
    const peer = namesOf(session)
    onEvent({ kind: 'session', peer, isOurs })
    if (isOurs) direct?.began(session)
    if (peer.name !== undefined) void known?.met(peer.name, peer.peerId)
    void this.#tellPaths(session, peer)
    void session.closed.then((error) => onEvent({ kind: 'session-ended', peer, error }))
  }

  /** A session of ours has no path. */
  pathNeeded(session: Session, untilMs: number): void {
    const { mender, network } = this.#setup.helpers()
    this.#setup.onEvent({ kind: 'path-lost', peer: namesOf(session) })
    network.check()
    void mender.mend(session, untilMs)
  }

  /** A session of ours has lost one of its paths. */
  pathLost(session: Session, path: PathAbout): void {
    const { mender, direct } = this.#setup.helpers()
    direct?.pathLost(session, path)
    void mender.keepStandby(session)
  }

  #startDial(peer: string): Promise<Session> {
    const dial = this.#dial(peer).finally(() => this.#dials.delete(peer))
    dial.catch(() => undefined) // whoever waits for it hears of it
    this.#dials.set(peer, dial)
    return dial
  }

  async #dial(peer: string): Promise<Session> {
    const session = await this.#setup.helpers().dialer.dial(peer)
    void session.established.then((failure) => {
      if (failure === undefined) this.began(session, true)
    })
    return session
  }

  async #tellPaths(session: Session, peer: PeerNames): Promise<void> {
    for await (const path of session.paths()) this.#setup.onEvent({ kind: 'path', peer, path })
  }
}
