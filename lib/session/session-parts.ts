import type { Clock } from '../base/runtime.ts'
import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { LinkEffect } from '../protocol/link/link-effect.ts'
import type { Link } from '../protocol/link/link.ts'
import type { MuxEvent } from '../protocol/mux/mux-event.ts'
import type { MuxOptions } from '../protocol/mux/mux-options.ts'
import { MuxSession } from '../protocol/mux/mux-session.ts'
import { ActivePathFeed } from './active-path-feed.ts'
import { Loans } from './loans.ts'
import type { DecideOpen } from './open-decision.ts'
import { PathJoining } from './path-joining.ts'
import { SendMemory } from './send-memory.ts'
import { SessionCarriers } from './session-carriers.ts'
import { SessionEnding } from './session-ending.ts'
import type { EndingParts } from './session-ending.ts'
import { SessionLife } from './session-life.ts'
import { SessionPaths } from './session-paths.ts'
import { SessionPump } from './session-pump.ts'
import { SessionStreams } from './session-streams.ts'
import { StreamOpening } from './stream-opening.ts'

/** What the parts of a session are made of. */
export interface PartsSetup {
  readonly clock: Clock
  readonly link: Link
  /** As proven on the first path. */
  readonly peer: PeerIdentity
  readonly decide: DecideOpen
  readonly mux?: Partial<MuxOptions>
}

/** What the parts tell the session. */
export interface PartsEvents {
  onLink(effect: LinkEffect, nowMs: number): void
  onMux(event: MuxEvent): void
  onDatagram(bytes: Uint8Array): void
}

/** What a session consists of; each part says what it is for. */
export interface SessionParts extends EndingParts {
  readonly joining: PathJoining
  readonly ending: SessionEnding
}

/** Makes the parts of a session, and joins them. */
export function assembleSession(setup: PartsSetup, events: PartsEvents): SessionParts {
  const { clock, link, peer, decide } = setup
  const mux = muxOf(setup)
  const memory = new SendMemory()
  const loans = new Loans()
  const life = new SessionLife(clock)
  const carriers = new SessionCarriers(clock)
  const feed = new ActivePathFeed()
  const paths: SessionPaths = new SessionPaths({
    clock,
    link,
    carriers,
    loans,
    pump: (nowMs) => pump.now(nowMs),
  })
  const streams = new SessionStreams({
    ...{ clock, memory, loans },
    nowMs: () => pump.nowMs,
    touched: () => pump.soon(),
  })
  const opening = new StreamOpening({
    ...{ clock, peer, decide, life, mux, streams, carriers },
    activePath: () => link.activePath,
    opened: () => pump.soon(),
    onDatagram: (bytes) => events.onDatagram(bytes),
  })
  const pump: SessionPump = new SessionPump({
    ...{ clock, link, mux, paths, memory, loans },
    onLink: (effect, nowMs) => events.onLink(effect, nowMs),
    onMux: (event) => events.onMux(event),
    onStill: () => streams.settleLingering(),
  })
  const ending = new SessionEnding({ life, link, mux, paths, carriers, streams, opening, feed, pump })
  const joining = new PathJoining({
    ...{ clock, link, paths, pump: () => pump.now() },
    onRefused: (error) => ending.destroy(error),
  })
  return { life, link, mux, paths, carriers, streams, opening, feed, pump, ending, joining }
}

function muxOf({ clock, link, mux = {} }: PartsSetup): MuxSession {
  // The link finds dead paths and outlives them: the mux must not give up while there is none. It pings to measure.
  const keepalive = { intervalMs: Infinity, timeoutMs: Infinity }
  const setup = { role: link.role, hasOpenHeaders: true, options: { keepalive, ...mux } }
  return new MuxSession(setup, clock.nowMs())
}
