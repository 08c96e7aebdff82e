import { parseEndpoint, formatEndpoint } from '../base/endpoint.ts'
import type { Endpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'

/** An end of a forwarding on this computer. */
export type ForwardTarget =
  | { readonly kind: 'tcp'; readonly endpoint: Endpoint }
  /** A socket in the file system. */
  | { readonly kind: 'unix'; readonly path: string }

const UNIX = 'unix:'
/** What a bare port means: this computer, and nobody else's. */
const LOOPBACK = '127.0.0.1'

/** Reads `PORT`, `HOST:PORT` or `unix:PATH`. @throws {ReachError} ERR_REACH_ADDRESS */
export function parseForwardTarget(text: string): ForwardTarget {
  const trimmed = text.trim()
  if (trimmed.startsWith(UNIX)) {
    const path = trimmed.slice(UNIX.length)
    if (path !== '') return { kind: 'unix', path }
    throw new ReachError('ERR_REACH_ADDRESS', 'unix: lacks a path', { hint: 'write  unix:/run/app.sock' })
  }
  const endpoint = /^[0-9]+$/.test(trimmed) ? parseEndpoint(`${LOOPBACK}:${trimmed}`) : parseEndpoint(trimmed)
  return { kind: 'tcp', endpoint }
}

/** As `parseForwardTarget` reads it, with the host. */
export function formatForwardTarget(target: ForwardTarget): string {
  return target.kind === 'unix' ? `${UNIX}${target.path}` : formatEndpoint(target.endpoint)
}
