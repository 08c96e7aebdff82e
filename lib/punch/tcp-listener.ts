import type { Runtime } from '../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import type { AcceptedSocket, TcpServer } from '../net/tcp-server.ts'
import { listenTcp } from '../net/tcp-server.ts'
import { TcpStranger } from './tcp-stranger.ts'

/** Gets a connection whose first check names it, paused. @param read what has been read of it */
export type OnTcpConnection = (socket: AcceptedSocket, read: Uint8Array) => void

/** Ours: connections that have named nobody yet. Each holds less than a frame of 1.5 KiB, and a socket. */
const MAX_STRANGERS = 64

/** What came to a {@link TcpListener}. */
export interface TcpListenerCounters {
  /** Connections that named an attempt. */
  assigned: number
  /** Those that named nobody whom we expect, or spoke something else. */
  garbage: number
  /** Those that said too little in 5 s, or went. */
  silent: number
  /** Those that had to make room for newer ones. */
  crowdedOut: number
}

/**
 * One TCP port of a family that peers may connect to, shared by all attempts: a connection finds its own by the fragment
 * in its first check. Whoever opens it closes it, and with it the connections that came by it, also those in use.
 */
export class TcpListener implements AsyncDisposable {
  readonly counters: TcpListenerCounters = { assigned: 0, garbage: 0, silent: 0, crowdedOut: 0 }
  readonly #runtime: Runtime
  readonly #expected = new Map<string, OnTcpConnection>()
  /** In the order in which they came. */
  readonly #strangers = new Set<TcpStranger>()
  #server: TcpServer | undefined

  private constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /**
   * Listens on all addresses of a family, at a port that the system picks, unless told otherwise.
   * @throws {ReachError} as `listenTcp`
   */
  static async open(
    runtime: Runtime,
    family: AddressFamily,
    where: { readonly ip?: string; readonly port?: number } = {},
  ): Promise<TcpListener> {
    const { ip = family === 'ipv4' ? '0.0.0.0' : '::', port = 0 } = where
    const listener = new TcpListener(runtime)
    const onConnection = (socket: AcceptedSocket) => listener.#meet(socket)
    listener.#server = await listenTcp({ ip, port, allowHalfOpen: true }, onConnection)
    return listener
  }

  /** Where it is bound: the IP is unspecified unless one was given. */
  get local(): TransportAddress {
    if (this.#server === undefined) throw new TypeError('it is given out when it listens')
    return this.#server.local
  }

  /** All connections that came by it and are open, those in use, too. */
  get connectionCount(): number {
    return this.#server?.connectionCount ?? 0
  }

  /** Those of them that have named nobody yet. */
  get pendingCount(): number {
    return this.#strangers.size
  }

  /**
   * Takes connections whose first check is addressed to a fragment, until disposed.
   * @throws {RangeError} when the fragment is taken
   */
  expect(localUfrag: string, onConnection: OnTcpConnection): Disposable {
    if (this.#expected.has(localUfrag)) throw new RangeError('an attempt with that fragment is here already')
    this.#expected.set(localUfrag, onConnection)
    return {
      [Symbol.dispose]: () => {
        if (this.#expected.get(localUfrag) === onConnection) this.#expected.delete(localUfrag)
      },
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#expected.clear()
    for (const stranger of this.#strangers) stranger.close()
    await this.#server?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The oldest makes room: an honest one names its attempt within a round trip, so who stays is mostly none. */
  #meet(socket: AcceptedSocket): void {
    const [oldest] = this.#strangers
    if (oldest !== undefined && this.#strangers.size >= MAX_STRANGERS) {
      this.counters.crowdedOut++
      this.#strangers.delete(oldest)
      oldest.close()
    }
    const stranger: TcpStranger = new TcpStranger(socket, this.#runtime.clock, {
      onNamed: (ufrag, read) => this.#assign(stranger, ufrag, read),
      onGarbage: () => this.#dismiss(stranger, 'garbage'),
      onSilent: () => this.#dismiss(stranger, 'silent'),
    })
    this.#strangers.add(stranger)
  }

  #assign(stranger: TcpStranger, ufrag: string, read: Uint8Array): void {
    const onConnection = this.#expected.get(ufrag)
    if (onConnection === undefined) return this.#dismiss(stranger, 'garbage')
    this.counters.assigned++
    this.#strangers.delete(stranger)
    onConnection(stranger.release(), read)
  }

  #dismiss(stranger: TcpStranger, why: 'garbage' | 'silent'): void {
    this.counters[why]++
    this.#strangers.delete(stranger)
    stranger.close()
  }
}
