import type { ReachError } from '../base/errors.ts'
import type { AddressFamily, Transport, TransportAddress } from '../base/transport-address.ts'
import type { MappingGrant } from '../protocol/port-mapping/mapping.ts'
import type { MappingProof } from '../protocol/port-mapping/mapping-proof.ts'

/** Which port of this host is to be reached from outside, and how. */
export interface PortRequest {
  readonly transport: Transport
  /** The port that a program of this host listens on. */
  readonly port: number
  /** @default 'ipv4'; 'ipv6' asks for a pinhole in the gateway's firewall */
  readonly family?: AddressFamily
  /** The port wanted outside. Default: any, the same number preferred. */
  readonly externalPort?: number
  /**
   * Whether another port than `externalPort` is good enough. When it is not, what was granted instead is removed again
   * and the request fails with ERR_REACH_MAPPING_REFUSED.
   * @default true
   */
  readonly acceptsOtherPort?: boolean
  /** Seconds. @default 7200, as RFC 6886 §3.3 recommends */
  readonly lifetimeS?: number
}

/** What a prover can do besides looking at the grant. */
export interface ProveContext {
  /** Makes a second mapping at the same gateway over the same protocol, for a minute; whoever made it removes it. */
  readonly mapSecond: (internal: TransportAddress, signal?: AbortSignal) => Promise<SecondGrant>
}

/** A short-lived mapping beside the one that is to be proven. */
export interface SecondGrant extends MappingGrant {
  remove(): Promise<void>
}

/** Finds out whether a grant can be reached from outside. `unproven` means that nobody could tell. */
export type Prove = (grant: MappingGrant, context: ProveContext, signal: AbortSignal) => Promise<MappingProof>

/** Why a mapping is being made anew. */
export type RestoreReason =
  'gateway-reset' | 'network-change' | 'renewal-failed' | 'other-port' | 'proof-failed' | 'lost'

/** What a lease is at the moment. Only an `active` one with a proof of `proven` may be told to others. */
export type LeaseState =
  | {
      readonly kind: 'active'
      readonly grant: MappingGrant
      /** Undefined when nobody was asked for a proof. */
      readonly proof: MappingProof | undefined
      /** Where others reach the port: as proven; without a proof as the gateway says, undefined when it does not say. */
      readonly external: TransportAddress | undefined
    }
  /** The mapping is gone or in doubt, and is being made anew. */
  | { readonly kind: 'restoring'; readonly reason: RestoreReason }
  /** It could not be made anew; tried again after a pause, and whenever the network changes. */
  | { readonly kind: 'lost'; readonly error: ReachError }
  | { readonly kind: 'closed' }
