import type { Duplex } from 'node:stream'
import type { PathAbout } from '../../session/path-pipe.ts'
import type { DirectMessage, TriedSummary } from '../../protocol/signaling/direct-message.ts'
import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'

/** A connection to the peer that an attempt has found: TLS and the link come next. */
export interface FoundTransport {
  /** Is the receiver's from now on. */
  readonly stream: Duplex
  readonly about: PathAbout
}

/** What an attempt is told at its start. */
export interface AttemptContext {
  readonly attempt: number
  /** We began the session: our side decides which of several connections is used. */
  readonly isControlling: boolean
  /** The peer's offer, where the peer began. */
  readonly offer: Extract<DirectMessage, { kind: 'offer' }> | undefined
  readonly send: (message: DirectMessage) => void
  readonly onFound: (found: FoundTransport) => void
  /** What we found out about our own network. */
  readonly onOwnNat: (nat: NatSummary) => void
  /** Round trip of what we send to the peer now, in ms. */
  readonly signallingRttMs: () => number
}

/** One search for direct paths, on one side of it. */
export interface RunningAttempt {
  /** A message of the peer that belongs to this attempt. */
  receive(message: DirectMessage): void
  /** Resolves when nothing more is tried. Never rejects. */
  readonly result: Promise<TriedSummary>
  /** Ends it; connections that were found stay. */
  stop(): void
}

/** Makes attempts. */
export type StartAttempt = (context: AttemptContext) => RunningAttempt
