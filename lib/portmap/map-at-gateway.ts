import { ReachError } from '../base/errors.ts'
import type { Clock } from '../base/runtime.ts'
import type { MappingGrant, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import { mapOverBest } from './choose-mapper.ts'
import type { GatewayMapper } from './gateway-mapper.ts'
import { claimAt } from './mapping-request.ts'
import { PROTOCOL_NAMES } from './refusal.ts'

/** How one gateway is asked. */
export interface MapAtOptions {
  readonly clock: Clock
  /** The best protocol first. */
  readonly mappers: readonly GatewayMapper[]
  readonly graceMs: number
  /** Takes removals that nobody waits for. */
  readonly inBackground: (removal: Promise<void>) => void
  readonly signal: AbortSignal | undefined
}

/** Maps over the best protocol that the gateway speaks, and leaves nothing there but what it answers. */
export function mapAtGateway(request: MappingRequest, options: MapAtOptions): Promise<MappingGrant> {
  const { clock, mappers, graceMs, signal } = options
  const map = async (mapper: GatewayMapper) => {
    try {
      return await asAsked(mapper, await mapper.map(request, signal), request)
    } catch (error) {
      await forgetUnheard(mapper, request, error, options)
      throw error
    }
  }
  return mapOverBest({ clock, mappers, graceMs, map, signal })
}

/** Who was asked and not heard may have granted it all the same. */
async function forgetUnheard(
  mapper: GatewayMapper,
  request: MappingRequest,
  error: unknown,
  { signal, inBackground }: MapAtOptions,
): Promise<void> {
  const claim = claimAt(mapper, request)
  if (claim === undefined) return
  if (signal?.aborted === true) inBackground(mapper.unmap(claim))
  // Waited for: afterwards it might remove what the next protocol makes.
  else if (ReachError.is(error, 'ERR_REACH_TIMEOUT')) await mapper.unmap(claim).catch(() => undefined)
}

/** Servers ignore "this port or none" (PREFER_FAILURE), so the granted port is what counts. */
async function asAsked(
  mapper: GatewayMapper,
  grant: MappingGrant,
  { externalPort, acceptsOtherPort }: MappingRequest,
): Promise<MappingGrant> {
  if (externalPort === undefined || acceptsOtherPort || grant.externalPort === externalPort) return grant
  await mapper.unmap(grant).catch(() => undefined) // then it ends by itself
  const { gatewayIp, protocol } = grant
  throw new ReachError(
    'ERR_REACH_MAPPING_REFUSED',
    `${gatewayIp} grants port ${grant.externalPort} over ${PROTOCOL_NAMES[protocol]}, and not ${externalPort}: somebody else has it`,
    {
      hint: 'ask for another port, or for any',
      details: { protocol, gatewayIp, resultCode: 0, externalPort, grantedPort: grant.externalPort },
    },
  )
}
