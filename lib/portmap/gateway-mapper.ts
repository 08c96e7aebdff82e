import type { MappingGrant, MappingProtocol, MappingRequest } from '../protocol/port-mapping/mapping.ts'

/** One protocol at one gateway: what PCP, NAT-PMP and UPnP IGD have in common. Whoever made it closes it. */
export interface GatewayMapper {
  readonly protocol: MappingProtocol
  /** The gateway's address on our side. */
  readonly gatewayIp: string
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
