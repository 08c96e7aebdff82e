import { unreachable } from '../../lib/base/exhaustive.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { Driver } from '../../lib/net/driver.ts'
import { PunchMachine } from '../../lib/protocol/punch/punch-machine.ts'
import type { PunchEffect, PunchInput, PunchOptions } from '../../lib/protocol/punch/punch-options.ts'
import { encodePunchMessage } from '../../lib/protocol/punch/punch-message.ts'
import type { PunchMessage } from '../../lib/protocol/punch/punch-message.ts'
import type { VirtualClock } from './virtual-clock.ts'
import type { VirtualHost } from './virtual-host.ts'
import type { VirtualUdpSocket } from './virtual-udp-socket.ts'

/** RFC 7983: 0 to 3 is STUN; 128 is ours here. */
const DATA = Uint8Array.of(0x80, 1, 2, 3)

/** One peer of a punch: a machine on the sockets of a virtual host. */
export class PunchSide {
  gotData = false
  connectedMs = Infinity
  #machine: PunchMachine
  #driver: Driver<PunchInput, PunchEffect>
  readonly #clock: VirtualClock
  readonly #host: VirtualHost
  readonly #signal: (text: string) => void
  readonly #options: Omit<PunchOptions, 'randomBytes'>
  readonly #sockets = new Map<number, VirtualUdpSocket>()
  #path: { readonly socket: VirtualUdpSocket; readonly remote: TransportAddress } | undefined
  #hasFailed = false

  constructor(
    clock: VirtualClock,
    host: VirtualHost,
    signal: (text: string) => void,
    options: Omit<PunchOptions, 'randomBytes'>,
  ) {
    this.#clock = clock
    this.#host = host
    this.#signal = signal
    this.#options = options
    this.#machine = this.#newMachine()
    this.#driver = this.#newDriver()
  }

  get machine(): PunchMachine {
    return this.#machine
  }

  get isConnected(): boolean {
    return this.#path !== undefined
  }

  get isOver(): boolean {
    return this.isConnected || this.#hasFailed
  }

  start(): void {
    this.#driver.feed({ kind: 'start' })
  }

  /** As a process that crashed and came back. */
  restart(): void {
    this.#driver.stop()
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
    this.#path = undefined
    this.connectedMs = Infinity
    this.#machine = this.#newMachine()
    this.#driver = this.#newDriver()
    this.start()
  }

  signalled(message: PunchMessage): void {
    this.#driver.feed({ kind: 'signal', message })
  }

  sendData(): void {
    this.#path?.socket.send(DATA, this.#path.remote)
  }

  #newMachine(): PunchMachine {
    const { random } = this.#host.runtime
    return new PunchMachine({ ...this.#options, randomBytes: (length) => random.bytes(length) })
  }

  #newDriver(): Driver<PunchInput, PunchEffect> {
    return new Driver(this.#machine, this.#host.runtime.clock, (effect) => this.#perform(effect))
  }

  #perform(effect: PunchEffect): void {
    switch (effect.kind) {
      case 'open':
        return this.#open(effect.socket)
      case 'close':
        this.#sockets.get(effect.socket)?.close()
        this.#sockets.delete(effect.socket)
        return
      case 'send': {
        const { socket, bytes, to, ttl } = effect
        this.#sockets.get(socket)?.send(bytes, to, ttl === undefined ? undefined : { ttl })
        return
      }
      case 'signal':
        return this.#signal(encodePunchMessage(effect.message))
      case 'connected':
        return this.#connect(effect.socket, effect.remote)
      case 'failed':
        this.#hasFailed = true
        return
      default:
        return unreachable(effect)
    }
  }

  #open(number: number): void {
    const socket = this.#host.openUdp({ family: 'ipv4' })
    socket.wakesPromises = false
    this.#sockets.set(number, socket)
    socket.onPacket = ({ bytes, from }) => {
      if (bytes[0] === DATA[0]) this.gotData = true
      else this.#driver.feed({ kind: 'received', socket: number, bytes, from })
    }
    this.#driver.feed({ kind: 'opened', socket: number, local: socket.local })
  }

  #connect(number: number, remote: TransportAddress): void {
    const socket = this.#sockets.get(number)
    if (socket === undefined) return
    this.#path = { socket, remote }
    this.connectedMs = this.#clock.nowMs()
  }
}
