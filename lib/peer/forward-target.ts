import { parseEndpoint, formatEndpoint } from '../base/endpoint.ts'
import type { Endpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'

/** An end of a forwarding of streams on this computer. */
export type StreamTarget =
  | { readonly kind: 'tcp'; readonly endpoint: Endpoint }
  /** A socket in the file system. */
  | { readonly kind: 'unix'; readonly path: string }

/** An end of a forwarding on this computer. */
export type ForwardTarget = StreamTarget | { readonly kind: 'udp'; readonly endpoint: Endpoint }

const UNIX = 'unix:'
const UDP = 'udp:'
/** What a bare port means: this computer, and nobody else's. */
const LOOPBACK = '127.0.0.1'

/** Reads `PORT`, `HOST:PORT`, `unix:PATH`, `udp:PORT` or `udp:HOST:PORT`. @throws {ReachError} ERR_REACH_ADDRESS */
export function parseForwardTarget(text: string): ForwardTarget {
  const trimmed = text.trim()
  if (trimmed.startsWith(UNIX)) {
    const path = trimmed.slice(UNIX.length)
    if (path !== '') return { kind: 'unix', path }
    throw new ReachError('ERR_REACH_ADDRESS', 'unix: lacks a path', { hint: 'write  unix:/run/app.sock' })
  }
  if (trimmed.startsWith(UDP))
    return { kind: 'udp', endpoint: parsePortOrEndpoint(trimmed.slice(UDP.length)) }
  return { kind: 'tcp', endpoint: parsePortOrEndpoint(trimmed) }
}

function parsePortOrEndpoint(text: string): Endpoint {
  return parseEndpoint(/^[0-9]+$/.test(text) ? `${LOOPBACK}:${text}` : text)
}

/** As `parseForwardTarget` reads it, with the host. */
export function formatForwardTarget(target: ForwardTarget): string {
  if (target.kind === 'unix') return `${UNIX}${target.path}`
  return `${target.kind === 'udp' ? UDP : ''}${formatEndpoint(target.endpoint)}`
}
