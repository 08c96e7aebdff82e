import { ReachError } from './errors.ts'
import { isIp, canonicalIp, MAX_PORT } from './transport-address.ts'

/** A host, by name or canonical IP, and a port: what a person writes as `HOST:PORT`. Resolving it is another step. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/**
 * Reads `HOST`, `HOST:PORT`, `[IPv6]:PORT` or a bare IPv6 address.
 * @throws {ReachError} ERR_REACH_ADDRESS with a hint
 */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint {
  const trimmed = text.trim()
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:[\]]+))(?::(?<port>[0-9]{1,5}))?$/.exec(trimmed)
  const bareV6 = match === null && isIp(trimmed) ? trimmed : undefined
  const host = bareV6 ?? match?.groups?.v6 ?? match?.groups?.host
  const port = match?.groups?.port === undefined ? defaultPort : Number(match.groups.port)
  if (host === undefined || !isHost(host) || (match?.groups?.v6 !== undefined && !host.includes(':'))) {
    throw invalid(text, 'write HOST:PORT, IP:PORT or [IPv6]:PORT')
  }
  if (port === undefined) throw invalid(text, `add a port: ${host.includes(':') ? `[${host}]` : host}:PORT`)
  if (port < 1 || port > MAX_PORT) throw invalid(text, `a port is a number from 1 to ${MAX_PORT}`)
  return { host: isIp(host) ? canonicalIp(host) : host.toLowerCase(), port }
}

/** `HOST:PORT`, with brackets where the host is an IPv6 address. */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.host.includes(':')
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`
}

function isHost(host: string): boolean {
  if (isIp(host)) return true
  // All digits and dots but no IP: a mistyped address, not a name (RFC 3696 §2: a TLD is never all digits).
  if (/^[0-9.]+$/.test(host)) return false
  return (
    host.length <= 253 &&
    host.split('.').every((label) => /^[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?$/.test(label))
  )
}

function invalid(text: string, hint: string): ReachError {
  return new ReachError('ERR_REACH_ADDRESS', `${JSON.stringify(text)} is not a host and port`, {
    hint,
    details: { text },
  })
}
