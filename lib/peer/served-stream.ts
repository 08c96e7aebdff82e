import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { SessionStream } from '../session/session-stream.ts'
import { callHandler } from './call-handler.ts'
import type { ServeStream } from './service-table.ts'

/** What takes connections as events: `http.Server`, `net.Server`, and what is made like them. */
export interface ConnectionServer {
  emit(event: 'connection', stream: SessionStream): boolean
}

/** Who serves a service: a server, or a function that gets each stream, accepted, and who opened it. */
export type ServiceHandler = ConnectionServer | ((stream: SessionStream, peer: PeerIdentity) => unknown)

/** Streams for a handler: accepted as they come. What the handler throws resets the stream. */
export function serveWith(handler: ServiceHandler): ServeStream {
  return (stream, peer) => {
    // Without a listener, a peer that breaks off would end the process; who serves it hears of it, too.
    stream.on('error', () => undefined)
    stream.accept()
    if (typeof handler !== 'function') handler.emit('connection', stream)
    else callHandler(handler, stream, peer)
  }
}
