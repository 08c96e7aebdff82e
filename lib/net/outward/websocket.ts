import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Runtime } from '../../base/runtime.ts'
import { attempt } from './attempt.ts'
import type { Attempt, StepLimits } from './attempt.ts'
import { exchange } from '../http-exchange.ts'
import { printable } from './printable.ts'

/** Where relays take WebSockets (docs/wire.md). */
export const WEBSOCKET_PATH = '/ws'

/** RFC 6455 §1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Who answered to a request for a WebSocket, and how. `forged`: 101, but not from one who read our key. */
export type WebSocketAnswer =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly status: number; readonly answeredBy: string }
  | { readonly kind: 'forged'; readonly answeredBy: string }

/** Asks for a WebSocket over a connection (RFC 6455 §4.1), which is of no use afterwards: no frame is sent. */
export function openWebSocket(
  runtime: Runtime,
  socket: Duplex,
  host: string,
  limits: StepLimits,
): Promise<Attempt<WebSocketAnswer>> {
  return attempt(runtime.clock, limits, async (signal) => {
    const key = btoa(String.fromCharCode(...runtime.random.bytes(16)))
    const headers = {
      Host: host,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
    }
    const answer = await exchange(socket, { method: 'GET', target: WEBSOCKET_PATH, headers }, signal)
    const answeredBy = answeredByOf(answer.headers)
    if (answer.status !== 101) return { kind: 'refused', status: answer.status, answeredBy }
    return isAccepted(answer.headers, key) ? { kind: 'open' } : { kind: 'forged', answeredBy }
  })
}

/** RFC 6455 §4.1, what the client must check of a 101. */
function isAccepted(headers: IncomingHttpHeaders, key: string): boolean {
  const expected = createHash('sha1')
    .update(key + WEBSOCKET_GUID)
    .digest('base64')
  const connection = (headers.connection ?? '').toLowerCase().split(/\s*,\s*/)
  return (
    headers.upgrade?.toLowerCase() === 'websocket' &&
    connection.includes('upgrade') &&
    headers['sec-websocket-accept'] === expected
  )
}

/** ` (Server: nginx, Via: 1.1 squid)` or nothing: who wrote an answer, as far as it says. */
export function answeredByOf(headers: IncomingHttpHeaders): string {
  const { server, via } = headers
  const names = [
    ...(server === undefined ? [] : [`Server: ${String(server)}`]),
    ...(via === undefined ? [] : [`Via: ${via}`]),
  ]
  return names.length === 0 ? '' : ` (${printable(names.join(', '))})`
}
