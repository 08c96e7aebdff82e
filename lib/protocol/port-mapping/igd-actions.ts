import { ReachError } from '../../base/errors.ts'
import type { Transport } from '../../base/transport-address.ts'
import { MAX_PORT, canonicalIp, isIp } from '../../base/transport-address.ts'
import type { SoapCall } from './soap.ts'

/*
 * The actions of WANIPConnection:1 and :2 and WANPPPConnection:1 that we use. Arguments stand in the order of the
 * specification; a remote host is never named, so that anybody may come in.
 */

/** An action without its service: see {@link SoapCall}. */
export type IgdCall = Pick<SoapCall, 'action' | 'args'>

/** The values of an answer, by name in lower case. */
export type IgdValues = ReadonlyMap<string, string>

/** What a mapping shall be. */
export interface PortMappingArguments {
  readonly transport: Transport
  readonly externalPort: number
  readonly internalIp: string
  readonly internalPort: number
  /** Seconds; 0: permanent. Version 2 makes a week of it. */
  readonly lifetimeS: number
  /** What the router's page shows. */
  readonly description: string
}

/** A mapping as the gateway lists it. */
export interface PortMappingEntry {
  /** Undefined when it is no IP: some routers list host names. */
  readonly internalIp: string | undefined
  readonly internalPort: number | undefined
  /** What is left, in seconds; 0: permanent. Undefined when it is no number. */
  readonly lifetimeS: number | undefined
}

/** Upper case: some routers refuse `udp`. */
function protocolName(transport: Transport): string {
  return transport.toUpperCase()
}

function key(transport: Transport, externalPort: number): IgdCall['args'] {
  return [
    ['NewRemoteHost', ''],
    ['NewExternalPort', String(externalPort)],
    ['NewProtocol', protocolName(transport)],
  ]
}

/** WANIPConnection:1 §2.4.16, AddPortMapping; WANIPConnection:2 §2.5.19, AddAnyPortMapping: the same arguments. */
export function addPortMapping(
  action: 'AddPortMapping' | 'AddAnyPortMapping',
  mapping: PortMappingArguments,
): IgdCall {
  return {
    action,
    args: [
      ...key(mapping.transport, mapping.externalPort),
      ['NewInternalPort', String(mapping.internalPort)],
      ['NewInternalClient', mapping.internalIp],
      ['NewEnabled', '1'],
      ['NewPortMappingDescription', mapping.description],
      ['NewLeaseDuration', String(mapping.lifetimeS)],
    ],
  }
}

/** The port that AddAnyPortMapping granted. @throws {ReachError} ERR_REACH_DECODE when it names none */
export function reservedPort(values: IgdValues): number {
  const port = numberOf(values, 'newreservedport')
  if (port === undefined || port === 0 || port > MAX_PORT)
    throw new ReachError('ERR_REACH_DECODE', 'the gateway does not say which port it granted')
  return port
}

/** WANIPConnection:1 §2.4.17. */
export function deletePortMapping(transport: Transport, externalPort: number): IgdCall {
  return { action: 'DeletePortMapping', args: key(transport, externalPort) }
}

/** WANIPConnection:1 §2.4.15. */
export function getSpecificPortMappingEntry(transport: Transport, externalPort: number): IgdCall {
  return { action: 'GetSpecificPortMappingEntry', args: key(transport, externalPort) }
}

/** Reads what {@link getSpecificPortMappingEntry} brought. */
export function portMappingEntry(values: IgdValues): PortMappingEntry {
  return {
    internalIp: ipOf(values, 'newinternalclient'),
    internalPort: numberOf(values, 'newinternalport'),
    lifetimeS: numberOf(values, 'newleaseduration'),
  }
}

/** WANIPConnection:1 §2.4.18. */
export const GET_EXTERNAL_IP_ADDRESS: IgdCall = { action: 'GetExternalIPAddress', args: [] }

/** The address outside; undefined for none, for `0.0.0.0` and for what is no IP. It may be a private one. */
export function externalIpAddress(values: IgdValues): string | undefined {
  const ip = ipOf(values, 'newexternalipaddress')
  return ip === '0.0.0.0' || ip === '::' ? undefined : ip
}

/** WANIPConnection:1 §2.4.9. */
export const GET_STATUS_INFO: IgdCall = { action: 'GetStatusInfo', args: [] }

/** True for `Connected`, in any case. */
export function isConnected(values: IgdValues): boolean {
  return values.get('newconnectionstatus')?.toLowerCase() === 'connected'
}

function ipOf(values: IgdValues, name: string): string | undefined {
  const text = values.get(name) ?? ''
  return isIp(text) ? canonicalIp(text) : undefined
}

function numberOf(values: IgdValues, name: string): number | undefined {
  const text = values.get(name) ?? ''
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined
}
