import { createHash, randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { chmod, link, mkdir, rename, rm, stat } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import { ReachError } from '../base/errors.ts'
import { systemCode } from './system-error.ts'

/** A socket in the file system that one process at a time listens on. Closing it ends its connections. */
export interface LocalServer extends AsyncDisposable {
  close(): Promise<void>
}

/** Unix: sun_path has 108 bytes on Linux, 104 on others, the last one zero (unix(7)). */
const MAX_PATH_LENGTH = 103
/** Ours: how often to try again when others start and end at the same moment. */
const MAX_ATTEMPTS = 5

/**
 * Listens on a local socket, for the same user only. The kernel gives it back when the process ends in whatever way, so
 * it serves as a lock that can't be left behind: whoever comes second is told so.
 * @throws {ReachError} ERR_REACH_ADDRESS_IN_USE when another process listens there, ERR_REACH_FILE
 */
export async function listenLocal(
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<LocalServer> {
  const connections = new Set<Socket>()
  const server = createServer((socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    socket.on('error', () => undefined) // whoever handles it hears of it, too
    onConnection(socket)
  })
  if (process.platform === 'win32') await listen(server, pipeName(path))
  else await listenExclusively(server, path)
  let closing: Promise<void> | undefined
  const close = () =>
    (closing ??= (async () => {
      if (process.platform !== 'win32') await rm(path, { force: true })
      await new Promise<void>((done) => {
        server.close(() => done())
        for (const socket of connections) socket.destroy()
      })
    })())
  return { close, [Symbol.asyncDispose]: close }
}

/** Connects to who listens on a local socket; undefined when nobody does. @throws {ReachError} ERR_REACH_FILE */
export async function connectLocal(path: string): Promise<Socket | undefined> {
  if (process.platform === 'win32') return dial(pipeName(path))
  return withShortPath(path, dial)
}

/**
 * Listens under a temporary name and links that to the real one, which only one process can do. A name that nobody
 * listens on was left by a process that was killed: it is moved away, which again only one process can do.
 */
async function listenExclusively(server: Server, path: string): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.sock`)
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await withShortPath(temporary, (short) => listen(server, short))
    await chmod(temporary, 0o600)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (await tryLink(temporary, path)) return
      await removeStale(path)
    }
    throw inUse(path)
  } catch (error) {
    server.close()
    if (ReachError.is(error)) throw error
    throw new ReachError('ERR_REACH_FILE', `cannot listen on ${path} (${systemCode(error)})`, {
      cause: error,
    })
  } finally {
    await rm(temporary, { force: true })
  }
}

async function tryLink(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** @throws {ReachError} ERR_REACH_ADDRESS_IN_USE when somebody listens there */
async function removeStale(path: string): Promise<void> {
  const before = await inodeOf(path)
  const socket = await connectLocal(path)
  socket?.destroy()
  if (socket !== undefined) throw inUse(path)
  if (before === undefined) return
  const moved = `${path}.${randomBytes(6).toString('hex')}.stale`
  try {
    await rename(path, moved)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return // another process was faster
    throw error
  }
  // Between the look and the move, another process may have put its own there: that one goes back.
  if ((await inodeOf(moved)) !== before) await link(moved, path).catch(() => undefined)
  await rm(moved, { force: true })
}

async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino
  } catch {
    return undefined // gone
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, reject) => {
    const onError = (error: Error) => reject(systemCode(error) === 'EADDRINUSE' ? inUse(path) : error)
    server.once('error', onError)
    server.listen({ path }, () => {
      server.off('error', onError)
      done()
    })
  })
}

function dial(path: string): Promise<Socket | undefined> {
  return new Promise((done) => {
    const socket = connect({ path })
    socket.once('connect', () => done(socket))
    socket.on('error', () => done(undefined)) // nobody listens, or it is no socket
  })
}

/** A path that is too long for the kernel is reached through its folder's descriptor, on Linux. */
async function withShortPath<T>(path: string, use: (short: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= MAX_PATH_LENGTH) return use(path)
  if (process.platform !== 'linux') {
    throw new ReachError('ERR_REACH_FILE', `the path ${path} is too long for a local socket`, {
      hint: 'name a shorter folder with  --home DIR',
    })
  }
  let folder: number
  try {
    folder = openSync(dirname(path), 'r')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return use(path) // then nobody listens there
    throw error
  }
  try {
    return await use(`/proc/self/fd/${folder}/${basename(path)}`)
  } finally {
    closeSync(folder)
  }
}

/** Windows has no files for it: a name of the folder takes the place. */
function pipeName(path: string): string {
  return `\\\\.\\pipe\\p2p-reach-${createHash('sha256').update(resolve(path)).digest('hex').slice(0, 32)}`
}

function inUse(path: string): ReachError {
  return new ReachError('ERR_REACH_ADDRESS_IN_USE', `another process listens on ${path}`, {
    details: { path },
  })
}
