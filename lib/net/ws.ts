import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
// @ts-expect-error: the package has no types
import WebSocket, { WebSocketServer } from 'ws'

/** What of ws is used. It has no types itself. */
export interface Ws extends EventEmitter {
  /** What both sides agreed to speak. */
  readonly protocol: string
  send(data: Uint8Array, options: { readonly binary: true }, done: (error?: Error) => void): void
  close(code: number): void
  /** Ends the connection at once. */
  terminate(): void
  pause(): void
  resume(): void
}

export interface WsServer {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, done: (socket: Ws) => void): void
}

/** Options of both sides, as ws names them. */
interface WsOptions {
  readonly perMessageDeflate: false
  readonly maxPayload: number
}

interface WsClientOptions extends WsOptions {
  readonly createConnection: () => Duplex
  readonly headers: Readonly<Record<string, string>>
  readonly skipUTF8Validation: boolean
  /** Fills in the masking key of a message; zeros spare both ends the work. */
  readonly generateMask: (mask: Uint8Array) => void
}

interface WsServerOptions extends WsOptions {
  readonly noServer: true
  readonly clientTracking: false
  readonly handleProtocols: (offered: ReadonlySet<string>) => string | false
}

type WsConstructor = new (url: string, protocols: readonly string[], options: WsClientOptions) => Ws
type WsServerConstructor = new (options: WsServerOptions) => WsServer

/** The client. */
export const Ws = WebSocket as WsConstructor
/** The server. */
export const WsServer = WebSocketServer as WsServerConstructor
