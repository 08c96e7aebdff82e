import { ReachError } from '../../base/errors.ts'
import { bootIdOf, decodeSsdpMessage } from './ssdp-message.ts'

/** UPnP Device Architecture 1.1 §1.1: where devices listen for searches. */
export const SSDP_PORT = 1900
/** UPnP Device Architecture 1.1 §1.1. */
export const SSDP_MULTICAST_IP = '239.255.255.250'
/** UPnP Device Architecture 1.1 Annex A.3: link-local scope, without the zone that sending needs. */
export const SSDP_MULTICAST_IPV6 = 'ff02::c'

/** Gateways answer to their own type, seldom to `ssdp:all` alone. */
export const IGD_SEARCH_TARGETS = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
] as const

/** Some answer to the service that we are after, and not to the device around it. */
export const IGD_SERVICE_SEARCH_TARGETS = [
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const

/** UPnP Device Architecture 1.1 §1.3.2: every device and service answers, so it comes last. */
export const SEARCH_ALL = 'ssdp:all'

/** What a device answers to a search. */
export interface SsdpResponse {
  /** What it is, as asked for. */
  readonly searchTarget: string
  /** Where its description is. Not to be fetched unless its host is the one that answered. */
  readonly location: string | undefined
  readonly server: string | undefined
  /** Unique service name: `uuid:…`, then mostly `::` and the type. */
  readonly usn: string | undefined
  /** Changes when the device starts anew, and with it forgets its mappings; UPnP 1.0 has none. */
  readonly bootId: number | undefined
}

/** M-SEARCH (UPnP Device Architecture 1.1 §1.3.2); MX 1 asks devices to answer within a second. */
export function encodeSearch(searchTarget: string, host: string): Uint8Array {
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${host}`,
    'MAN: "ssdp:discover"',
    'MX: 1',
    `ST: ${searchTarget}`,
    '',
    '',
  ]
  return new TextEncoder().encode(lines.join('\r\n'))
}

/**
 * Reads an answer to a search, leniently: see {@link decodeSsdpMessage}.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeSearchResponse(bytes: Uint8Array): SsdpResponse {
  const { startLine, headers } = decodeSsdpMessage(bytes)
  if (!/^HTTP\/1\.[01] 200\b/.test(startLine))
    throw new ReachError('ERR_REACH_DECODE', 'not an answer to a search')
  const searchTarget = headers.get('st')
  if (searchTarget === undefined) throw new ReachError('ERR_REACH_DECODE', 'an answer to a search needs ST')
  return {
    searchTarget,
    location: headers.get('location'),
    server: headers.get('server'),
    usn: headers.get('usn'),
    bootId: bootIdOf(headers),
  }
}

/** True for an Internet Gateway Device, of any version. */
export function isInternetGateway(response: SsdpResponse): boolean {
  return response.searchTarget.toLowerCase().startsWith('urn:schemas-upnp-org:device:internetgatewaydevice:')
}

/** True for an Internet Gateway Device or one of its parts that map ports, of any version. */
export function isPartOfGateway(response: SsdpResponse): boolean {
  return /^urn:schemas-upnp-org:(device:(InternetGatewayDevice|WANDevice|WANConnectionDevice)|service:(WANIPConnection|WANPPPConnection|WANIPv6FirewallControl)):/i.test(
    response.searchTarget,
  )
}
