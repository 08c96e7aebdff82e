import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { listenTcp } from '../../../lib/net/tcp-server.ts'
import type { TcpServer } from '../../../lib/net/tcp-server.ts'
import { splice } from '../../../lib/net/splice.ts'
import type { Splice, SpliceOptions } from '../../../lib/net/splice.ts'

/** Two clients whose connections a server has accepted and joined: `left` is on side a, `right` on side b. */
export interface JoinedPair {
  readonly left: Socket
  readonly right: Socket
  readonly splice: Splice
}

/** A server that accepts connections two by two, as a relay does. */
export class PairServer implements AsyncDisposable {
  readonly #server: TcpServer
  readonly #accepted: Socket[]
  readonly #clients: Socket[] = []
  #wake: () => void = () => undefined

  private constructor(server: TcpServer, accepted: Socket[]) {
    this.#server = server
    this.#accepted = accepted
  }

  static async open(ip: string): Promise<PairServer> {
    const accepted: Socket[] = []
    const server = await listenTcp({ ip, port: 0, allowHalfOpen: true }, (socket) => {
      accepted.push(socket)
      opened.#wake()
    })
    const opened = new PairServer(server, accepted)
    return opened
  }

  get connectionCount(): number {
    return this.#server.connectionCount
  }

  /** One client, and the server's end of its connection. One after the other: they are told apart by their order. */
  async connection(): Promise<{ readonly client: Socket; readonly accepted: Socket }> {
    const { ip, port } = this.#server.local
    const client = connect({ host: ip, port, allowHalfOpen: true, noDelay: true })
    this.#clients.push(client)
    await once(client, 'connect')
    for (;;) {
      const accepted = this.#accepted.shift()
      if (accepted !== undefined) return { client, accepted }
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async join(options: SpliceOptions = {}): Promise<JoinedPair> {
    const a = await this.connection()
    const b = await this.connection()
    return { left: a.client, right: b.client, splice: splice(a.accepted, b.accepted, options) }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy()
    await this.#server.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The code of the error that a connection fails with; undefined when it closes without one. */
export function failure(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let code: string | undefined
    socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code))
    socket.once('close', () => resolve(code))
    socket.resume()
  })
}

/** Turns of the event loop without any change, after which nothing is taken to be under way on loopback. */
const QUIET_TURNS = 2000

/** Waits until a figure has stopped to change. */
export async function settled(figure: () => number): Promise<number> {
  let last = figure()
  for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
    await nextTurn()
    if (figure() === last) continue
    last = figure()
    quiet = 0
  }
  return last
}
