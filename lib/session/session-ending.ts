import { ReachError } from '../base/errors.ts'
import type { LinkEnd } from '../protocol/link/link-effect.ts'
import type { Link } from '../protocol/link/link.ts'
import type { MuxEnd } from '../protocol/mux/mux-event.ts'
import type { MuxSession } from '../protocol/mux/mux-session.ts'
import type { ActivePathFeed } from './active-path-feed.ts'
import type { SessionCarriers } from './session-carriers.ts'
import { CLOSE_TIMEOUT_MS, sessionOver } from './session-life.ts'
import type { SessionLife } from './session-life.ts'
import type { SessionPaths } from './session-paths.ts'
import type { SessionPump } from './session-pump.ts'
import type { SessionStreams } from './session-streams.ts'
import type { StreamOpening } from './stream-opening.ts'

/** Close codes of this layer (docs/wire.md). */
const CLOSE_ABORTED = 16
const CLOSE_VIOLATION = 17

/** All of a session that has to end with it. */
export interface EndingParts {
  readonly life: SessionLife
  readonly link: Link
  readonly mux: MuxSession
  readonly paths: SessionPaths
  readonly carriers: SessionCarriers
  readonly streams: SessionStreams
  readonly opening: StreamOpening
  readonly feed: ActivePathFeed
  readonly pump: SessionPump
}

/** How a session ends: at our word, at the peer's, or because there is no way on. First the mux, then the link, then all. */
export class SessionEnding {
  readonly #parts: EndingParts

  constructor(parts: EndingParts) {
    this.#parts = parts
  }

  /** No new streams; ends when those that are open have. */
  drain(): void {
    this.#parts.mux.drain()
    this.#parts.pump.now()
  }

  /** Takes leave, for at most so long. */
  close(timeoutMs = CLOSE_TIMEOUT_MS): void {
    const { life, paths, opening } = this.#parts
    const giveUp = () => this.destroy(new ReachError('ERR_REACH_ABORTED', 'the session was closed'))
    if (!life.isOver && paths.isEmpty) giveUp()
    else if (!life.isOver) life.leaveWithin(timeoutMs, giveUp)
    opening.datagrams.end()
    this.drain()
  }

  /** Ends it at once. */
  destroy(error = new ReachError('ERR_REACH_ABORTED', 'the session was ended')): void {
    const { life, mux, link, pump } = this.#parts
    if (life.isOver) return
    life.giveUp(error)
    mux.close()
    link.close({ code: CLOSE_ABORTED, reason: error.code })
    pump.now()
  }

  /** The streams are over: the link follows once its last bytes are acknowledged. */
  muxEnded(end: MuxEnd): void {
    const { life, link, streams } = this.#parts
    if (end.kind === 'failed') life.blame(end.error)
    if (link.end === undefined) this.#endLink(end)
    streams.end(life.why ?? (end.kind === 'failed' ? end.error : sessionOver()))
  }

  /** The link is over: so is everything else. */
  linkEnded(end: LinkEnd): void {
    const { life, mux, carriers, streams, feed, pump } = this.#parts
    if (life.isOver) return
    life.end(end)
    pump.stop()
    carriers.close()
    mux.transportClosed()
    pump.drainMux()
    streams.end(life.why ?? sessionOver())
    life.settle()
    feed.end()
  }

  #endLink(end: MuxEnd): void {
    const { life, link } = this.#parts
    if (end.kind === 'failed') {
      link.close({ code: CLOSE_VIOLATION, reason: end.error.code })
      return
    }
    if (end.kind === 'closed' && end.by === 'peer') {
      life.blame(new ReachError('ERR_REACH_SESSION_LOST', 'the peer ended the session'))
    }
    life.leaveInTime(() => this.destroy())
  }
}
