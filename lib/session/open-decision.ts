import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { StreamContent } from '../protocol/mux/open-header.ts'
import type { ResetReason } from '../protocol/mux/reset-reason.ts'
import type { DatagramFlow } from './datagram-flow.ts'
import type { SessionStream } from './session-stream.ts'

/** Somebody opens a stream: all that the answer may depend on. */
export interface OpenRequest {
  /** Who it is, as proven on the path that the session began with. */
  readonly peer: PeerIdentity
  /** What is to be reached. */
  readonly service: string
  /** Bytes, or the datagrams of a flow. */
  readonly carries: StreamContent
}

/** The answer to an {@link OpenRequest}. One that is not for what the stream carries refuses it with `wrong-transport`. */
export type OpenDecision =
  /** `serve` gets the stream before it is accepted: it calls `accept`, or refuses with `reset`. */
  | { readonly kind: 'allowed'; readonly serve: (stream: SessionStream, peer: PeerIdentity) => void }
  /** The same for a flow. */
  | { readonly kind: 'allowed-flow'; readonly serve: (flow: DatagramFlow, peer: PeerIdentity) => void }
  | { readonly kind: 'refused'; readonly reason: ResetReason }

/** Decides about each stream that a peer opens. What it throws refuses the stream with `internal`. */
export type DecideOpen = (request: OpenRequest) => OpenDecision
