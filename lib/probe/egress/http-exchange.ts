import { request } from 'node:http'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { protocolError } from './attempt.ts'

/** Ours: what honest servers send is a tenth of it; what a hostile one may make us hold. Status line included. */
export const MAX_HEADER_BYTES = 16 * 1024

/** Ours: an honest server sends one `100 Continue` or `103 Early Hints` at most; endless ones must not keep us. */
const MAX_INFORMATIONAL_RESPONSES = 4

export interface HttpRequestHead {
  readonly method: 'GET' | 'CONNECT'
  /** The request target: a path, or HOST:PORT for CONNECT. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
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
export function exchange(socket: Duplex, head: HttpRequestHead, signal: AbortSignal): Promise<HttpAnswer> {
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
  })
  const answered = answerOf(sent, signal)
  sent.end()
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
