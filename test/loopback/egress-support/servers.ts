import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { Clock, Runtime } from '../../../lib/base/runtime.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'

/** A server of a test: where it listens, and whether anybody is still connected. */
export interface TestServer {
  readonly port: number
  /** Resolves when every connection that was ever made is closed. */
  allClosed(): Promise<void>
}

/** Listens on loopback until the test ends; what is connected then is cut. */
export async function serve(t: ExecutionContext, server: Server, ip = '127.0.0.1'): Promise<TestServer> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    // The other side is expected to cut connections.
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, ip)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not listening on a port')
  const allClosed = async () => {
    await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  }
  return { port: address.port, allClosed }
}

/** A server that does this with every connection, and takes note when the other side ends it. */
export function serveRaw(t: ExecutionContext, onConnection: (socket: Socket) => void): Promise<TestServer> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    onConnection(socket)
    // What is not read hides the end that comes after it.
    socket.resume()
    socket.on('end', () => socket.destroy())
  })
  return serve(t, server)
}

/** A port of loopback where nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** The real outside, with a clock of the test's. */
export function runtimeWith(clock: Clock): Runtime {
  return { ...nodeRuntime(), clock }
}

/** Writes the same bytes again and again until the connection is cut; a flood that heeds backpressure. */
export function flood(socket: Socket, bytes: string | Uint8Array): void {
  const more = () => {
    // In turns with everybody else in this process.
    if (!socket.destroyed && socket.write(bytes)) setImmediate(more)
  }
  socket.on('drain', more)
  more()
}
