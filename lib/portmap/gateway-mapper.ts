import type { Gateway, Runtime } from '../base/runtime.ts'
import type { MappingGrant, MappingProtocol, MappingRequest } from '../protocol/port-mapping/mapping.ts'

/** One protocol at one gateway: what PCP, NAT-PMP and UPnP IGD have in common. Whoever made it closes it. */
export interface GatewayMapper {
  readonly protocol: MappingProtocol
  /** The gateway's address on our side. */
  readonly gatewayIp: string
  /**
   * Finds out whether the gateway speaks the protocol, and changes nothing there. Routers answer all three protocols out
   * of one table, so asking for one port in three ways at once would make mappings that remove each other.
   * @throws {ReachError} ERR_REACH_TIMEOUT after 1.5 s at the latest, ERR_REACH_MAPPING_REFUSED when it says no
   */
  prepare(signal?: AbortSignal): Promise<void>
  /**
   * Asks for a mapping. What is granted may differ from what was asked.
   * @throws {ReachError} ERR_REACH_MAPPING_REFUSED with the gateway's own code in `details`, ERR_REACH_TIMEOUT
   */
  map(request: MappingRequest, signal?: AbortSignal): Promise<MappingGrant>
  /** Asks for the same mapping again, for another lifetime. Rejects as `map` does. */
  renew(grant: MappingGrant, lifetimeS: number, signal?: AbortSignal): Promise<MappingGrant>
  /** Removes a mapping; one that is gone already counts as removed. Rejects as `map` does. */
  unmap(grant: MappingGrant, signal?: AbortSignal): Promise<void>
  /** Called when the gateway has lost its mappings: an epoch that went back, a new boot id, a word of farewell. */
  onReset: (() => void) | undefined
  close(): void
}

/** Where a mapper works: one gateway, and the address of this host that it is asked from. */
export interface MapperSetup {
  readonly runtime: Runtime
  readonly gateway: Gateway
  /** This host's address towards the gateway; a global one for IPv6. */
  readonly clientIp: string
}

/** Makes a mapper that sends nothing before it is asked to; undefined where the protocol can't be spoken. */
export type MapperFactory = (setup: MapperSetup) => GatewayMapper | undefined
