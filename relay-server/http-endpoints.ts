import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

export interface RelayInfo {
  /** Version of the relay's software. */
  readonly version: string
  /** STUN over UDP, as IP:PORT. */
  readonly stun: readonly string[]
}

/** Ours: a challenge is only echoed when it can do no harm in a header or a log. */
const CHALLENGE_PATTERN = /^[A-Za-z0-9._-]{1,64}$/
/** RFC 6455 §1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
/** RFC 6455 §5.5.1 and §7.4.1: a close frame with status 1000. */
const WEBSOCKET_CLOSE_NORMAL = Uint8Array.of(0x88, 0x02, 0x03, 0xe8)
/** Ours: limits of what a stranger may send and how long it may take. */
const EXCHANGE_TIMEOUT_MS = 10_000
const MAX_HEADER_BYTES = 8192

/** Answers to diagnosis over HTTP (docs/wire.md); sockets are handed to it with `emit('connection', socket)`. */
export function httpEndpoints(info: () => RelayInfo, timeoutMs = EXCHANGE_TIMEOUT_MS): Server {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAlive: false }, (request, response) =>
    answer(request, response, info),
  )
  limitExchanges(server, timeoutMs)
  server.on('upgrade', upgrade)
  server.on('clientError', (_error, socket) => socket.destroy())
  return server
}

/**
 * Ends every connection that is handed to the server after one exchange's time, however it is spent. Node's own
 * `headersTimeout` and `requestTimeout` only work in a server that listens itself, which this one does not.
 */
export function limitExchanges(server: Server, timeoutMs = EXCHANGE_TIMEOUT_MS): void {
  server.on('connection', (socket: Duplex) => {
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    socket.once('close', () => clearTimeout(timer))
  })
}

function answer(request: IncomingMessage, response: ServerResponse, info: () => RelayInfo): void {
  const path = request.url?.split('?')[0] ?? '/'
  response.setHeader('Connection', 'close')
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { Allow: 'GET, HEAD' }).end()
    return
  }
  switch (path) {
    case '/generate_204':
      generate204(request, response)
      return
    case '/healthz':
      send(response, 200, 'text/plain; charset=utf-8', 'ok\n')
      return
    case '/.well-known/p2p-reach.json':
      send(response, 200, 'application/json', `${JSON.stringify(info())}\n`)
      return
    case '/':
      send(response, 200, 'text/plain; charset=utf-8', `p2p-reach relay ${info().version}\n`)
      return
    default:
      send(response, 404, 'text/plain; charset=utf-8', 'not found\n')
  }
}

/** Echoes the challenge, so that a captive portal that also answers 204 to everything is found out. */
function generate204(request: IncomingMessage, response: ServerResponse): void {
  const challenge = request.headers['x-p2p-reach-challenge']
  if (typeof challenge === 'string' && CHALLENGE_PATTERN.test(challenge)) {
    response.setHeader('X-P2P-Reach-Response', challenge)
  }
  response.writeHead(204).end()
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response
    .writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) })
    .end(body)
}

/** Completes a WebSocket handshake (RFC 6455 §4.2.2) and closes: it shows that upgrades get through. */
function upgrade(request: IncomingMessage, socket: Duplex): void {
  const key = request.headers['sec-websocket-key']
  const isWebSocket =
    request.headers.upgrade?.toLowerCase() === 'websocket' &&
    request.headers['sec-websocket-version'] === '13'
  if (
    request.url !== '/ws' ||
    !isWebSocket ||
    typeof key !== 'string' ||
    !/^[A-Za-z0-9+/]{22}==$/.test(key)
  ) {
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    return
  }
  const accept = createHash('sha1')
    .update(key + WEBSOCKET_GUID)
    .digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  socket.end(WEBSOCKET_CLOSE_NORMAL)
}
