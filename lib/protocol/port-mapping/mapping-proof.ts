import type { TransportAddress } from '../../base/transport-address.ts'
import type { ProbeOutcome } from '../relay/probe-outcome.ts'

/**
 * How sure a proof is.
 * - `received`: a relay's random bytes came in through the mapping, at a socket of ours
 * - `accepted`: another program has the port; a relay's TCP connection was taken there, and was not before the mapping
 * - `inferred`: another program has the port; a second mapping at the same gateway, made for the proof and removed
 *   again, was proven by `received`
 */
export type ProofKind = 'received' | 'accepted' | 'inferred'

/**
 * Why nothing is known about a mapping.
 * - `no-relay`: none is connected over this address family, or there is no network
 * - `relay-too-old`: it does not know how to prove
 * - `relay-inside`: it stands on our side of the gateway
 * - `rate-limited`, `relay-failed`: it did not try
 * - `port-in-use`: another program has the port, and no second mapping could be made in its stead
 */
export type UnprovenReason =
  'no-relay' | 'relay-too-old' | 'relay-inside' | 'rate-limited' | 'relay-failed' | 'port-in-use'

/** What was seen while a proof failed. */
export interface ProofFacts {
  /** What became of the relay's last attempt. */
  readonly relayHeard: ProbeOutcome
  /** The gateway's outer address, as the gateway says; undefined when it does not say. */
  readonly externalIp: string | undefined
  /** Our address as the relay sees it. */
  readonly seenAs: string
}

/**
 * The likely reason why nothing comes in through a mapping that the gateway has granted.
 * - `carrier-nat`: the gateway's outer address is of 100.64.0.0/10 (RFC 6598)
 * - `second-nat`: it is private, or the gateway has none: it stands behind another NAT
 * - `other-address`: it is public, but not the one that our packets come from: a NAT further out, or another uplink
 * - `refused`: somebody answers that nobody listens: a firewall of this host, or the gateway itself
 * - `other-host`: somebody else takes the connection
 * - `silence`: nothing came, nobody complained: the gateway forwards nothing, or a firewall drops it
 */
export type FailureCause =
  'carrier-nat' | 'second-nat' | 'other-address' | 'refused' | 'other-host' | 'silence'

/** What is known about whether a mapping can be reached from outside. Only a proven one may be told to others. */
export type MappingProof =
  | {
      readonly proof: 'proven'
      readonly kind: ProofKind
      /** Where others reach the port: the address that the relay sent to, whatever the gateway says. */
      readonly external: TransportAddress
      /** The relay that tried, as HOST:PORT. */
      readonly relay: string
    }
  | { readonly proof: 'unproven'; readonly why: UnprovenReason }
  | {
      readonly proof: 'failed'
      readonly cause: FailureCause
      readonly facts: ProofFacts
      readonly relay: string
    }
