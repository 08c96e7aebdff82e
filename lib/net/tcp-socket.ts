import { Socket } from 'node:net'
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
 * ERR_REACH_PERMISSION for a local port that can't be had
 * @throws the signal's reason when it fires first
 */
export function connectTcp(to: TransportAddress, options: ConnectTcpOptions = {}): Promise<NodeTcpSocket> {
  const { signal, localPort } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason)
      return
    }
    const startMs = nodeClock.nowMs()
    const socket = new Socket({ allowHalfOpen: true })
    const settle = () => {
      signal?.removeEventListener('abort', onAbort)
      socket.removeListener('error', onError)
      socket.removeListener('connect', onConnect)
    }
    const fail = (reason: unknown, code: string) => {
      settle()
      // A destroyed socket may still report: nobody else listens now.
      socket.on('error', () => undefined)
      socket.destroy()
      publishTcpConnectionFailed({ family: to.family, code, elapsedMs: nodeClock.nowMs() - startMs })
      reject(reason)
    }
    const onAbort = () => fail(signal?.reason, 'ABORTED')
    const onError = (error: Error) => fail(errorOf(error, to, localPort), systemCode(error))
    const onConnect = () => {
      settle()
      publishTcpConnectionOpened({ family: to.family, elapsedMs: nodeClock.nowMs() - startMs })
      resolve(withEnds(socket, to))
    }
    socket.connect({
      host: to.ip,
      port: to.port,
      family: to.family === 'ipv4' ? 4 : 6,
      noDelay: true,
      ...(localPort === undefined ? {} : { localPort }),
    })
    socket.on('error', onError)
    socket.on('connect', onConnect)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Puts the two ends beside a connected socket. Read now: a closed socket no longer knows its own. */
function withEnds(socket: Socket, remote: TransportAddress): NodeTcpSocket {
  const local = transportAddress(socket.localAddress ?? '', socket.localPort ?? 0, 'tcp')
  return Object.assign(socket, { local, remote })
}

function errorOf(error: unknown, to: TransportAddress, localPort: number | undefined): unknown {
  if (localPort !== undefined && isBindError(error)) {
    return bindError(error, transportAddress(to.family === 'ipv4' ? '0.0.0.0' : '::', localPort, 'tcp'))
  }
  return connectError(error, to)
}
