import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { WEBSOCKET_PATH, WebSocketAcceptor } from '../lib/net/websocket-stream.ts'

/** Somebody has opened a stream to the relay inside a WebSocket over that connection. */
export type CarriedStreamListener = (stream: Duplex, connection: Duplex) => void

export interface RelayInfo {
  /** Version of the relay's software. */
  readonly version: string
  /** STUN over UDP, as IP:PORT. */
  readonly stun: readonly string[]
}

/** Ours: a challenge is only echoed when it can do no harm in a header or a log. */
const CHALLENGE_PATTERN = /^[A-Za-z0-9._-]{1,64}$/
/** Ours: limits of what a stranger may send and how long it may take. */
const EXCHANGE_TIMEOUT_MS = 10_000
const MAX_HEADER_BYTES = 8192

/** Answers to diagnosis over HTTP (docs/wire.md); sockets are handed to it with `emit('connection', socket)`. */
export function httpEndpoints(
  info: () => RelayInfo,
  timeoutMs = EXCHANGE_TIMEOUT_MS,
  onStream?: CarriedStreamListener,
): Server {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAlive: false }, (request, response) =>
    answer(request, response, info),
  )
  const unlimit = limitExchanges(server, timeoutMs)
  const acceptor = new WebSocketAcceptor()
  server.on('upgrade', (request, connection, head) => {
    // ws would take drafts before the standard, too.
    const isOfStandard = request.headers['sec-websocket-version'] === '13'
    if (request.url?.split('?')[0] !== WEBSOCKET_PATH || !isOfStandard) {
      connection.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    acceptor.accept(request, connection, head, (stream) => {
      unlimit(connection)
      if (onStream === undefined) stream.destroy()
      else onStream(stream, connection)
    })
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  return server
}

/**
 * Ends every connection that is handed to the server after one exchange's time, however it is spent. Node's own
 * `headersTimeout` and `requestTimeout` only work in a server that listens itself, which this one does not.
 * @returns what frees a connection of the limit
 */
export function limitExchanges(
  server: Server,
  timeoutMs = EXCHANGE_TIMEOUT_MS,
): (connection: Duplex) => void {
  const timers = new WeakMap<Duplex, NodeJS.Timeout>()
  server.on('connection', (socket: Duplex) => {
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    timers.set(socket, timer)
    socket.once('close', () => clearTimeout(timer))
  })
  return (connection) => clearTimeout(timers.get(connection))
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
