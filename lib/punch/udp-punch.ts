import { deferred } from '../base/deferred.ts'
import { unreachable } from '../base/exhaustive.ts'
import type { Runtime, UdpPacket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { Driver } from '../net/driver.ts'
import { datagramKind } from '../net/udp-demux.ts'
import { PunchMachine } from '../protocol/punch/punch-machine.ts'
import type { PunchMessage } from '../protocol/punch/punch-message.ts'
import type { PunchCounters, PunchEffect, PunchInput, PunchOptions } from '../protocol/punch/punch-options.ts'
import { PunchSockets } from './punch-sockets.ts'
import { PunchedHole } from './punched-hole.ts'

/** What a {@link UdpPunch} needs. */
export interface UdpPunchSetup {
  readonly runtime: Runtime
  readonly options: PunchOptions
  /** Takes a message to the peer, over the path that there is already; it gives it to `receive` of its own punch. */
  readonly signal: (message: PunchMessage) => void
  /** Ends the punch as `stop` does. */
  readonly abort?: AbortSignal
}

/** One punch on real sockets: runs a {@link PunchMachine} from the moment it is made. */
export class UdpPunch {
  /**
   * The hole; undefined when all rounds are over, when the punch was stopped, or where this system has no sockets with
   * streams. The controlled side knows first, so the controlling one should speak first: what comes for a stream that is
   * not open yet is dropped, and udx repeats it only after a second.
   */
  readonly result: Promise<PunchedHole | undefined>
  readonly #machine: PunchMachine
  readonly #driver: Driver<PunchInput, PunchEffect>
  readonly #sockets: PunchSockets
  readonly #signal: (message: PunchMessage) => void
  readonly #abort: AbortSignal | undefined
  readonly #onAbort = () => this.stop()
  readonly #result = deferred<PunchedHole | undefined>()
  #hole: PunchedHole | undefined

  constructor({ runtime, options, signal, abort }: UdpPunchSetup) {
    this.result = this.#result.promise
    this.#signal = signal
    this.#abort = abort
    this.#machine = new PunchMachine(options)
    this.#driver = new Driver(
      this.#machine,
      runtime.clock,
      (effect) => this.#perform(effect),
      (error) => this.#break(error),
    )
    this.#sockets = new PunchSockets(runtime, {
      onOpened: (socket, local) => this.#driver.feed({ kind: 'opened', socket, local }),
      onOpenFailed: (socket, code) => this.#driver.feed({ kind: 'open-failed', socket, code }),
      onPacket: (socket, packet) => this.#receive(socket, packet),
      onSendError: (socket, error) => this.#driver.feed({ kind: 'send-failed', socket, ...error }),
      onUnsupported: () => this.stop(),
    })
    if (abort?.aborted === true || runtime.network.openStreamUdp === undefined) {
      this.stop()
      return
    }
    abort?.addEventListener('abort', this.#onAbort, { once: true })
    this.#driver.feed({ kind: 'start' })
  }

  /** What was tried; grows until there is a result. */
  get counters(): Readonly<PunchCounters> {
    return this.#machine.counters
  }

  /** Takes a message of the peer's punch. Harmless once over. */
  receive(message: PunchMessage): void {
    this.#driver.feed({ kind: 'signal', message })
  }

  /** Gives up and closes all sockets, but that of a hole that was found: it belongs to whoever got it. Idempotent. */
  stop(): void {
    this.#end()
    this.#sockets.closeAll(this.#hole?.socket)
    this.#result.resolve(undefined)
  }

  #perform(effect: PunchEffect): void {
    switch (effect.kind) {
      case 'open':
        return this.#sockets.open(effect.socket, effect.family)
      case 'close':
        return this.#sockets.close(effect.socket)
      case 'send':
        return this.#sockets.send(effect.socket, effect.bytes, effect.to, effect.ttl)
      case 'signal':
        return this.#signal(effect.message)
      case 'connected':
        return this.#connected(effect.socket, effect.remote)
      case 'failed':
        return this.stop()
      default:
        return unreachable(effect)
    }
  }

  #receive(socket: number, packet: UdpPacket): void {
    if (datagramKind(packet.bytes) === 'stun') this.#driver.feed({ kind: 'received', socket, ...packet })
    else if (this.#hole !== undefined && this.#sockets.get(socket) === this.#hole.socket) {
      this.#hole.onPacket?.(packet)
    }
  }

  #connected(number: number, remote: TransportAddress): void {
    const socket = this.#sockets.get(number)
    if (socket === undefined) return this.stop()
    const hole: PunchedHole = new PunchedHole(socket, remote, () => {
      this.#end()
      socket.onPacket = (packet) => hole.onPacket?.(packet)
      socket.onSendError = undefined
    })
    this.#hole = hole
    this.#result.resolve(hole)
  }

  #end(): void {
    this.#abort?.removeEventListener('abort', this.#onAbort)
    this.#driver.stop()
  }

  #break(error: unknown): void {
    this.#result.reject(error)
    this.stop()
  }
}
