import type { TransportAddress } from '../../base/transport-address.ts'

/** The three protocols that ask a gateway for a port: RFC 6887, RFC 6886, UPnP IGD. Best first. */
export const MAPPING_PROTOCOLS = ['pcp', 'nat-pmp', 'upnp'] as const

/** One of {@link MAPPING_PROTOCOLS}. */
export type MappingProtocol = (typeof MAPPING_PROTOCOLS)[number]

/** What is asked of a gateway, in no protocol's words. */
export interface MappingRequest {
  /** Where the gateway shall send what comes: an address of this host, never an unspecified one; UDP or TCP. */
  readonly internal: TransportAddress
  /** The port wanted outside; undefined: any. A gateway may grant another one. */
  readonly externalPort: number | undefined
  /** Whether a gateway that can't give `externalPort` may give another; where it can't be told so, it gives one anyway. */
  readonly acceptsOtherPort: boolean
  /** Seconds asked for; the gateway may grant less, or for ever. */
  readonly lifetimeS: number
  /**
   * 24 hex digits that prove to PCP servers whose the mapping is (RFC 6887 §11.2): the same for a mapping that is made
   * anew, and known before it is asked for, so that whoever crashes in between can be cleaned up after.
   */
  readonly nonce: string
}

/** What a gateway granted. Plain data, so that it can be kept in a file and removed after a crash. */
export interface MappingGrant {
  readonly protocol: MappingProtocol
  /** The gateway's address on our side; with its zone when it is link-local. */
  readonly gatewayIp: string
  readonly internal: TransportAddress
  /** As the gateway says; undefined when it does not say. Not to be believed before it is proven. */
  readonly externalIp: string | undefined
  readonly externalPort: number
  /** Seconds from now; 0: until it is removed (UPnP's permanent lease). */
  readonly lifetimeS: number
  /** What the protocol needs to renew or remove it: PCP's nonce, UPnP's control URL and service type, … */
  readonly keep: Readonly<Record<string, string>>
}
