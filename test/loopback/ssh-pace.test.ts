import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { joinChannels } from '../../relay-server/ssh/channel-copy.ts'
import { SocketPace } from '../../relay-server/ssh/socket-pace.ts'

const MIB = 1024 * 1024

/** Two ends of a TCP connection. */
async function pair(t: ExecutionContext): Promise<readonly [Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const near = connect(address.port, '127.0.0.1')
  const [far] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    for (const end of [near, far, server]) end.on('error', () => undefined)
    near.destroy()
    far.destroy()
    server.close()
  })
  return [near, far]
}

/** A channel whose client takes everything at once, as one with a huge window does. */
class Channel extends Duplex {
  taken = 0
  #source = 0
  readonly #socket: Socket

  constructor(socket: Socket, source = 0) {
    super()
    this.#socket = socket
    this.#source = source
  }

  get left(): number {
    return this.#source
  }

  override _read(): void {
    const size = Math.min(this.#source, 64 * 1024)
    this.#source -= size
    this.push(size === 0 ? null : Buffer.alloc(size))
  }

  override _write(chunk: Uint8Array, _encoding: unknown, done: () => void): void {
    this.taken += chunk.length
    this.#socket.write(chunk)
    done() // the window has room: ssh2 says so, whatever the socket does
  }
}

test('a client that promises to take more than it reads makes its sender wait, and then gets all', async (t) => {
  const [near, far] = await pair(t)
  const from = new Channel(near, 64 * MIB)
  const to = new Channel(near)
  const idle = { whenReady: (go: () => void) => go() }
  joinChannels({ stream: from, pace: idle }, { stream: to, pace: new SocketPace(near) })
  // The kernel's buffers fill first. That nothing moves for 50 turns of the loop means that it waits.
  for (let still = 0, last = -1; still < 50; still = to.taken === last ? still + 1 : 0) {
    last = to.taken
    await turn()
  }
  t.true(near.writableLength < 2 * MIB, `${near.writableLength} bytes are held`)
  t.true(from.left > 32 * MIB)
  let arrived = 0
  far.on('data', (chunk: Uint8Array) => (arrived += chunk.length))
  far.resume()
  while (arrived < 64 * MIB) await once(far, 'data')
  t.is(to.taken, 64 * MIB)
})
