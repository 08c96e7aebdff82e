import { liveness } from './path-liveness.ts'
import type { LivenessOptions } from './path-liveness.ts'
import type { LinkRole } from './handshake-record.ts'
import { MAX_CAPACITY } from './replay-capacity.ts'
import type { ReplayBudget } from './replay-budget.ts'

/** What may be tuned of a link. */
export interface LinkOptions {
  /** For how long a session without a path is kept, in ms; the shorter of both sides' counts. */
  readonly resumeTimeMs: number
  /** How long a dialled path may take until the peer has answered ATTACH, in ms. */
  readonly attachTimeoutMs: number
  /** What is held for replay at most, in bytes. */
  readonly maxCapacity: number
  readonly liveness: LivenessOptions
}

/** Defaults of {@link LinkOptions}. */
export const linkDefaults: LinkOptions = Object.freeze({
  // Design §5: long enough for a relay's restart or another Wi-Fi.
  resumeTimeMs: 60_000,
  // Ours: one round trip on a path that TLS has just used; ten seconds are for a peer under load.
  attachTimeoutMs: 10_000,
  maxCapacity: MAX_CAPACITY,
  liveness,
})

/** What a link is made of. */
export interface LinkSetup {
  readonly role: LinkRole
  /** 16 bytes: random ones that nobody can guess at the initiator, those of ATTACH at the responder. */
  readonly sessionId: Uint8Array
  /** The peer's public key as authenticated by the path that the session begins with; all others must bring the same. */
  readonly peerKey: Uint8Array
  readonly budget: ReplayBudget
  readonly options?: Partial<LinkOptions>
}

/** Ours: more paths than relays and direct ways that make sense at once; caps what one peer can make us hold. */
export const MAX_PATHS = 8
