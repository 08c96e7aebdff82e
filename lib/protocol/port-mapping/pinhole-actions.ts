import { ReachError } from '../../base/errors.ts'
import type { Transport, TransportAddress } from '../../base/transport-address.ts'
import type { IgdCall, IgdValues } from './igd-actions.ts'

/* The actions of WANIPv6FirewallControl:1: nothing is translated in IPv6, so a pinhole lets in what a firewall would not. */

/** IANA's protocol numbers, which pinholes go by in place of names. */
const PROTOCOL_NUMBERS: Readonly<Record<Transport, string>> = { udp: '17', tcp: '6' }
/** WANIPv6FirewallControl:1 §2.3.4: 1 second to 1 day. */
export const MAX_PINHOLE_LIFETIME_S = 86_400

/** WANIPv6FirewallControl:1 §2.5.1. */
export const GET_FIREWALL_STATUS: IgdCall = { action: 'GetFirewallStatus', args: [] }

/** What the firewall is set to. */
export interface FirewallStatus {
  /** False: everything comes in, and no pinhole is needed. */
  readonly isEnabled: boolean
  /** False: hosts may not open pinholes. */
  readonly isPinholeAllowed: boolean
}

/** Reads what {@link GET_FIREWALL_STATUS} brought. */
export function firewallStatus(values: IgdValues): FirewallStatus {
  return {
    isEnabled: isTrue(values.get('firewallenabled')),
    isPinholeAllowed: isTrue(values.get('inboundpinholeallowed')),
  }
}

/** WANIPv6FirewallControl:1 §2.5.3: from anybody, any port. `internal` must be where the request comes from. */
export function addPinhole(internal: TransportAddress, lifetimeS: number): IgdCall {
  return {
    action: 'AddPinhole',
    args: [
      ['RemoteHost', ''],
      ['RemotePort', '0'],
      ['InternalClient', internal.ip],
      ['InternalPort', String(internal.port)],
      ['Protocol', PROTOCOL_NUMBERS[internal.transport]],
      ['LeaseTime', String(lifetimeS)],
    ],
  }
}

/** The number by which a pinhole is renewed and closed. @throws {ReachError} ERR_REACH_DECODE when there is none */
export function pinholeId(values: IgdValues): string {
  const id = values.get('uniqueid') ?? ''
  if (!/^[0-9]{1,5}$/.test(id))
    throw new ReachError('ERR_REACH_DECODE', 'the gateway does not say which pinhole it opened')
  return id
}

/** WANIPv6FirewallControl:1 §2.5.4. */
export function updatePinhole(id: string, lifetimeS: number): IgdCall {
  return {
    action: 'UpdatePinhole',
    args: [
      ['UniqueID', id],
      ['NewLeaseTime', String(lifetimeS)],
    ],
  }
}

/** WANIPv6FirewallControl:1 §2.5.5. */
export function deletePinhole(id: string): IgdCall {
  return { action: 'DeletePinhole', args: [['UniqueID', id]] }
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && ['1', 'true', 'yes'].includes(text.toLowerCase())
}
