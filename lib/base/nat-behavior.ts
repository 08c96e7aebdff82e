/** The words of {@link EndpointDependence}. */
export const ENDPOINT_DEPENDENCES = [
  'none',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
] as const

/**
 * What RFC 4787 §4.1 and §5 call the mapping and the filtering behaviour of a NAT. `none`: there is no translation, or
 * no filter. A mapping says to which destinations one public port is shown; a filter says who may answer to it.
 */
export type EndpointDependence = (typeof ENDPOINT_DEPENDENCES)[number]

/** The words of {@link PortAllocation}. */
export const PORT_ALLOCATIONS = ['preserving', 'sequential', 'random', 'block'] as const

/** How a NAT chooses the public port (RFC 4787 §4.2.1; RFC 7422 for blocks). */
export type PortAllocation = (typeof PORT_ALLOCATIONS)[number]

/** Numbers to a {@link PortAllocation}, where they are known. */
export interface PortAllocationDetail {
  /** Distance from one allocation to the next, signed; for `sequential`. */
  readonly step?: number
  /** Lowest and highest public port seen. */
  readonly min?: number
  readonly max?: number
}

/** What decides whether two peers can reach each other directly. `unknown` is a value. */
export interface NatBehavior {
  readonly mapping: EndpointDependence | 'unknown'
  readonly filtering: EndpointDependence | 'unknown'
  readonly portAllocation: PortAllocation | 'unknown'
  readonly ports?: PortAllocationDetail
}
