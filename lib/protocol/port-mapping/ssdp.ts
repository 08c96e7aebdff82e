import { ReachError } from '../../base/errors.ts'

/** UPnP Device Architecture 1.1 §1.1: where devices listen for searches. */
export const SSDP_PORT = 1900
export const SSDP_MULTICAST_IP = '239.255.255.250'

/** Gateways answer to their own type, seldom to `ssdp:all` alone. */
export const IGD_SEARCH_TARGETS = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
] as const

/** Ours: no honest answer is longer. */
const MAX_LENGTH = 4096

/** What a device answers to a search. */
export interface SsdpResponse {
  /** What it is, as asked for. */
  readonly searchTarget: string
  /** Where its description is. Not to be fetched unless its host is the one that answered. */
  readonly location: string | undefined
  readonly server: string | undefined
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
 * Reads an answer to a search; header names in any case, lines ended by CRLF or LF.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeSearchResponse(bytes: Uint8Array): SsdpResponse {
  if (bytes.length > MAX_LENGTH)
    throw new ReachError('ERR_REACH_DECODE', `${bytes.length} bytes are too long for SSDP`)
  const [statusLine = '', ...lines] = new TextDecoder().decode(bytes).split(/\r?\n/)
  if (!/^HTTP\/1\.[01] 200\b/.test(statusLine))
    throw new ReachError('ERR_REACH_DECODE', 'not an answer to a search')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  const searchTarget = headers.get('st')
  if (searchTarget === undefined) throw new ReachError('ERR_REACH_DECODE', 'an answer to a search needs ST')
  return { searchTarget, location: headers.get('location'), server: headers.get('server') }
}

/** True for an Internet Gateway Device, of any version. */
export function isInternetGateway(response: SsdpResponse): boolean {
  return response.searchTarget.toLowerCase().startsWith('urn:schemas-upnp-org:device:internetgatewaydevice:')
}
