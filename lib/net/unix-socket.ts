import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { ReachError } from '../base/errors.ts'
import { systemCode } from './system-error.ts'

/** A socket in the file system that listens. Closing it cuts its connections, and removes the file. */
export interface UnixServer extends AsyncDisposable {
  close(): Promise<void>
}

/**
 * Listens on a socket in the file system (unix(7)), for whoever may write to the file: this user alone, as it is made. A
 * file that nobody listens on any more is replaced; one that is no socket, or has a listener, stays.
 * @throws {ReachError} ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET
 */
export async function listenUnix(path: string, onConnection: (socket: Socket) => void): Promise<UnixServer> {
  const connections = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    })
  try {
    await listen()
  } catch (error) {
    if (systemCode(error) !== 'EADDRINUSE' || !(await isStale(path))) throw listenError(path, error)
    await rm(path, { force: true })
    await listen().catch((again: unknown) => {
      throw listenError(path, again)
    })
  }
  let closing: Promise<void> | undefined
  const close = () =>
    (closing ??= new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of connections) socket.destroy()
    }))
  return { close, [Symbol.asyncDispose]: close }
}

/**
 * Connects to a socket in the file system. Each direction ends by itself.
 * @throws {ReachError} ERR_REACH_SOCKET, the signal's reason
 */
export async function connectUnix(path: string, signal?: AbortSignal): Promise<Socket> {
  signal?.throwIfAborted()
  const socket = connect({ path, allowHalfOpen: true })
  try {
    await connected(socket, signal)
    return socket
  } catch (error) {
    socket.on('error', () => undefined)
    socket.destroy()
    signal?.throwIfAborted()
    throw new ReachError('ERR_REACH_SOCKET', `cannot connect to unix:${path} (${systemCode(error)})`, {
      cause: error,
      details: { path, code: systemCode(error) },
    })
  }
}

function connected(socket: Socket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      socket.off('error', onError).off('connect', onConnect)
      signal?.removeEventListener('abort', onAbort)
      then()
    }
    const onError = (error: Error) => settle(() => reject(error))
    const onConnect = () => settle(resolve)
    const onAbort = () => settle(() => reject(signal?.reason))
    socket.once('error', onError).once('connect', onConnect)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** True when nobody listens there any more. A file that is no socket refuses otherwise (ENOTSOCK). */
function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (error) => resolve(systemCode(error) === 'ECONNREFUSED'))
  })
}

function listenError(path: string, error: unknown): ReachError {
  const code = systemCode(error)
  const details = { path, code }
  if (code === 'EADDRINUSE') {
    return new ReachError('ERR_REACH_ADDRESS_IN_USE', `unix:${path} is in use`, {
      cause: error,
      hint: 'end the program that listens there, remove the file, or choose another path',
      details,
    })
  }
  const isForbidden = code === 'EACCES' || code === 'EPERM'
  return new ReachError(
    isForbidden ? 'ERR_REACH_PERMISSION' : 'ERR_REACH_SOCKET',
    `cannot listen on unix:${path} (${code})`,
    { cause: error, hint: 'choose a path in a folder that exists and that you may write to', details },
  )
}
