import { deadlineSignal, delay } from '../base/deadline.ts'
import { fractionOf } from '../base/fraction.ts'
import { isDirect } from '../session/path-pipe.ts'
import type { PathAbout, PathFacts } from '../session/path-pipe.ts'
import type { Session } from '../session/session.ts'
import { aboutRelay } from './about-relay.ts'
import type { RelayLink } from './relay-link.ts'
import { DIAL_TIMEOUT_MS } from './session-dialer.ts'
import type { SessionDialerSetup } from './session-dialer.ts'

/** Ours: for a session that waits for a path, one attempt; and the pause between two. */
const MEND_TIMEOUT_MS = 4000
const MEND_PAUSE_MS = 250
/** Ours: a login takes longer than a knock at a relay, and sshd as a whole may be away for some seconds. */
const SSH_MEND_TIMEOUT_MS = 8000
/** Ours: pauses between attempts to get a session on a direct path its relay back: nobody waits for that. */
const STANDBY_PAUSES_MS = [500, 2000, 5000, 15_000, 30_000] as const

/** Ours: a relay that ends lets paths go on for some seconds (relay up --drain); a thousand dials in that time are no storm. */
const LEAVE_WITHIN_MS = 2000

/**
 * Brings sessions that we began another path, when they have none, could have a better one, are about to lose theirs, or have
 * none to fall back on.
 */
export class PathMender {
  readonly #setup: SessionDialerSetup
  /** Those that are being given a relay to fall back on. */
  readonly #standby = new Set<Session>()
  /** Those that are being looked for on the LAN. */
  readonly #onLan = new Set<Session>()

  constructor(setup: SessionDialerSetup) {
    this.#setup = setup
  }

  /** Brings a session that has no path another one, over whichever relay is the first to help. */
  async mend(session: Session, untilMs: number): Promise<void> {
    const { links, ssh, signal } = this.#setup
    const { clock } = this.#setup.runtime
    links.probe()
    ssh?.probe()
    while (session.isOpen && session.currentPaths.length === 0 && clock.nowMs() < untilMs) {
      if (signal.aborted) return
      links.hurry()
      if (!(await this.#addAnyPath(session))) {
        await delay(clock, MEND_PAUSE_MS, signal).catch(() => undefined)
      }
    }
  }

  /** A relay is reached in a better way by now: sessions that we began over it move there, and lose nothing. */
  async improve(link: RelayLink): Promise<void> {
    const sessions = this.#begunOver(link)
    await Promise.all(sessions.map((session) => this.#move(session, link).catch(() => undefined))) // it stays where it is
  }

  /**
   * A relay is about to end: sessions that we began over it move to whatever else leads to the peer before they are cut. Not
   * all at once: each member of the network hears of it in the same moment.
   */
  async leave(link: RelayLink): Promise<void> {
    const { runtime, signal } = this.#setup
    const leaveOne = async (session: Session) => {
      await delay(runtime.clock, LEAVE_WITHIN_MS * fractionOf(runtime.random.bytes(2)), signal)
      await this.#leave(session, link)
    }
    await Promise.all(this.#begunOver(link).map((session) => leaveOne(session).catch(() => undefined))) // mended when it is cut
  }

  /** Sees to it that a session on a direct path has a relay to fall back on. */
  async keepStandby(session: Session): Promise<void> {
    if (this.#standby.has(session)) return
    this.#standby.add(session)
    const { runtime, signal } = this.#setup
    try {
      for (let tries = 0; this.#lacksRelay(session); tries++) {
        const pauseMs = STANDBY_PAUSES_MS[Math.min(tries, STANDBY_PAUSES_MS.length - 1)] ?? 0
        await delay(runtime.clock, pauseMs, signal)
        if (this.#lacksRelay(session)) await this.#addOnePath(session)
      }
    } catch {
      return // this peer is closed
    } finally {
      this.#standby.delete(session)
    }
  }

  /** Has a path, and none of them leads over a relay. One without any path is mended instead. */
  #lacksRelay({ isOpen, takesStreams, currentPaths }: Session): boolean {
    const isDirectOnly = currentPaths.length > 0 && currentPaths.every(isDirect)
    return isOpen && takesStreams && isDirectOnly
  }

  #begunOver(link: RelayLink): readonly Session[] {
    return this.#setup.host.sessions.filter(
      ({ isInitiator, isOpen, currentPaths }) => isInitiator && isOpen && currentPaths.some(isOver(link)),
    )
  }

  async #leave(session: Session, link: RelayLink): Promise<void> {
    const isOverIt = isOver(link)
    if (!session.isOpen || !session.currentPaths.some(isOverIt)) return
    const isElsewhere = (path: PathFacts) => path.kind === 'relay' && !isOverIt(path)
    if (session.currentPaths.some(isElsewhere) || (await this.#addOnePath(session)))
      session.retirePaths(isOverIt)
  }

  async #addAnyPath(session: Session): Promise<boolean> {
    const attempts = this.#setup.links.up.map((link) => this.#addPath(session, link))
    void this.#addLanPath(session) // it takes a second to know that nobody is there
    return (await Promise.all([...attempts, this.#addSshPath(session)])).some(Boolean)
  }

  /** Over the first relay that helps, but for those that are about to end, or an SSH server. */
  async #addOnePath(session: Session): Promise<boolean> {
    for (const link of this.#setup.links.up) {
      if (!link.isRestarting && (await this.#addPath(session, link))) return true
    }
    return await this.#addSshPath(session)
  }

  async #addSshPath(session: Session): Promise<boolean> {
    const { runtime, ssh, signal } = this.#setup
    using deadline = deadlineSignal(runtime.clock, SSH_MEND_TIMEOUT_MS, signal)
    return (
      (await ssh?.addPath(session, deadline.signal).then(
        () => true,
        () => false, // as for relays
      )) ?? false
    )
  }

  async #addLanPath(session: Session): Promise<void> {
    const { runtime, lan, signal } = this.#setup
    if (lan === undefined || this.#onLan.has(session)) return
    this.#onLan.add(session)
    using deadline = deadlineSignal(runtime.clock, MEND_TIMEOUT_MS, signal)
    await lan.addPath(session, deadline.signal).catch(() => undefined) // as for relays
    this.#onLan.delete(session)
  }

  /** Over a relay whose way is better by now, in the place of those over the former one. */
  async #move(session: Session, link: RelayLink): Promise<void> {
    const isPoorerThan = (about: PathAbout) => (path: PathFacts) =>
      isOver(link)(path) && path.way !== about.way
    const about = await this.#addOver(link, session, DIAL_TIMEOUT_MS, (better) =>
      session.currentPaths.some(isPoorerThan(better)),
    )
    if (about !== undefined) session.retirePaths(isPoorerThan(about))
  }

  async #addPath(session: Session, link: RelayLink): Promise<boolean> {
    try {
      return (await this.#addOver(link, session, MEND_TIMEOUT_MS, () => true)) !== undefined
    } catch {
      return false // tried again until the session's resume time is over, which says why
    }
  }

  /** Brings a session a path over a relay, if that is still wanted when it is there. @throws {ReachError} */
  async #addOver(
    link: RelayLink,
    session: Session,
    timeoutMs: number,
    isWanted: (about: PathAbout) => boolean,
  ): Promise<PathAbout | undefined> {
    const { runtime, host, signal } = this.#setup
    using deadline = deadlineSignal(runtime.clock, timeoutMs, signal)
    const dialled = await link.client?.dial(session.peer.peerId, deadline.signal)
    if (dialled === undefined) return undefined
    const { leg } = dialled
    const about = aboutRelay(link.relay, leg)
    if (!session.isOpen || !isWanted(about)) {
      leg.stream.destroy()
      return undefined
    }
    await host.addPath(session, leg.stream, about, deadline.signal)
    return about
  }
}

/** Tells the paths over a relay. */
function isOver(link: RelayLink): (path: PathFacts) => boolean {
  return ({ kind, via }) => kind === 'relay' && via === link.relay
}
