import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { ReachError } from '../base/errors.ts'
import type { ConnectTcpOptions, TcpSocket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { publishTcpConnectionFailed, publishTcpConnectionOpened } from './diagnostics.ts'
import { nodeClock } from './node-clock.ts'
import { bindError, connectError, isBindError, systemCode } from './system-error.ts'

/** A TcpSocket that is a whole node:net Socket, with its options and counters. */
export type NodeTcpSocket = Socket & TcpSocket

/**
 * Dials, without delay of small writes (TCP_NODELAY). Each direction ends by itself: the other side's end does not end
 * ours. Sets no time limit: hand in a deadline's signal. Once connected, the signal has no say any more.
 * @throws {ReachError} ERR_REACH_SOCKET with the system's code in `details.code`; ERR_REACH_ADDRESS_IN_USE and
 * ERR_REACH_PERMISSION for a local port that can't be had; ERR_REACH_SOCKET also for a local IP that is not ours
 * @throws the signal's reason when it fires first
 */
export async function connectTcp(
  to: TransportAddress,
  options: ConnectTcpOptions = {},
): Promise<NodeTcpSocket> {
  const { signal } = options
  signal?.throwIfAborted()
  const startMs = nodeClock.nowMs()
  const socket = dial(to, options)
  try {
    await connected(socket, signal)
  } catch (error) {
    const code = signal?.aborted === true ? 'ABORTED' : systemCode(error)
    publishTcpConnectionFailed({ family: to.family, code, elapsedMs: nodeClock.nowMs() - startMs })
    signal?.throwIfAborted()
    throw errorOf(error, to, options)
  }
  publishTcpConnectionOpened({ family: to.family, elapsedMs: nodeClock.nowMs() - startMs })
  return withEnds(socket, to)
}

function dial(to: TransportAddress, { localIp, localPort }: ConnectTcpOptions): Socket {
  // Not `new Socket().connect(…)`: that ignores noDelay (seen with strace on Node 20.20).
  return connect({
    host: to.ip,
    port: to.port,
    family: to.family === 'ipv4' ? 4 : 6,
    noDelay: true,
    allowHalfOpen: true,
    ...(localIp === undefined ? {} : { localAddress: localIp }),
    ...(localPort === undefined ? {} : { localPort }),
  })
}

/** Resolves once connected. Failing that, destroys the socket and rejects with the system's error or the signal's reason. */
function connected(socket: Socket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      signal?.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      socket.off('connect', onConnect)
    }
    const fail = (reason: unknown) => {
      settle()
      // A destroyed socket may still report; nobody listens any more, and that would end the process.
      socket.on('error', () => undefined)
      socket.destroy()
      reject(reason)
    }
    const onAbort = () => fail(signal?.reason)
    const onError = (error: Error) => fail(error)
    const onConnect = () => {
      settle()
      resolve()
    }
    socket.on('error', onError)
    socket.on('connect', onConnect)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Puts the two ends beside a connected socket. Read now: a closed socket no longer knows its own. */
function withEnds(socket: Socket, remote: TransportAddress): NodeTcpSocket {
  const { localAddress, localPort } = socket
  if (localAddress === undefined || localPort === undefined) {
    // macOS forgets the local end of a connection that was reset in the same moment.
    socket.destroy()
    throw connectError({ code: 'ECONNRESET' }, remote)
  }
  return Object.assign(socket, { local: transportAddress(localAddress, localPort, 'tcp'), remote })
}

function errorOf(error: unknown, to: TransportAddress, options: ConnectTcpOptions): ReachError {
  const { localIp = to.family === 'ipv4' ? '0.0.0.0' : '::', localPort = 0 } = options
  if ((options.localIp ?? options.localPort) !== undefined && isBindError(error)) {
    return bindError(error, transportAddress(localIp, localPort, 'tcp'))
  }
  return connectError(error, to)
}
