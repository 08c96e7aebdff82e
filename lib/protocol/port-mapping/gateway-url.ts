import { ReachError } from '../../base/errors.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress, isIp, transportAddress } from '../../base/transport-address.ts'

/** RFC 9110 §4.2.1. */
const HTTP_PORT = 80
/** Ours: routers use some 30 characters. */
const MAX_URL_LENGTH = 1024

/** Something that a gateway serves over HTTP. */
export interface GatewayUrl {
  readonly address: TransportAddress
  /** Path and query, as the request line has them. */
  readonly path: string
}

/**
 * Reads a URL that a device gave out, and holds it to the host that answered: a device could otherwise send us to any
 * service of the network. Its host must be an IP, the one that answered; names are not looked up. In IPv6 a device
 * answers from its link-local address and names its global one: there the one that answered is put in its place.
 * @param base what relative URLs are relative to
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function parseGatewayUrl(text: string, answeredBy: string, base?: GatewayUrl): GatewayUrl {
  if (text.length > MAX_URL_LENGTH) throw refused(text, 'it is too long')
  const url = toUrl(text, base)
  if (url.protocol !== 'http:') throw refused(text, 'it is no http: URL')
  if (url.username !== '' || url.password !== '') throw refused(text, 'it has a password')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (!isIp(host)) throw refused(text, 'its host is no IP')
  const port = url.port === '' ? HTTP_PORT : Number(url.port)
  if (port === 0) throw refused(text, 'its port is 0')
  const address = transportAddress(answeredBy, port, 'tcp')
  const isSame = transportAddress(host, port, 'tcp').ip === withoutZone(address.ip)
  const isOtherIpv6 = address.family === 'ipv6' && host.includes(':')
  if (!isSame && !isOtherIpv6) throw refused(text, `its host is not ${answeredBy}, which answered`)
  return { address, path: url.pathname + url.search }
}

/** `http://192.168.1.1:5000/ctl`, without a zone. */
export function formatGatewayUrl(url: GatewayUrl): string {
  return `http://${hostHeader(url)}${url.path}`
}

/** What the Host header says (RFC 9110 §7.2): a zone means nothing to others. */
export function hostHeader({ address }: GatewayUrl): string {
  return formatAddress({ ip: withoutZone(address.ip), port: address.port })
}

function toUrl(text: string, base: GatewayUrl | undefined): URL {
  // A zone is not part of what URL reads (RFC 9844 took it out again).
  const plain = text.trim().replace(/^(http:\/\/\[[0-9a-f:.]+)%[^\]]*\]/i, '$1]')
  try {
    return base === undefined ? new URL(plain) : new URL(plain, formatGatewayUrl(base))
  } catch {
    throw refused(text, 'it is no URL') // URL's own words add nothing
  }
}

function withoutZone(ip: string): string {
  return ip.split('%')[0] ?? ip
}

function refused(text: string, why: string): ReachError {
  const shown = JSON.stringify(text.slice(0, 100))
  return new ReachError('ERR_REACH_DECODE', `the device's URL ${shown} is refused: ${why}`)
}
