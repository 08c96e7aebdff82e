import type { ReachError } from '../../base/errors.ts'
import type { MuxStream } from './mux-stream.ts'

/** How a session ended. */
export type MuxEnd =
  /** We took leave, and all streams are over: nothing is missing. */
  | { readonly kind: 'finished' }
  /** One side ended it at once, with a code of GO_AWAY_CODES. */
  | { readonly kind: 'closed'; readonly by: 'us' | 'peer'; readonly code: number }
  /** ERR_REACH_PROTOCOL: one side broke the protocol; ERR_REACH_SESSION_LOST: the peer is silent, or the transport gone. */
  | { readonly kind: 'failed'; readonly error: ReachError }

/** What a mux session tells. */
export type MuxEvent =
  /** The peer opened a stream; call its `accept`, or `reset` to refuse it. Data may follow at once. */
  | { readonly kind: 'open'; readonly stream: MuxStream }
  /** The peer accepted a stream of ours. */
  | { readonly kind: 'accepted'; readonly stream: MuxStream }
  /**
   * Bytes of a stream, in order, each once: a view of a chunk that `receive` was given. `consume` them some time. Who keeps
   * them until then copies small ones into something larger: a view keeps all of its chunk, and costs some hundred bytes
   * itself, while the windows that bound what the peer can send count only the bytes.
   */
  | { readonly kind: 'data'; readonly stream: MuxStream; readonly bytes: Uint8Array }
  /** The peer's direction ended; all of it was given. */
  | { readonly kind: 'end'; readonly stream: MuxStream }
  /** After a `write` that answered false: it takes more now. */
  | { readonly kind: 'writable'; readonly stream: MuxStream }
  /** Both directions ended, and ours was handed to the link. */
  | { readonly kind: 'closed'; readonly stream: MuxStream }
  /** Torn down by the peer, or by this session itself (only with `too-slow`); `code` as in RESET_REASONS. */
  | {
      readonly kind: 'reset'
      readonly stream: MuxStream
      readonly code: number
      readonly by: 'us' | 'peer'
    }
  /** The peer takes no new streams any more; those that are open go on. */
  | { readonly kind: 'draining' }
  /** The last event. All streams are over; write what `pull` still gives, and close the transport. */
  | { readonly kind: 'ended'; readonly end: MuxEnd }
