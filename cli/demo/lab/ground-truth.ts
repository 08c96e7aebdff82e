/** A behaviour that a translator or filter must have one of (RFC 4787 §4.1, §5). */
export type RequiredBehavior = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

/** As {@link RequiredBehavior}; `none`: nothing translates or filters; `unknown`: no packet passes, so nobody can tell. */
export type Behavior = 'none' | RequiredBehavior | 'unknown'

/** How the outside port follows from the inside one. `preserving` where nothing translates. */
export type PortAllocation =
  | { readonly kind: 'preserving' | 'random' | 'unknown' }
  | { readonly kind: 'sequential'; readonly step: number }
  | { readonly kind: 'block'; readonly min: number; readonly max: number }

/** What is true of one address family at a site: what a perfect diagnosis made on the host would say. */
export interface FamilyTruth {
  readonly udpWorks: boolean
  /** Outbound TCP: to every port, to some, to none. */
  readonly tcpPorts: 'all' | readonly number[]
  /** Of UDP, as are the next three. */
  readonly mapping: Behavior
  readonly filtering: Behavior
  readonly portAllocation: PortAllocation
  readonly hairpin: boolean | 'unknown'
  /** The addresses under which others see the host; more than one where a NAT has a pool. */
  readonly publicIps: readonly string[]
}

/** What is true of a site of the lab, by construction. Judged in test/netns by programs that are not ours. */
export interface SiteTruth {
  /** Undefined: the host has no route of that family. */
  readonly ipv4: FamilyTruth | undefined
  readonly ipv6: FamilyTruth | undefined
  /** Translators of IPv4 between the host and the public internet. */
  readonly natLayers: number
  /** The outermost translator is a carrier's (RFC 6888), its inside numbered from 100.64.0.0/10 (RFC 6598). */
  readonly cgn: boolean
  /** Routers between the host and a public server: TTL of a packet that just reaches the server is one more. */
  readonly routersToServer: number
}
