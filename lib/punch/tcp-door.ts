import type { Runtime } from '../base/runtime.ts'
import type { AcceptedSocket } from '../net/tcp-server.ts'
import { endsOf } from '../net/tcp-server.ts'
import type { IceCredentials } from '../protocol/ice/connectivity-check.ts'
import { CheckFrameReader } from '../protocol/punch/check-frames.ts'
import type { TcpPath } from './tcp-attempt.ts'
import { TcpConnection } from './tcp-connection.ts'
import type { TcpListener } from './tcp-listener.ts'
import { checkNames } from './tcp-stranger.ts'

/** What a {@link TcpDoor} is made of. */
export interface TcpDoorSetup {
  readonly runtime: Runtime
  readonly listeners: readonly TcpListener[]
  /** To which checks are addressed that knock here. */
  readonly ufrag: string
  /** The credentials of an end, by its fragment; ours, too. Who can't derive them does not get in. */
  readonly credentialsOf: (ufrag: string) => IceCredentials
  /** Who knocked knows the secret. The socket is the receiver's from now on, paused. */
  readonly onConnection: (path: TcpPath) => void
}

/** Ours: connections that are being checked at once. */
const MAX_KNOCKING = 32
/** Of a fragment, as RFC 8445 §5.3 has it; a longer one than ours is none of ours. */
const UFRAG = /^[A-Za-z0-9+/]{4,32}$/

/** Takes connections without an attempt that was agreed upon before: from whoever shares a secret with us. */
export class TcpDoor implements Disposable {
  readonly #setup: TcpDoorSetup
  readonly #seats: readonly Disposable[]
  readonly #knocking = new Set<TcpConnection>()

  /** @throws {RangeError} when an attempt of a listener has the same fragment */
  constructor(setup: TcpDoorSetup) {
    this.#setup = setup
    this.#seats = setup.listeners.map((listener) =>
      listener.expect(setup.ufrag, (socket, read) => this.#knock(socket, read)),
    )
  }

  /** Nobody gets in any more; who is in stays. Idempotent. */
  [Symbol.dispose](): void {
    for (const seat of this.#seats) seat[Symbol.dispose]()
    for (const connection of this.#knocking) connection.close()
    this.#knocking.clear()
  }

  #knock(socket: AcceptedSocket, read: Uint8Array): void {
    const ends = endsOf(socket)
    const from = callerOf(read)
    if (ends === undefined || from === undefined || this.#knocking.size >= MAX_KNOCKING) {
      socket.destroy()
      return
    }
    const { runtime, ufrag, credentialsOf, onConnection } = this.#setup
    const options = {
      ...({ role: 'controlled', localCredentials: credentialsOf(ufrag), remote: ends.remote } as const),
      remoteCredentials: credentialsOf(from),
      randomBytes: (length: number) => runtime.random.bytes(length),
    }
    const connection: TcpConnection = new TcpConnection(
      { stream: socket, read, clock: runtime.clock, options },
      {
        onVerified: () => undefined,
        onNominated: () => {
          this.#knocking.delete(connection)
          onConnection({ socket, ...ends, how: 'accepted' })
        },
        onFailed: () => void this.#knocking.delete(connection),
        onError: () => void this.#knocking.delete(connection),
      },
    )
    this.#knocking.add(connection)
    connection.start()
  }
}

/** Whose check it is, as it says. */
function callerOf(read: Uint8Array): string | undefined {
  const frames = new CheckFrameReader()
  frames.push(read)
  const check = frames.take()
  const from = check === undefined || check === 'broken' ? undefined : checkNames(check)?.from
  return from !== undefined && UFRAG.test(from) ? from : undefined
}
