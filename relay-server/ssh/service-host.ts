import { isPeerName } from '../../lib/base/peer-name.ts'
import { isServiceName } from '../../lib/protocol/mux/open-header.ts'

/** What an SSH client asks for as the host of `-L` or `-W`. */
export type ServiceHost =
  /** `web.alice`, or `alice/web` as our own commands say it. */
  | { readonly kind: 'service-of'; readonly peer: string; readonly service: string }
  /** `web`: a peer with a service at that port, or else a service that one peer alone exposes. */
  | { readonly kind: 'word'; readonly word: string }

/** What people write when they don't mean a name, and what ssh makes of it (RFC 4254 §7.1). */
const EVERYWHERE: readonly string[] = ['', '*', 'localhost', '0.0.0.0', '::', '127.0.0.1', '::1']

/** Reads the host of `direct-tcpip`; undefined when it can't be a name of ours. */
export function readServiceHost(host: string): ServiceHost | undefined {
  const text = host.trim().toLowerCase()
  if (isPeerName(text)) return { kind: 'word', word: text }
  const [first = '', second, ...rest] = text.split('/')
  if (second !== undefined) return rest.length === 0 ? serviceOf(first, second) : undefined
  // A name of a peer has no dots, one of a service may have: the last one parts them.
  const dot = text.lastIndexOf('.')
  return (
    serviceOf(text.slice(dot + 1), text.slice(0, Math.max(0, dot))) ??
    (isServiceName(text) ? { kind: 'word', word: text } : undefined)
  )
}

/**
 * Reads the address of `tcpip-forward`: the name of a service, or undefined for one that has only a port. `false` when it
 * can't be a name.
 */
export function readBindAddress(address: string): string | undefined | false {
  const text = address.trim().toLowerCase()
  if (EVERYWHERE.includes(text)) return undefined
  return isServiceName(text) ? text : false
}

function serviceOf(peer: string, service: string): ServiceHost | undefined {
  return isPeerName(peer) && isServiceName(service) ? { kind: 'service-of', peer, service } : undefined
}
