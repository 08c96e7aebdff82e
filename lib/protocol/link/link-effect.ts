import type { ReachError } from '../../base/errors.ts'
import type { Close } from './session-record.ts'
import type { Refusal } from './refusal.ts'

/** Why a path does not belong to the link any more. */
export type PathEnd =
  /** The caller said that it is closed or broken. */
  | { readonly kind: 'lost' }
  /** The caller gave it up. */
  | { readonly kind: 'detached' }
  /** A ping was not answered in time. */
  | { readonly kind: 'silent' }
  /** The peer did not answer our ATTACH in time. */
  | { readonly kind: 'attach-timeout' }
  /** The peer refused our ATTACH; isFinal says whether to try again. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The peer said that it is of no use. */
  | { readonly kind: 'gone' }
  /** What came in before the path was attached made no sense. */
  | { readonly kind: 'violation'; readonly error: ReachError }
  /** The link ended. */
  | { readonly kind: 'ended' }

/** How a link ended. */
export type LinkEnd =
  /** Both directions ended and were acknowledged: nothing is missing on either side. */
  | { readonly kind: 'finished' }
  /** One side closed it; bytes under way are lost. */
  | { readonly kind: 'closed'; readonly by: 'us' | 'peer'; readonly close: Close }
  /** ERR_REACH_SESSION_LOST, ERR_REACH_SESSION_REFUSED or ERR_REACH_PROTOCOL. */
  | { readonly kind: 'failed'; readonly error: ReachError }

/** What a {@link Link} wants done, or tells. */
export type LinkEffect =
  /** Bytes of the stream, in order, each once: a view into a chunk that `receive` was given. */
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  /** The peer's direction ended; all of it was given. */
  | { readonly kind: 'end' }
  /** After a `write` that answered false: it takes more now. */
  | { readonly kind: 'writable' }
  /** Both sides agree that the path belongs to the link. */
  | { readonly kind: 'attached'; readonly path: number }
  /** What we send goes over this path from now on. */
  | { readonly kind: 'active'; readonly path: number }
  /** What the peer sends comes over this path from now on; perhaps ours should go there, too. */
  | { readonly kind: 'peer-active'; readonly path: number }
  /** Write these last bytes, if it still takes any, and close the path. */
  | {
      readonly kind: 'close-path'
      readonly path: number
      readonly why: PathEnd
      readonly lastBytes: Uint8Array
    }
  /** No path is attached: dial or await one before that time, or the link ends. */
  | { readonly kind: 'path-needed'; readonly untilMs: number }
  /** The last effect. */
  | { readonly kind: 'ended'; readonly end: LinkEnd }
