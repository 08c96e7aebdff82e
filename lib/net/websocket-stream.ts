import type { IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { protocolError } from './protocol-error.ts'
import { Ws, WsServer } from './ws.ts'

/** Where relays take WebSockets, and what streams in them are called (docs/wire.md). */
export const WEBSOCKET_PATH = '/ws'
export const WEBSOCKET_PROTOCOL = 'p2p-reach.1'

/** Ours: a message is held whole by whoever receives it; we send no longer ones. */
const MAX_SENT_BYTES = 64 * 1024
/** Ours: what a middlebox may have joined together of them. */
const MAX_MESSAGE_BYTES = 1024 * 1024
/** RFC 6455 §7.4.1. */
const NORMAL_CLOSURE = 1000
/** The end of one direction: WebSockets know no half-close, and a message of ours is never empty otherwise. */
const END = new Uint8Array(0)

/** Whom the upgrade asks for. */
export interface WebSocketTarget {
  /** Value of the Host header. */
  readonly host: string
  readonly signal: AbortSignal
}

/**
 * A byte stream in binary messages of a WebSocket (RFC 6455), over a connection to an HTTP server. Without compression,
 * which would only cost: what is inside is encrypted. It owns the connection from the call on.
 * @throws what the server or the network did instead, with a code; the signal's reason
 */
export async function openWebSocketStream(
  connection: Duplex,
  { host, signal }: WebSocketTarget,
): Promise<Duplex> {
  signal.throwIfAborted()
  const socket = new Ws(`ws://relay${WEBSOCKET_PATH}`, [WEBSOCKET_PROTOCOL], {
    createConnection: () => connection,
    headers: { Host: host, 'User-Agent': 'p2p-reach' },
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    skipUTF8Validation: true, // text ends the stream anyway
    generateMask: maskNothing,
  })
  // It reads at once what comes behind the upgrade: nothing may be lost before somebody listens.
  const stream = new WebSocketStream(socket)
  stream.on('error', () => undefined) // told below, and later by its end
  try {
    await opened(socket, connection, signal)
    return stream
  } catch (error) {
    stream.destroy()
    connection.destroy()
    throw error
  }
}

function opened(socket: Ws, connection: Duplex, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      signal.removeEventListener('abort', onAbort)
      outcome()
    }
    const onAbort = () => settle(() => reject(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('unexpected-response', (_request: unknown, { statusCode = 0 }: IncomingMessage) => {
      const refused = protocolError(`HTTP_${statusCode}`, `answered ${statusCode} instead of a WebSocket`)
      settle(() => reject(refused))
      connection.destroy()
    })
    socket.once('open', () => settle(resolve))
    socket.on('error', (error: Error) => settle(() => reject(error)))
    socket.once('close', () => settle(() => reject(protocolError('ECONNRESET', 'the connection was cut'))))
  })
}

/** Takes WebSockets at a server; a stream of this program's own is told by its protocol. */
export class WebSocketAcceptor {
  readonly #server: WsServer = new WsServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: (offered) => offered.has(WEBSOCKET_PROTOCOL) && WEBSOCKET_PROTOCOL,
  })

  /** Answers an upgrade, also one that is none. @param onStream called only for a client that wants a stream */
  accept(
    request: IncomingMessage,
    connection: Duplex,
    head: Uint8Array,
    onStream: (stream: Duplex) => void,
  ): void {
    this.#server.handleUpgrade(request, connection, head, (socket) => {
      if (socket.protocol === WEBSOCKET_PROTOCOL) {
        onStream(new WebSocketStream(socket))
        return
      }
      socket.on('error', () => undefined)
      socket.close(NORMAL_CLOSURE) // it only asks whether upgrades get through
    })
  }
}

/**
 * Bytes in binary messages. An empty message ends a direction while the other one goes on; a connection that goes away
 * before is an error, so that nobody takes a torso for the whole.
 */
class WebSocketStream extends Duplex {
  readonly #socket: Ws
  #hasTheirEnd = false
  #hasOurEnd = false

  constructor(socket: Ws) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    socket.on('message', (data: Uint8Array, isBinary: boolean) => this.#take(data, isBinary))
    socket.on('error', (error: Error) => this.destroy(error))
    socket.once('close', () => this.#closed())
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Uint8Array, _encoding: unknown, done: (error?: Error | null) => void): void {
    for (let at = 0; at < chunk.length; at += MAX_SENT_BYTES) {
      const isLast = at + MAX_SENT_BYTES >= chunk.length
      this.#socket.send(
        chunk.subarray(at, at + MAX_SENT_BYTES),
        { binary: true },
        isLast ? done : ignoreResult,
      )
    }
    if (chunk.length === 0) done()
  }

  override _writev(
    chunks: readonly { readonly chunk: Uint8Array }[],
    done: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), undefined, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.send(END, { binary: true }, (error) => {
      this.#hasOurEnd = true
      done(error)
      this.#closeIfOver()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#hasOurEnd || !this.#hasTheirEnd) this.#socket.terminate()
    done(error)
  }

  #take(data: Uint8Array, isBinary: boolean): void {
    if (!isBinary || this.#hasTheirEnd) {
      this.destroy(protocolError('EPROTO', 'what came is no stream of bytes'))
    } else if (data.length > 0) {
      if (!this.push(data)) this.#socket.pause()
    } else {
      this.#hasTheirEnd = true
      this.push(null)
      this.#closeIfOver()
    }
  }

  #closeIfOver(): void {
    if (this.#hasOurEnd && this.#hasTheirEnd) this.#socket.close(NORMAL_CLOSURE)
  }

  #closed(): void {
    if (this.#hasTheirEnd && this.#hasOurEnd) return
    this.destroy(protocolError('ECONNRESET', 'the connection was cut'))
  }
}

/**
 * Masks are there so that a page in a browser can't choose what bytes a proxy sees (RFC 6455 §10.3). What we send is
 * ciphertext that nobody chooses, and to mask it costs both ends more than to encrypt it: the key of zeros changes nothing.
 */
function maskNothing(mask: Uint8Array): void {
  mask.fill(0)
}

function ignoreResult(): void {
  return // the last message tells of an error, too
}
