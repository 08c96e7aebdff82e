import type { Duplex } from 'node:stream'
import type { Runtime } from '../../base/runtime.ts'
import type { PeerIdentity } from '../../identity/trust/trust-policy.ts'
import { isDirect } from '../../session/path-pipe.ts'
import type { PathAbout } from '../../session/path-pipe.ts'
import type { SessionHost } from '../../session/session-host.ts'
import type { Session } from '../../session/session.ts'
import type { FoundTransport, StartAttempt } from './direct-attempt.ts'
import { DirectCallee } from './direct-callee.ts'
import { DirectCaller } from './direct-caller.ts'
import type { DirectReport } from './direct-report.ts'

/** What the direct paths of a peer are made of. */
export interface DirectPathsSetup {
  readonly runtime: Runtime
  readonly host: SessionHost
  readonly startAttempt: StartAttempt
  readonly onReport: (peer: PeerIdentity, report: DirectReport) => void
  /** The network of this host has changed; before attempts begin anew. */
  readonly onNetworkChange: () => void
  /** Ends handshakes that are under way. */
  readonly signal: AbortSignal
}

/** Ours: peers that look for direct paths at once; beyond that they stay relayed. */
const MAX_CALLEES = 256

/** Looks for direct paths of all sessions of a peer, those that others began included. */
export class DirectPaths {
  readonly #setup: DirectPathsSetup
  readonly #callers = new Map<Session, DirectCaller>()
  readonly #callees = new Map<DirectCallee, PeerIdentity>()

  constructor(setup: DirectPathsSetup) {
    this.#setup = setup
  }

  /** How it stands with direct paths to a peer; the session that we began says more. */
  report(peer: string): DirectReport | undefined {
    const isPeer = ({ peerId, name }: PeerIdentity) => peerId === peer || name === peer
    for (const [session, caller] of this.#callers) if (isPeer(session.peer)) return caller.report
    for (const [callee, identity] of this.#callees) if (isPeer(identity)) return callee.report
    return undefined
  }

  /** A session that we began is up. */
  began(session: Session): void {
    if (this.#callers.has(session)) return
    const { runtime, host, startAttempt, onReport, signal } = this.#setup
    const caller = new DirectCaller({
      ...{ session, startAttempt, clock: runtime.clock },
      addPath: ({ stream, about }) => host.addPath(session, stream, about, signal),
      onReport: (report) => onReport(session.peer, report),
    })
    this.#callers.set(session, caller)
    void session.closed.then(() => this.#callers.delete(session))
  }

  /** A peer looks for direct paths of a session that it began. */
  serve(stream: Duplex, peer: PeerIdentity): void {
    for (const callee of this.#callees.keys()) if (!callee.isOpen) this.#callees.delete(callee)
    if (this.#callees.size >= MAX_CALLEES) {
      stream.destroy()
      return
    }
    const { runtime, startAttempt, onReport } = this.#setup
    const paths = () => this.#sessionsOf(peer).flatMap(({ currentPaths }) => currentPaths)
    const callee = new DirectCallee(stream, {
      ...{ startAttempt, clock: runtime.clock },
      takePath: (found) => this.#takePath(found, peer),
      hasDirectPath: () => paths().some(isDirect),
      signallingRttMs: () => paths().find(({ isActive }) => isActive)?.rttMs ?? 0,
      onReport: (report) => onReport(peer, report),
    })
    this.#callees.set(callee, peer)
    stream.once('close', () => this.#callees.delete(callee))
  }

  /** A path of a session that we began died. */
  pathLost(session: Session, path: PathAbout): void {
    if (isDirect(path)) this.#callers.get(session)?.pathLost()
  }

  /** A relay is connected. */
  relayUp(): void {
    for (const caller of this.#callers.values()) caller.relayUp()
  }

  /** The network of this host has changed: attempts begin anew. */
  networkChanged(): void {
    this.#setup.onNetworkChange()
    for (const caller of this.#callers.values()) caller.networkChanged()
    for (const callee of this.#callees.keys()) callee.networkChanged()
  }

  close(): void {
    for (const caller of this.#callers.values()) caller.stop()
    for (const callee of this.#callees.keys()) callee.stop()
  }

  async #takePath({ stream, about }: FoundTransport, { peerId }: PeerIdentity): Promise<void> {
    await this.#setup.host.accept(stream, about, { peerId }, this.#setup.signal)
  }

  #sessionsOf({ peerId }: PeerIdentity): readonly Session[] {
    return this.#setup.host.sessions.filter(
      (session) => !session.isInitiator && session.peer.peerId === peerId,
    )
  }
}
