import type { ReachError } from '../base/errors.ts'
import { isGlobalIp } from '../base/ip-range.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import type { IgdCall, IgdValues } from '../protocol/port-mapping/igd-actions.ts'
import type { MappingGrant, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import {
  GET_FIREWALL_STATUS,
  MAX_PINHOLE_LIFETIME_S,
  addPinhole,
  deletePinhole,
  firewallStatus,
  pinholeId,
  updatePinhole,
} from '../protocol/port-mapping/pinhole-actions.ts'
import { PINHOLE_ERROR, UPNP_ERROR, describeUpnpError } from '../protocol/port-mapping/upnp-error.ts'
import type { CallOptions, IgdClient } from './igd-client.ts'
import { keepOf } from './igd-mapper.ts'
import type { IgdMapper, RenewedGrant } from './igd-mapper.ts'

/** What the codes of WANIPv6FirewallControl mean, where they mean other things than those of WANIPConnection. */
const WORDS: Readonly<Record<number, string>> = {
  [PINHOLE_ERROR.firewallDisabled]: 'its IPv6 firewall is off',
  [PINHOLE_ERROR.inboundPinholeNotAllowed]: 'it does not allow pinholes',
  [PINHOLE_ERROR.noSuchEntry]: 'there is no such pinhole',
  [PINHOLE_ERROR.protocolNotSupported]: 'it has no pinholes for this protocol',
}

/**
 * IPv6 ports: WANIPv6FirewallControl. Nothing is translated, so the port outside is the one inside. Gateways open
 * pinholes only towards the address that asks, so each call is made from `internal.ip`.
 */
export class IgdPinholes implements IgdMapper {
  readonly client: IgdClient

  constructor(client: IgdClient) {
    this.client = client
  }

  /** Opens a pinhole. A firewall that is off is a refusal with UPnP's own code for it: then there is nothing to open. */
  async map(request: MappingRequest, signal: AbortSignal): Promise<MappingGrant> {
    const { internal, externalPort = internal.port, acceptsOtherPort } = request
    if (externalPort !== internal.port && !acceptsOtherPort)
      throw this.client.refusal(
        PINHOLE_ERROR.inboundPinholeNotAllowed,
        'in IPv6 the port outside is the one inside',
      )
    const options = { localIp: internal.ip, signal }
    await this.#checkFirewall(options)
    return this.#open(internal, pinholeLifetimeS(request.lifetimeS), options)
  }

  async renew(grant: MappingGrant, lifetimeS: number, signal: AbortSignal): Promise<RenewedGrant> {
    const { internal, keep } = grant
    const options = { localIp: internal.ip, signal }
    const lease = pinholeLifetimeS(lifetimeS)
    const id = keep.uniqueId ?? ''
    const answer = await this.client.call(updatePinhole(id, lease), options)
    if (answer.kind === 'done') return { grant: this.#grant(internal, lease, id), wasLost: false }
    if (!isUnknown(answer.code)) throw this.#refusal(answer.code)
    return { grant: await this.#open(internal, lease, options), wasLost: true }
  }

  async unmap({ internal, keep }: MappingGrant, signal: AbortSignal): Promise<void> {
    const answer = await this.client.call(deletePinhole(keep.uniqueId ?? ''), {
      localIp: internal.ip,
      signal,
    })
    if (answer.kind === 'fault' && !isUnknown(answer.code)) throw this.#refusal(answer.code)
  }

  async #checkFirewall(options: CallOptions): Promise<void> {
    const values = await this.client.ask(GET_FIREWALL_STATUS, options)
    if (values === undefined) return // it does not say: opening a pinhole will show
    const { isEnabled, isPinholeAllowed } = firewallStatus(values)
    if (!isEnabled) throw this.#refusal(PINHOLE_ERROR.firewallDisabled)
    if (!isPinholeAllowed) throw this.#refusal(PINHOLE_ERROR.inboundPinholeNotAllowed)
  }

  async #open(internal: TransportAddress, lifetimeS: number, options: CallOptions): Promise<MappingGrant> {
    const values = await this.#must(addPinhole(internal, lifetimeS), options)
    return this.#grant(internal, lifetimeS, pinholeId(values))
  }

  async #must(call: IgdCall, options: CallOptions): Promise<IgdValues> {
    const answer = await this.client.call(call, options)
    if (answer.kind === 'fault') throw this.#refusal(answer.code)
    return answer.values
  }

  #grant(internal: TransportAddress, lifetimeS: number, uniqueId: string): MappingGrant {
    return {
      protocol: 'upnp',
      gatewayIp: this.client.gatewayIp,
      internal,
      externalIp: isGlobalIp(internal.ip) ? internal.ip : undefined,
      externalPort: internal.port,
      lifetimeS,
      keep: { ...keepOf(this.client), uniqueId },
    }
  }

  #refusal(code: number): ReachError {
    return this.client.refusal(code, WORDS[code] ?? describeUpnpError(code))
  }
}

/** miniupnpd 2.3.1 says 402 (the arguments are wrong) of a number that it does not know. */
function isUnknown(code: number): boolean {
  return code === PINHOLE_ERROR.noSuchEntry || code === UPNP_ERROR.invalidArgs
}

function pinholeLifetimeS(wantedS: number): number {
  // There is no permanent pinhole.
  return wantedS === 0 ? MAX_PINHOLE_LIFETIME_S : Math.min(wantedS, MAX_PINHOLE_LIFETIME_S)
}
