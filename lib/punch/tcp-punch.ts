import { ReachError } from '../base/errors.ts'
import { unreachable } from '../base/exhaustive.ts'
import type { Runtime, TcpSocket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { Driver } from '../net/driver.ts'
import { TcpPunchMachine } from '../protocol/punch/tcp-punch-machine.ts'
import type { TcpPunchMessage } from '../protocol/punch/tcp-punch-message.ts'
import type { TcpPunchEffect, TcpPunchInput, TcpPunchOptions } from '../protocol/punch/tcp-punch-options.ts'
import { codeOf } from './error-code.ts'
import { askOverTcp } from './tcp-question.ts'

/** Who hears what becomes of a {@link TcpPunch}. */
export interface TcpPunchSink {
  /** Takes a message to the peer, who gives it to `receive`. */
  onSignal(message: TcpPunchMessage): void
  /** A connection is tried. */
  onConnect(): void
  /** One is up; it is the listener's from now on. */
  onConnected(socket: TcpSocket): void
  /** One did not come about, by the system's code. */
  onFailed(code: string): void
  /** All rounds are over. */
  onOver(): void
  onError(error: unknown): void
}

/** One simultaneous open on real sockets: runs a {@link TcpPunchMachine} from the moment it is made. */
export class TcpPunch {
  readonly #runtime: Runtime
  readonly #sink: TcpPunchSink
  readonly #machine: TcpPunchMachine
  readonly #driver: Driver<TcpPunchInput, TcpPunchEffect>
  /** Of the port that is in use. */
  #stop = new AbortController()
  readonly #questions = new Set<TcpSocket>()

  constructor(runtime: Runtime, options: Omit<TcpPunchOptions, 'randomBytes'>, sink: TcpPunchSink) {
    this.#runtime = runtime
    this.#sink = sink
    const randomBytes = (length: number) => runtime.random.bytes(length)
    this.#machine = new TcpPunchMachine({ ...options, randomBytes })
    this.#driver = new Driver(
      this.#machine,
      runtime.clock,
      (effect) => this.#perform(effect),
      (error) => this.#break(error),
    )
    this.#driver.feed({ kind: 'start' })
  }

  get rounds(): number {
    return this.#machine.rounds
  }

  /** A message of the peer's punch. Harmless once over. */
  receive(message: TcpPunchMessage): void {
    this.#driver.feed({ kind: 'signal', message })
  }

  /** Gives up what is not connected to the peer. Idempotent. */
  close(): void {
    this.#driver.stop()
    this.#release()
  }

  #perform(effect: TcpPunchEffect): void {
    switch (effect.kind) {
      case 'ask':
        void this.#ask(effect.port, effect.server, this.#stop.signal)
        return
      case 'signal':
        return this.#sink.onSignal(effect.message)
      case 'connect':
        void this.#connect(effect.port, effect.to, this.#stop.signal)
        return
      case 'release':
        return this.#release()
      case 'over':
        return this.#sink.onOver()
      default:
        return unreachable(effect)
    }
  }

  #release(): void {
    this.#stop.abort()
    this.#stop = new AbortController()
    for (const socket of this.#questions) socket.destroy()
    this.#questions.clear()
  }

  async #ask(port: number, server: TransportAddress, signal: AbortSignal): Promise<void> {
    const answer = await this.#mappedBy(port, server, signal)
    if (!signal.aborted) this.#driver.feed(answer)
  }

  async #mappedBy(port: number, server: TransportAddress, signal: AbortSignal): Promise<TcpPunchInput> {
    const { network, random } = this.#runtime
    try {
      const socket = await network.connectTcp(server, { localPort: port, signal })
      // It may have been given up in the turn in which it came about.
      if (signal.aborted) socket.destroy()
      else this.#questions.add(socket)
      const mapped = await askOverTcp(socket, (length) => random.bytes(length))
      return { kind: 'mapped', port, server, mapped }
    } catch (error) {
      if (ReachError.is(error, 'ERR_REACH_ADDRESS_IN_USE')) return { kind: 'port-taken', port }
      if (!signal.aborted && !ReachError.is(error)) this.#break(error)
      return { kind: 'mapped', port, server, mapped: undefined }
    }
  }

  async #connect(port: number, to: TransportAddress, signal: AbortSignal): Promise<void> {
    this.#sink.onConnect()
    try {
      const socket = await this.#runtime.network.connectTcp(to, { localPort: port, signal })
      this.#sink.onConnected(socket)
    } catch (error) {
      if (signal.aborted) return
      if (!ReachError.is(error)) return this.#break(error)
      this.#sink.onFailed(codeOf(error))
      this.#driver.feed({ kind: 'connect-failed', port, to, code: codeOf(error) })
    }
  }

  #break(error: unknown): void {
    this.close()
    this.#sink.onError(error)
  }
}
