import type { TransportAddress } from '../../base/transport-address.ts'
import type { Candidate, LocalCandidate } from './candidate.ts'
import type { CandidatePair, IceRole } from './candidate-pair.ts'
import type { IceCredentials } from './connectivity-check.ts'

/** What an {@link IceAgent} is told at birth. */
export interface IceAgentOptions {
  readonly role: IceRole
  readonly credentials: IceCredentials
  /** Random bytes that nobody can guess: transaction ids, the tie-breaker, jitter. */
  readonly randomBytes: (length: number) => Uint8Array
  /**
   * Whether a check may go to this address: false for private addresses of networks that we are not in. Peers name
   * addresses as they like, and checks into strangers' networks bring complaints. It is asked for peer-reflexive
   * addresses too.
   */
  readonly maySendTo: (address: TransportAddress) => boolean
  /** Between two new checks (RFC 8445 §14.2). @default 50 */
  readonly paceMs?: number
  /** @default 100 (RFC 8445 §6.1.2.5) */
  readonly maxPairs?: number
  /** Remote candidates, those found by checks included. @default 32 */
  readonly maxRemoteCandidates?: number
  /** New checks in all until a restart; repetitions, consent and nomination are not counted. @default 400 */
  readonly maxChecks?: number
}

/** Defaults of {@link IceAgentOptions}. */
export const iceAgentDefaults = Object.freeze({
  paceMs: 50,
  maxPairs: 100,
  // Ours: two families on four interfaces, each with a reflexive one, and as many found on the way.
  maxRemoteCandidates: 32,
  // Ours: all pairs four times over, as triggered checks repeat them.
  maxChecks: 400,
})

/** What an {@link IceAgent} is told. */
export type IceInput =
  | { readonly kind: 'local-candidate'; readonly candidate: LocalCandidate }
  /** No more local candidates will come; for the peer to know, it is signalled apart (RFC 8838 §13). */
  | { readonly kind: 'local-end' }
  | { readonly kind: 'remote-credentials'; readonly credentials: IceCredentials }
  | { readonly kind: 'remote-candidate'; readonly candidate: Candidate }
  /** The peer has no more candidates (RFC 8838 §14). */
  | { readonly kind: 'remote-end' }
  /** A packet that looks like STUN came in; others belong to somebody else (RFC 7983). */
  | {
      readonly kind: 'received'
      readonly socket: number
      readonly bytes: Uint8Array
      readonly from: TransportAddress
    }
  /** The system refused a packet: its pair will not work. */
  | { readonly kind: 'send-failed'; readonly socket: number; readonly to: TransportAddress }
  /** A socket is closed: its pairs are over. */
  | { readonly kind: 'socket-closed'; readonly socket: number }
  /** Begin again with new credentials (RFC 8445 §9); candidates have to be told again. */
  | { readonly kind: 'restart'; readonly credentials: IceCredentials }

/** What an {@link IceAgent} wants done, or tells. */
export type IceEffect =
  | {
      readonly kind: 'send'
      readonly socket: number
      readonly bytes: Uint8Array
      readonly to: TransportAddress
    }
  /** Checks went through in both directions: a path for data, though perhaps not the one that will be used. */
  | { readonly kind: 'pair-succeeded'; readonly pair: Readonly<CandidatePair> }
  /** The pair to use, agreed with the peer (RFC 8445 §8). A better one may follow. */
  | { readonly kind: 'nominated'; readonly pair: Readonly<CandidatePair> }
  /** The peer has not confirmed for 30 s that it wants our packets: nothing may be sent to it any more (RFC 7675). */
  | { readonly kind: 'consent-lost'; readonly pair: Readonly<CandidatePair> }
  /** Both sides took the same role; ours changed (RFC 8445 §7.3.1.1). */
  | { readonly kind: 'role-changed'; readonly role: IceRole }
  /** All candidates are known and none of the pairs works (RFC 8445 §8.1.2). */
  | { readonly kind: 'failed' }

/** For the sentence that says why a connection is relayed. */
export interface IceCounters {
  pairs: number
  checksSent: number
  checksReceived: number
  /** Packets that claimed to be checks or answers, and were not made by our peer. */
  forgeries: number
  /** Candidates of the peer that we did not use: too many, or at addresses that we don't send to. */
  candidatesRefused: number
}
