import type { MappingGrant, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import type { IgdClient } from './igd-client.ts'

/** One service of one device, asked for ports or pinholes; knows nothing of others. Holds nothing open between calls. */
export interface IgdMapper {
  readonly client: IgdClient
  /** As GatewayMapper says; rejects also with ERR_REACH_SOCKET and ERR_REACH_DECODE. */
  map(request: MappingRequest, signal: AbortSignal): Promise<MappingGrant>
  renew(grant: MappingGrant, lifetimeS: number, signal: AbortSignal): Promise<RenewedGrant>
  unmap(grant: MappingGrant, signal: AbortSignal): Promise<void>
}

/** What a renewal brought. */
export interface RenewedGrant {
  readonly grant: MappingGrant
  /** The gateway no longer knew it, and has made it anew: it has lost the others, too. */
  readonly wasLost: boolean
}

/** What a grant keeps of the service that made it, so that it is found again: after a crash, and under another port. */
export function keepOf({
  service,
}: IgdClient): Readonly<Record<'deviceIp' | 'controlPath' | 'serviceType', string>> {
  const { control, serviceType } = service
  return { deviceIp: control.address.ip, controlPath: control.path, serviceType }
}

/** True when this service made the grant, or its successor on the same device. */
export function hasMade({ service }: IgdClient, { keep }: MappingGrant): boolean {
  const { control, serviceType } = service
  return (
    control.address.ip === keep.deviceIp &&
    control.path === keep.controlPath &&
    serviceType === keep.serviceType
  )
}
