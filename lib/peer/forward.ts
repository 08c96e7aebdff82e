import type { Duplex } from 'node:stream'
import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import { transportAddress } from '../base/transport-address.ts'
import type { Runtime } from '../base/runtime.ts'
import { connectUnix, listenUnix } from '../net/unix-socket.ts'
import { resetConnection } from '../net/reset-connection.ts'
import { splice } from '../net/splice.ts'
import { listenTcp } from '../net/tcp-server.ts'
import type { SessionStream } from '../session/session-stream.ts'
import { explained } from './open-stream.ts'
import type { ForwardTarget, StreamTarget } from './forward-target.ts'
import { formatForwardTarget } from './forward-target.ts'
import type { ForwardEvent, Forwarding } from './forwarding.ts'
import type { ExposeUdpOptions, ForwardUdpOptions } from './forward-udp.ts'
import { exposeUdp, forwardUdp } from './forward-udp.ts'
import type { Exposure } from './peer-options.ts'
import type { Peer } from './peer.ts'
import { parseServiceAddress } from './service-address.ts'

/** How a target is exposed; `idleMs` and `maxFlows` count for UDP. */
export type ExposeOptions = ExposeUdpOptions

/** How local connections or datagrams are forwarded to a service; `idleMs` and `maxFlows` count for UDP. */
export type ForwardOptions = ForwardUdpOptions

/** Ours: to connect to a program on the same computer or network. */
const TARGET_TIMEOUT_MS = 10_000
/** Ours: connections of one forwarding at a time. */
const MAX_CONNECTIONS = 4096

/**
 * Exposes a program that listens on this computer, or one that this computer can reach: each stream becomes a connection
 * to it. A stream is accepted only when the connection is up. For a UDP target see `exposeUdp`.
 * @throws {ReachError} as `Peer.listen`
 */
export function exposeTarget(
  peer: Peer,
  service: string,
  target: ForwardTarget,
  options: ExposeOptions = {},
): Promise<Exposure> {
  if (target.kind === 'udp') return exposeUdp(peer, service, target.endpoint, options)
  return peer.listenRaw(service, (stream) => void serve(peer, stream, target, options), options)
}

async function serve(
  peer: Peer,
  stream: SessionStream,
  target: StreamTarget,
  { onEvent }: ExposeOptions,
): Promise<void> {
  stream.on('error', () => undefined) // the splice, or nobody, hears of it
  let socket: Duplex
  try {
    using deadline = deadlineSignal(peer.runtime.clock, TARGET_TIMEOUT_MS)
    socket = await connectTarget(peer.runtime, target, deadline.signal)
  } catch (error) {
    stream.reset('target-unreachable')
    onEvent?.({ kind: 'failed', error: targetError(target, error) })
    return
  }
  socket.on('error', () => undefined)
  if (stream.destroyed) {
    socket.destroy()
    return
  }
  stream.accept()
  await carry(socket, stream, onEvent)
}

/**
 * Listens on this computer, and leads each connection to the service. For a UDP port see `forwardUdp`.
 * @param listen where; port 0 for one that the system picks
 * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET
 */
export async function forwardTo(
  peer: Peer,
  address: string,
  listen: ForwardTarget,
  options: ForwardOptions = {},
): Promise<Forwarding> {
  if (listen.kind === 'udp') return forwardUdp(peer, address, listen.endpoint, options)
  const { peer: name, service } = parseServiceAddress(address)
  const onConnection = (socket: Duplex) => void forward(peer, socket, { peer: name, service }, options)
  if (listen.kind === 'unix') {
    const server = await listenUnix(listen.path, onConnection)
    return forwardingOf(formatForwardTarget(listen), server)
  }
  const { host, port } = listen.endpoint
  const ip = host === 'localhost' ? '127.0.0.1' : host
  const server = await listenTcp(
    { ip, port, allowHalfOpen: true, maxConnections: MAX_CONNECTIONS },
    onConnection,
  )
  const local = formatForwardTarget({ kind: 'tcp', endpoint: { host: ip, port: server.local.port } })
  return forwardingOf(local, server)
}

function forwardingOf(local: string, server: { close(): Promise<void> }): Forwarding {
  const close = () => server.close()
  return { local, close, [Symbol.asyncDispose]: close }
}

async function forward(
  peer: Peer,
  socket: Duplex,
  address: { readonly peer: string; readonly service: string },
  { onEvent, signal }: ForwardOptions,
): Promise<void> {
  socket.on('error', () => undefined)
  socket.pause()
  try {
    const session = await peer.sessionWith(address.peer, signal)
    if (socket.destroyed) return
    const stream = session.open(address.service)
    stream.on('error', (error: unknown) => {
      if (ReachError.is(error, 'ERR_REACH_STREAM_REFUSED'))
        onEvent?.({ kind: 'failed', error: asReach(explained(error, address)) })
    })
    await carry(socket, stream, onEvent)
  } catch (error) {
    resetConnection(socket)
    onEvent?.({ kind: 'failed', error: asReach(explained(error, address)) })
  }
}

async function carry(
  socket: Duplex,
  stream: SessionStream,
  onEvent: ((event: ForwardEvent) => void) | undefined,
): Promise<void> {
  const joined = splice(socket, stream)
  const end = await joined.closed
  const { bytesAToB, bytesBToA } = joined
  onEvent?.({ kind: 'closed', bytesIn: bytesBToA, bytesOut: bytesAToB, reset: end.kind !== 'ended' })
}

async function connectTarget(runtime: Runtime, target: StreamTarget, signal: AbortSignal): Promise<Duplex> {
  if (target.kind === 'unix') return connectUnix(target.path, signal)
  const { host, port } = target.endpoint
  const found = await runtime.resolver.lookup(host, signal)
  if (found.kind !== 'found')
    throw new ReachError('ERR_REACH_HOST_NOT_FOUND', `${host} can’t be resolved (${found.code})`)
  let last: unknown
  for (const ip of found.ips) {
    try {
      return await runtime.network.connectTcp(transportAddress(ip, port, 'tcp'), { signal })
    } catch (error) {
      signal.throwIfAborted()
      last = error
    }
  }
  throw last
}

function targetError(target: ForwardTarget, error: unknown): ReachError {
  const where = formatForwardTarget(target)
  return new ReachError('ERR_REACH_SOCKET', `nothing answers at ${where}: ${messageOf(error)}`, {
    cause: error,
    hint: `start the program that should listen on ${where}, or expose another address`,
    details: { target: where },
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'it failed'
}

function asReach(error: unknown): ReachError {
  return ReachError.is(error)
    ? error
    : new ReachError('ERR_REACH_SESSION_LOST', messageOf(error), { cause: error })
}
