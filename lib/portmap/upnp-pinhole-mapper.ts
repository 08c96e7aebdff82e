import { ReachError } from '../base/errors.ts'
import { isGlobalIp } from '../base/ip-range.ts'
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
import { PINHOLE_ERROR, describeUpnpError } from '../protocol/port-mapping/upnp-error.ts'
import type { GatewayMapper } from './gateway-mapper.ts'
import type { CallOptions, IgdClient } from './igd-client.ts'

/** What the codes of WANIPv6FirewallControl mean, where they mean other things than those of WANIPConnection. */
const WORDS: Readonly<Record<number, string>> = {
  [PINHOLE_ERROR.firewallDisabled]: 'its IPv6 firewall is off',
  [PINHOLE_ERROR.inboundPinholeNotAllowed]: 'it does not allow pinholes',
  [PINHOLE_ERROR.noSuchEntry]: 'there is no such pinhole',
  [PINHOLE_ERROR.protocolNotSupported]: 'it has no pinholes for this protocol',
}

/**
 * IPv6 ports of one UPnP gateway: WANIPv6FirewallControl. Nothing is translated, so the port outside is the one inside.
 * Gateways open pinholes only towards the address that asks, so each call is made from `internal.ip`.
 */
export class UpnpPinholeMapper implements GatewayMapper {
  readonly protocol = 'upnp'
  readonly gatewayIp: string
  onReset: (() => void) | undefined
  readonly #client: IgdClient
  readonly #closing = new AbortController()

  constructor(client: IgdClient) {
    this.#client = client
    this.gatewayIp = client.gatewayIp
  }

  /**
   * Opens a pinhole. A firewall that is off is refused with UPnP's own code for it: then there is nothing to open.
   * @throws {ReachError} ERR_REACH_MAPPING_REFUSED with UPnP's code in `details.resultCode`, ERR_REACH_TIMEOUT,
   * ERR_REACH_SOCKET, ERR_REACH_DECODE
   */
  async map(request: MappingRequest, signal?: AbortSignal): Promise<MappingGrant> {
    const { internal, externalPort = internal.port } = request
    if (internal.family !== 'ipv6') throw new RangeError(`${internal.ip} is no IPv6 address`)
    if (externalPort !== internal.port)
      throw this.#refusal(PINHOLE_ERROR.inboundPinholeNotAllowed, '', EQUAL_PORTS)
    const options = this.#options(internal.ip, signal)
    await this.#checkFirewall(options)
    const lifetimeS = pinholeLifetimeS(request.lifetimeS)
    const values = await this.#must(addPinhole(internal, lifetimeS), options)
    return this.#grant(internal, lifetimeS, pinholeId(values))
  }

  /** Renews a pinhole; one that the gateway no longer knows is opened anew, and `onReset` is called. */
  async renew(grant: MappingGrant, lifetimeS: number, signal?: AbortSignal): Promise<MappingGrant> {
    const { internal } = grant
    const lease = pinholeLifetimeS(lifetimeS)
    const options = this.#options(internal.ip, signal)
    const id = grant.keep.uniqueId ?? ''
    const answer = await this.#client.call(updatePinhole(id, lease), options)
    if (answer.kind === 'done') return this.#grant(internal, lease, id)
    if (answer.code !== PINHOLE_ERROR.noSuchEntry) throw this.#refusal(answer.code, answer.description)
    const values = await this.#must(addPinhole(internal, lease), options)
    const renewed = this.#grant(internal, lease, pinholeId(values))
    this.onReset?.()
    return renewed
  }

  async unmap(grant: MappingGrant, signal?: AbortSignal): Promise<void> {
    const options = this.#options(grant.internal.ip, signal)
    const answer = await this.#client.call(deletePinhole(grant.keep.uniqueId ?? ''), options)
    if (answer.kind === 'fault' && answer.code !== PINHOLE_ERROR.noSuchEntry)
      throw this.#refusal(answer.code, answer.description)
  }

  /** Ends what is under way. Pinholes stay: whoever made them removes them. */
  close(): void {
    this.#closing.abort(new ReachError('ERR_REACH_ABORTED', 'the port mapper was closed'))
    this.onReset = undefined
  }

  async #checkFirewall(options: CallOptions): Promise<void> {
    const values = await this.#client.ask(GET_FIREWALL_STATUS, options)
    if (values === undefined) return // it does not say: opening a pinhole will show
    const { isEnabled, isPinholeAllowed } = firewallStatus(values)
    if (!isEnabled) throw this.#refusal(PINHOLE_ERROR.firewallDisabled)
    if (!isPinholeAllowed) throw this.#refusal(PINHOLE_ERROR.inboundPinholeNotAllowed)
  }

  async #must(...[call, options]: Parameters<IgdClient['call']>): ReturnType<IgdClient['must']> {
    const answer = await this.#client.call(call, options)
    if (answer.kind === 'fault') throw this.#refusal(answer.code, answer.description)
    return answer.values
  }

  #grant(internal: MappingRequest['internal'], lifetimeS: number, uniqueId: string): MappingGrant {
    const { serviceType, control } = this.#client.service
    return {
      protocol: 'upnp',
      gatewayIp: this.gatewayIp,
      internal,
      externalIp: isGlobalIp(internal.ip) ? internal.ip : undefined,
      externalPort: internal.port,
      lifetimeS,
      keep: { serviceType, controlPath: control.path, uniqueId },
    }
  }

  #refusal(code: number, description = '', why = WORDS[code] ?? describeUpnpError(code)): ReachError {
    return this.#client.refusal({ kind: 'fault', code, description }, why)
  }

  #options(localIp: string, signal: AbortSignal | undefined): CallOptions {
    const signals = signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal]
    return { localIp, signal: AbortSignal.any(signals) }
  }
}

const EQUAL_PORTS = 'in IPv6 the port outside is the one inside'

function pinholeLifetimeS(wantedS: number): number {
  // There is no permanent pinhole.
  return wantedS === 0 ? MAX_PINHOLE_LIFETIME_S : Math.min(wantedS, MAX_PINHOLE_LIFETIME_S)
}
