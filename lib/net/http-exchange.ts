import { request } from 'node:http'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { protocolError } from './protocol-error.ts'

/** Ours: what honest servers send is a tenth of it; what a hostile one may make us hold. Status line included. */
export const MAX_HEADER_BYTES = 16 * 1024

/** Ours: an honest server sends one `100 Continue` or `103 Early Hints` at most; endless ones must not keep us. */
const MAX_INFORMATIONAL_RESPONSES = 4

/** The first lines of a request. */
export interface HttpRequestHead {
  readonly method: 'GET' | 'POST' | 'CONNECT'
  /** The request target: a path, or HOST:PORT for CONNECT. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
}

/** What few requests need. */
export interface ExchangeOptions {
  /** What follows the head; its Content-Length belongs into the head. Default: nothing. */
  readonly body?: Uint8Array
  /**
   * Bears with answers that break the grammar of HTTP in ways that are harmless on a connection for one request alone,
   * as home routers do. Default: false.
   */
  readonly isLenient?: boolean
}

/**
 * The head of an answer, and what follows it: `response` has a body to read; after `switched` (101, or any answer to
 * CONNECT) the connection carries something else, of which `firstBytes` have been read already.
 */
export type HttpAnswer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
} & (
  | { readonly kind: 'response'; readonly message: IncomingMessage }
  | { readonly kind: 'switched'; readonly firstBytes: Uint8Array }
)

/**
 * Sends one HTTP/1.1 request over a connection and waits for the head of the answer. Follows no redirect, keeps no
 * connection alive. Rejects with Node's error (HPE_… for what is not HTTP, ECONNRESET, …) or the signal's reason.
 */
export function exchange(
  socket: Duplex,
  head: HttpRequestHead,
  signal: AbortSignal,
  options: ExchangeOptions = {},
): Promise<HttpAnswer> {
  signal.throwIfAborted()
  if (socket.destroyed) throw protocolError('ECONNRESET', 'the connection was cut')
  const sent = request({
    createConnection: () => socket,
    method: head.method,
    path: head.target,
    headers: head.headers satisfies OutgoingHttpHeaders,
    // The Host header is ours: Node would add its idea of a port.
    setHost: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    insecureHTTPParser: options.isLenient === true,
  })
  const answered = answerOf(sent, signal)
  sent.end(options.body)
  return answered
}

function answerOf(sent: ClientRequest, signal: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    let informational = 0
    const settle = (outcome: () => void) => {
      signal.removeEventListener('abort', onAbort)
      sent.off('close', onClose)
      outcome()
    }
    const fail = (error: unknown) => {
      settle(() => reject(error))
      sent.destroy()
    }
    const onAbort = () => fail(signal.reason)
    const onClose = () => fail(protocolError('ECONNRESET', 'the connection was cut before an answer'))
    const switched = (
      { statusCode = 0, headers }: IncomingMessage,
      _socket: Duplex,
      firstBytes: Uint8Array,
    ) => settle(() => resolve({ kind: 'switched', status: statusCode, headers, firstBytes }))
    signal.addEventListener('abort', onAbort, { once: true })
    // Stays on after the head: a body that breaks is reported here, too.
    sent.on('error', fail)
    sent.on('close', onClose)
    sent.on('information', () => {
      if (++informational > MAX_INFORMATIONAL_RESPONSES) {
        fail(protocolError('TOO_MANY_INFORMATIONAL_RESPONSES', 'the server sends endless 1xx responses'))
      }
    })
    sent.once('upgrade', switched)
    sent.once('connect', switched)
    sent.once('response', (message) =>
      settle(() =>
        resolve({ kind: 'response', status: message.statusCode ?? 0, headers: message.headers, message }),
      ),
    )
  })
}

/** The body of an answer, or as much of it as came. */
export interface HttpBody {
  readonly body: Uint8Array
  /** False when it was too long, too slow or broken off. */
  readonly isComplete: boolean
}

/** Reads a body up to `maxBytes`; what is broken off, by the signal too, is given as far as it came. Never rejects. */
export async function readBody(
  message: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<HttpBody> {
  const body = new Uint8Array(maxBytes)
  let length = 0
  const onAbort = () => void message.destroy()
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for await (const chunk of message) {
      if (!(chunk instanceof Uint8Array)) continue
      const room = body.subarray(length)
      room.set(chunk.subarray(0, room.length))
      length += Math.min(chunk.length, room.length)
      if (chunk.length > room.length) return { body: body.subarray(0, length), isComplete: false }
    }
    return { body: body.subarray(0, length), isComplete: message.complete }
  } catch {
    return { body: body.subarray(0, length), isComplete: false } // broken off: what came is the answer
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
