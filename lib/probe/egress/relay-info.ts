import { parseEndpoint } from '../../base/endpoint.ts'
import { ipScope, isGlobalIp } from '../../base/ip-range.ts'
import type { RelayUrl } from '../../base/relay-url.ts'
import { formatEndpoint } from '../../base/endpoint.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { isIp, sameAddress, transportAddress } from '../../base/transport-address.ts'
import type { HttpGet, HttpResponse } from './http.ts'
import { printable } from '../../net/outward/printable.ts'

/** Where relays describe themselves (docs/wire.md, RFC 8615). */
export const RELAY_INFO_PATH = '/.well-known/p2p-reach.json'

/** Ours: a relay has two IPs with two ports of each family at most. */
const MAX_STUN_ADDRESSES = 8

/** What a relay says about itself. */
export interface RelayInfo {
  /** Of its software, fit for terminals. */
  readonly version: string
  /** Where it answers STUN over UDP. */
  readonly stun: readonly TransportAddress[]
}

/** The request for a relay's description. */
export function relayInfoRequest(relay: RelayUrl): HttpGet {
  return { host: hostHeader(relay), path: RELAY_INFO_PATH, headers: { Accept: 'application/json' } }
}

/** RFC 9110 §7.2: the port only where it is not the scheme's own. */
export function hostHeader({ host, port, secure }: RelayUrl): string {
  if (port !== (secure ? 443 : 80)) return formatEndpoint({ host, port })
  return host.includes(':') ? `[${host}]` : host
}

/**
 * Reads a relay's description. Undefined for whatever is none: other servers are no relays, and that is no fault.
 * STUN addresses that nobody can mean are left out: a relay on the internet may not send our packets into our own LAN.
 * @param relayIp where the description came from
 */
export function parseRelayInfo(response: HttpResponse, relayIp: string): RelayInfo | undefined {
  if (response.status !== 200 || !response.isComplete) return undefined
  const json = parseJson(new TextDecoder().decode(response.body))
  if (typeof json !== 'object' || json === null) return undefined
  const version: unknown = Reflect.get(json, 'version')
  const stun: unknown = Reflect.get(json, 'stun')
  if (typeof version !== 'string' || !Array.isArray(stun)) return undefined
  return { version: printable(version), stun: stunAddresses(stun, relayIp) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not JSON: not a relay
  }
}

function stunAddresses(entries: readonly unknown[], relayIp: string): readonly TransportAddress[] {
  const addresses: TransportAddress[] = []
  for (const entry of entries) {
    if (addresses.length === MAX_STUN_ADDRESSES) break
    const address = typeof entry === 'string' ? addressOf(entry) : undefined
    if (address === undefined || !mayBeAsked(address.ip, relayIp)) continue
    if (!addresses.some((known) => sameAddress(known, address))) addresses.push(address)
  }
  return addresses
}

function addressOf(text: string): TransportAddress | undefined {
  try {
    const { host, port } = parseEndpoint(text)
    return isIp(host) && !host.includes('%') ? transportAddress(host, port) : undefined
  } catch {
    return undefined // not IP:PORT
  }
}

function mayBeAsked(ip: string, relayIp: string): boolean {
  const scope = ipScope(ip)
  if (scope === 'unspecified' || scope === 'multicast' || scope === 'reserved') return false
  return scope === 'global' || !isGlobalIp(relayIp)
}
