import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import type { TcpSocket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { bindError } from './system-error.ts'

/** A connection that somebody else made. */
export type AcceptedSocket = Socket

export interface ListenTcpOptions {
  readonly ip: string
  /** 0: one that the system picks. */
  readonly port: number
  /** New connections beyond this are closed at once. Default: no limit. */
  readonly maxConnections?: number
  /** True: the other side's end leaves our direction open until we end it, too. Default false. */
  readonly allowHalfOpen?: boolean
}

/** A listening TCP port. Closing it also ends the connections that are open. */
export interface TcpServer extends AsyncDisposable {
  readonly local: TransportAddress
  readonly connectionCount: number
  close(): Promise<void>
}

/** The two ends of a connection that came in; undefined when it was reset since and no longer knows them. */
export function endsOf({
  localAddress,
  localPort,
  remoteAddress,
  remotePort,
}: AcceptedSocket): Pick<TcpSocket, 'local' | 'remote'> | undefined {
  if (localAddress === undefined || localPort === undefined) return undefined
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  return {
    local: transportAddress(localAddress, localPort, 'tcp'),
    remote: transportAddress(remoteAddress, remotePort, 'tcp'),
  }
}

/**
 * Listens and hands every connection over as it is. IPv6 addresses listen for IPv6 only.
 * @throws {ReachError} ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET
 */
export async function listenTcp(
  options: ListenTcpOptions,
  onConnection: (socket: AcceptedSocket) => void,
): Promise<TcpServer> {
  const connections = new Set<Socket>()
  const { allowHalfOpen = false } = options
  const server = createServer({ noDelay: true, allowHalfOpen }, (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    // A connection that breaks is no event for the listener; whoever handles the socket hears it, too.
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  await listen(server, options)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  let closing: Promise<void> | undefined
  const close = () =>
    (closing ??= new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of connections) socket.destroy()
    }))
  return {
    local: transportAddress(options.ip, port, 'tcp'),
    get connectionCount() {
      return connections.size
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function listen(server: Server, { ip, port }: ListenTcpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(bindError(error, transportAddress(ip, port, 'tcp')))
    server.once('error', onError)
    server.listen({ host: ip, port, ipv6Only: true }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}
