import type { ReachError } from '../base/errors.ts'

/** A local port or socket that leads to a service of a peer. Closing it cuts what is open. */
export interface Forwarding extends AsyncDisposable {
  /** Where it listens: with the port that the system picked. */
  readonly local: string
  close(): Promise<void>
}

/** What happens to a forwarding. */
export type ForwardEvent =
  /** A connection was carried to its end, or broke. */
  | { readonly kind: 'closed'; readonly bytesIn: number; readonly bytesOut: number; readonly reset: boolean }
  /** A flow of datagrams is over. */
  | ({ readonly kind: 'flow-closed' } & FlowCounts)
  /** A connection or flow could not be made, or nothing answers behind it; the one who wanted a connection was reset. */
  | { readonly kind: 'failed'; readonly error: ReachError }

/** What became of the datagrams of a flow. */
export interface FlowCounts {
  /** From the peer. */
  readonly datagramsIn: number
  /** To the peer. */
  readonly datagramsOut: number
  /** Dropped on this computer: too many, or too old. */
  readonly dropped: number
  /** Answered by the target's computer with "port unreachable". */
  readonly refused: number
}
