import { ReachError } from '../base/errors.ts'
import type { MappingProtocol } from '../protocol/port-mapping/mapping.ts'

/** How messages name the protocols. */
export const PROTOCOL_NAMES: Readonly<Record<MappingProtocol, string>> = {
  pcp: 'PCP',
  'nat-pmp': 'NAT-PMP',
  upnp: 'UPnP',
}

/** What a gateway said no with. */
export interface Refusal {
  readonly protocol: MappingProtocol
  readonly gatewayIp: string
  /** The protocol's own code. */
  readonly resultCode: number
  /** What it means, for people. */
  readonly meaning: string
}

/** ERR_REACH_MAPPING_REFUSED for what a gateway said. */
export function refused({ protocol, gatewayIp, resultCode, meaning }: Refusal): ReachError {
  return new ReachError(
    'ERR_REACH_MAPPING_REFUSED',
    `${gatewayIp} refuses to map the port over ${PROTOCOL_NAMES[protocol]}: ${meaning}`,
    {
      hint: 'allow port mapping in the router’s settings, ask for another port, or forward it by hand',
      details: { protocol, gatewayIp, resultCode },
    },
  )
}
