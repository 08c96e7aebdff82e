import type { Duplex } from 'node:stream'
import { deadlineSignal } from '../base/deadline.ts'
import { deferred } from '../base/deferred.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { formatAddress } from '../base/transport-address.ts'
import type { AcceptedSocket } from '../net/tcp-server.ts'
import { endsOf } from '../net/tcp-server.ts'
import type { IceRole } from '../protocol/ice/candidate-pair.ts'
import type { IceCredentials } from '../protocol/ice/connectivity-check.ts'
import { assertIceCredentials } from '../protocol/ice/connectivity-check.ts'
import type { TcpPunchMessage } from '../protocol/punch/tcp-punch-message.ts'
import type { TcpPunchOptions } from '../protocol/punch/tcp-punch-options.ts'
import { codeOf } from './error-code.ts'
import { TcpConnection } from './tcp-connection.ts'
import type { TcpConnectionFailure } from './tcp-connection.ts'
import type { TcpListener } from './tcp-listener.ts'
import { TcpPunch } from './tcp-punch.ts'

/** What a {@link TcpAttempt} needs. */
export interface TcpAttemptSetup {
  readonly runtime: Runtime
  readonly role: IceRole
  readonly localCredentials: IceCredentials
  readonly remoteCredentials: IceCredentials
  /** Where the peer may connect to. @default nowhere */
  readonly listeners?: readonly TcpListener[]
  /** See {@link IceAgentOptions.maySendTo}. */
  readonly maySendTo: (address: TransportAddress) => boolean
  /** STUN servers over TCP. */
  readonly stunServers: readonly TransportAddress[]
  readonly signallingRttMs: number
  /** Takes a message of the simultaneous open to the peer, who gives it to `receive` of its own attempt. */
  readonly signal: (message: TcpPunchMessage) => void
}

/** What is known of our network when a simultaneous open begins. */
export type TcpPunchStart = Pick<TcpPunchOptions, 'portIsPreserved' | 'routedIps'>

/** A connection that both peers have agreed upon. */
export interface TcpPath {
  /** A whole node:net Socket, paused, with nothing of the checks left in it. Each direction ends by itself. */
  readonly socket: Duplex
  readonly local: TransportAddress
  readonly remote: TransportAddress
  readonly how: 'dialled' | 'accepted' | 'simultaneous'
}

/** What was tried, for the sentence that says why a connection is relayed. */
export interface TcpCounters {
  /** Candidates of the peer that were dialled. */
  readonly dials: number
  /** Connections that came in and named us. */
  readonly accepted: number
  /** Rounds of the simultaneous open. */
  readonly rounds: number
  /** Connections that we tried, dials and simultaneous ones. */
  readonly connects: number
  /** Those that did not come about, by the system's code. */
  readonly errors: Readonly<Record<string, number>>
  /** Connections that were up, and somebody else than the peer at their other end. */
  readonly forged: number
}

/** Ours: candidates of the peer that are dialled, and how long each may take: three SYNs (RFC 6298 §2). */
const MAX_DIALS = 8
const DIAL_TIMEOUT_MS = 5000
/** Ours: connections that are checked at once: all that we may dial, and some that come in. */
const MAX_CONNECTIONS = 32
/** Ours: messages that may come before our own punch begins: those of three rounds. */
const MAX_EARLY = 6

/**
 * One attempt at a direct TCP connection, from the moment it is made: dials, takes what the peer dials, opens connections
 * from both sides at once, and agrees with the peer on one of them. Everything else is closed then.
 */
export class TcpAttempt {
  /**
   * The connection; undefined when the attempt was closed before there was one. The controlled side knows first, so the
   * controlling one may find the connection dead when it was lost just then.
   */
  readonly result: Promise<TcpPath | undefined>
  /** Resolves when the simultaneous open is over, in whatever way. */
  readonly punched: Promise<void>
  readonly #setup: TcpAttemptSetup
  readonly #result = deferred<TcpPath | undefined>()
  readonly #punched = deferred<undefined>()
  readonly #stop = new AbortController()
  readonly #seats: readonly Disposable[]
  readonly #dialled = new Set<string>()
  readonly #connections = new Set<TcpConnection>()
  /** Of them, those that were checked both ways, in that order: the controlling side nominates the first. */
  readonly #verified = new Set<TcpConnection>()
  readonly #early: TcpPunchMessage[] = []
  readonly #errors = new Map<string, number>()
  readonly #counts = { accepted: 0, connects: 0, forged: 0 }
  #nominee: TcpConnection | undefined
  #punch: TcpPunch | undefined

  /**
   * @throws {ReachError} ERR_REACH_DECODE for credentials that are none
   * @throws {RangeError} when another attempt of a listener has the same fragment
   */
  constructor(setup: TcpAttemptSetup) {
    assertIceCredentials(setup.localCredentials)
    assertIceCredentials(setup.remoteCredentials)
    this.#setup = setup
    this.result = this.#result.promise
    this.punched = this.#punched.promise
    const { listeners = [], localCredentials } = setup
    this.#seats = listeners.map((listener) =>
      listener.expect(localCredentials.ufrag, (socket, read) => this.#accept(socket, read)),
    )
  }

  get counters(): TcpCounters {
    const [dials, rounds] = [this.#dialled.size, this.#punch?.rounds ?? 0]
    return { ...this.#counts, dials, rounds, errors: Object.fromEntries(this.#errors) }
  }

  /** Connects to where the peer listens. What `maySendTo` forbids, what was dialled before, and the ninth are left out. */
  dial(remote: TransportAddress): void {
    const key = formatAddress(remote)
    if (this.#stop.signal.aborted || this.#dialled.has(key) || this.#dialled.size >= MAX_DIALS) return
    if (!this.#setup.maySendTo(remote)) return
    this.#dialled.add(key)
    void this.#dial(remote)
  }

  /** Begins the simultaneous open; the peer has to do so, too. Only the first call counts. */
  startPunch(start: TcpPunchStart): void {
    if (this.#stop.signal.aborted || this.#punch !== undefined) return
    const { runtime, role, stunServers, signallingRttMs, maySendTo, signal } = this.#setup
    const { portIsPreserved, routedIps = [] } = start
    const options = {
      ...{ role, servers: stunServers, signallingRttMs, maySendTo },
      ...{ portIsPreserved, routedIps },
    }
    this.#punch = new TcpPunch(runtime, options, {
      onSignal: signal,
      onConnect: () => this.#counts.connects++,
      onConnected: (socket) => {
        const { local, remote } = socket
        this.#check({ socket, local, remote, how: 'simultaneous' })
      },
      onFailed: (code) => this.#countError(code),
      onOver: () => this.#punched.resolve(undefined),
      onError: (error) => this.#break(error),
    })
    for (const message of this.#early.splice(0)) this.#punch.receive(message)
  }

  /** A message of the peer's simultaneous open. Harmless once over. */
  receive(message: TcpPunchMessage): void {
    if (this.#punch !== undefined) this.#punch.receive(message)
    else if (this.#early.length < MAX_EARLY) this.#early.push(message)
  }

  /** Ends everything but a connection that was agreed upon: that belongs to whoever got it. Idempotent. */
  close(): void {
    this.#stop.abort()
    this.#punch?.close()
    this.#punched.resolve(undefined)
    for (const seat of this.#seats) seat[Symbol.dispose]()
    for (const connection of this.#connections) connection.close()
    this.#connections.clear()
    this.#verified.clear()
    this.#result.resolve(undefined)
  }

  async #dial(remote: TransportAddress): Promise<void> {
    const { clock, network } = this.#setup.runtime
    using deadline = deadlineSignal(clock, DIAL_TIMEOUT_MS, this.#stop.signal)
    this.#counts.connects++
    try {
      const socket = await network.connectTcp(remote, { signal: deadline.signal })
      this.#check({ socket, local: socket.local, remote: socket.remote, how: 'dialled' })
    } catch (error) {
      if (this.#stop.signal.aborted) return
      if (!ReachError.is(error)) return this.#break(error)
      this.#countError(deadline.signal.aborted ? 'ETIMEDOUT' : codeOf(error))
    }
  }

  #countError(code: string): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
  }

  #accept(socket: AcceptedSocket, read: Uint8Array): void {
    this.#counts.accepted++
    const ends = endsOf(socket)
    if (ends === undefined) socket.destroy()
    else this.#check({ socket, ...ends, how: 'accepted' }, read)
  }

  #check(path: TcpPath, read?: Uint8Array): void {
    if (this.#stop.signal.aborted || this.#connections.size >= MAX_CONNECTIONS) {
      path.socket.destroy()
      return
    }
    const { runtime, role, localCredentials, remoteCredentials } = this.#setup
    const randomBytes = (length: number) => runtime.random.bytes(length)
    const options = { role, localCredentials, remoteCredentials, remote: path.remote, randomBytes }
    const setup = {
      stream: path.socket,
      clock: runtime.clock,
      options,
      ...(read === undefined ? {} : { read }),
    }
    const connection: TcpConnection = new TcpConnection(setup, {
      onVerified: () => this.#verifiedNow(connection),
      onNominated: () => this.#agreed(path, connection),
      onFailed: (why) => this.#lost(connection, why),
      onError: (error) => this.#break(error),
    })
    this.#connections.add(connection)
    connection.start()
  }

  #verifiedNow(connection: TcpConnection): void {
    this.#verified.add(connection)
    this.#nominate()
  }

  #nominate(): void {
    const [first] = this.#verified
    if (this.#setup.role !== 'controlling' || this.#nominee !== undefined) return
    this.#nominee = first
    first?.nominate()
  }

  #agreed(path: TcpPath, connection: TcpConnection): void {
    this.#connections.delete(connection)
    this.#result.resolve(path)
    this.close()
  }

  #lost(connection: TcpConnection, why: TcpConnectionFailure): void {
    this.#connections.delete(connection)
    this.#verified.delete(connection)
    if (why === 'forged') this.#counts.forged++
    if (this.#nominee !== connection) return
    this.#nominee = undefined
    this.#nominate()
  }

  #break(error: unknown): void {
    this.#result.reject(error)
    this.close()
  }
}
