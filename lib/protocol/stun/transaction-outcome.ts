import type { TransportAddress } from '../../base/transport-address.ts'
import type { LongTermChallenge } from './credentials.ts'
import type { DecodedStunMessage } from './message.ts'

/** How a StunTransaction ended. */
export type StunOutcome =
  | {
      readonly kind: 'success'
      readonly message: DecodedStunMessage
      /** Undefined after a retransmission: it can't be told which request was answered (Karn; RFC 8489 §6.2.1). */
      readonly rttMs: number | undefined
      /** What the next transaction with this server can start from. */
      readonly challenge: LongTermChallenge | undefined
    }
  /** The server refused: ERROR-CODE's number and phrase. 401 here means that the credentials are wrong or missing. */
  | {
      readonly kind: 'error'
      readonly code: number
      readonly reason: string
      readonly message: DecodedStunMessage
      readonly rttMs: number | undefined
    }
  /** The server names another one (RFC 8489 §10). Whoever follows must not follow in circles. */
  | { readonly kind: 'alternate'; readonly server: TransportAddress; readonly domain: string | undefined }
  /** A response that the RFC says to treat as failure. */
  | {
      readonly kind: 'unusable'
      readonly why: 'unknown-attributes' | 'no-error-code' | 'no-mapped-address'
      readonly message: DecodedStunMessage
    }
  /** Responses came, none with the right MESSAGE-INTEGRITY (RFC 8489 §9.1.4, §9.2.5). */
  | { readonly kind: 'integrity-violated'; readonly message: DecodedStunMessage }
  | { readonly kind: 'network-error'; readonly code: string }
  | { readonly kind: 'timeout'; readonly requestsSent: number }
