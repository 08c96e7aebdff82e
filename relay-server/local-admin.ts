import type { Socket } from 'node:net'
import { join } from 'node:path'
import { ReachError } from '../lib/base/errors.ts'
import { JsonReader } from '../lib/base/json-reader.ts'
import { connectLocal, listenLocal } from '../lib/net/local-socket.ts'
import type { LocalServer } from '../lib/net/local-socket.ts'
import type { AdminRequest } from '../lib/protocol/relay/admin-request.ts'
import { FrameReader, MAX_FRAME, encodeFrame } from '../lib/protocol/relay/control-frame.ts'
import type { ControlReply } from '../lib/protocol/relay/control-reply.ts'
import { decodeControlReply, refusalError } from '../lib/protocol/relay/control-reply.ts'
import { decodeControlRequest } from '../lib/protocol/relay/control-request.ts'
import type { AdminService } from './control/admin-service.ts'

/** Holds a home folder: no other relay may use it, and its owner can administer the network through it. */
export interface HeldHome {
  /** Answers administrators from now on. */
  serve(admin: AdminService): void
  close(): Promise<void>
}

/** Who asks through the folder's socket: the operating system lets nobody else in. */
const LOCAL_OPERATOR = 'the operator of the relay'

/** @throws {ReachError} ERR_REACH_HOME_IN_USE, ERR_REACH_FILE */
export async function holdHome(home: string): Promise<HeldHome> {
  let admin: AdminService | undefined
  const serve = (socket: Socket) => {
    const frames = new FrameReader(MAX_FRAME)
    const send = (message: Readonly<Record<string, unknown>>) => void socket.write(encodeFrame(message))
    send({ type: 'holder', pid: process.pid })
    let turn = Promise.resolve()
    socket.on('data', (chunk) => {
      try {
        for (const text of frames.push(chunk)) turn = turn.then(async () => send(await answer(text, admin)))
      } catch {
        socket.destroy() // it is the same user's program: nobody to explain to
      }
    })
  }
  const server = await listenOn(home, serve)
  return {
    serve: (service) => (admin = service),
    close: () => server.close(),
  }
}

/**
 * Asks the relay that runs on a home folder. Undefined when none does.
 * @throws {ReachError} what the relay answers; ERR_REACH_RELAY_UNREACHABLE when it ends meanwhile
 */
export async function askLocally(home: string, request: AdminRequest): Promise<JsonReader | undefined> {
  const socket = await connectLocal(socketPath(home))
  if (socket === undefined) return undefined
  try {
    socket.write(encodeFrame({ type: 'admin', id: 1, request }))
    for await (const reply of repliesOf(socket)) {
      if (reply.type === 'refused') throw refusalError(reply)
      if (reply.type === 'admin-result') return reply.result
    }
  } finally {
    socket.destroy()
  }
  throw new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'the relay ended before it answered', {
    hint: 'try again',
  })
}

async function* repliesOf(socket: Socket): AsyncGenerator<ControlReply> {
  const frames = new FrameReader(MAX_FRAME)
  for await (const chunk of socket) {
    if (!(chunk instanceof Uint8Array)) continue
    for (const text of frames.push(chunk)) yield decodeControlReply(text)
  }
}

async function answer(
  text: string,
  admin: AdminService | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  let id: number | undefined
  try {
    const request = decodeControlRequest(text)
    if (request.type !== 'admin')
      throw new ReachError('ERR_REACH_REQUEST_REFUSED', 'only an administrator’s requests are answered here')
    id = request.id
    if (admin === undefined)
      throw new ReachError('ERR_REACH_NO_AUTHORITY', 'this relay does not issue certificates')
    return { type: 'admin-result', id, result: await admin.handle(request.request, LOCAL_OPERATOR) }
  } catch (error) {
    const { code, message, hint } = ReachError.is(error)
      ? error
      : new ReachError('ERR_REACH_REQUEST_REFUSED', 'the relay failed')
    return {
      type: 'refused',
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
      ...(id === undefined ? {} : { id }),
      timeMs: 0,
    }
  }
}

async function listenOn(home: string, onConnection: (socket: Socket) => void): Promise<LocalServer> {
  try {
    return await listenLocal(socketPath(home), onConnection)
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_ADDRESS_IN_USE')) throw error
    throw new ReachError('ERR_REACH_HOME_IN_USE', `another process uses ${home}`, {
      cause: error,
      hint: 'end it, or name another folder with  --home DIR',
      details: { home },
    })
  }
}

function socketPath(home: string): string {
  return join(home, 'relay.sock')
}
