import type { Runtime, SendError, StreamUdpSocket, UdpPacket } from '../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import { codeOf } from './error-code.ts'

/** Who hears what becomes of the sockets of a punch. */
export interface PunchSocketSink {
  onOpened(number: number, local: TransportAddress): void
  onOpenFailed(number: number, code: string): void
  onPacket(number: number, packet: UdpPacket): void
  onSendError(number: number, error: SendError): void
  /** This system has no sockets with streams. */
  onUnsupported(): void
}

/** The sockets of a punch, by the numbers that its machine gives them. One may be closed before it is open. */
export class PunchSockets {
  readonly #runtime: Runtime
  readonly #sink: PunchSocketSink
  readonly #sockets = new Map<number, StreamUdpSocket | 'opening'>()

  constructor(runtime: Runtime, sink: PunchSocketSink) {
    this.#runtime = runtime
    this.#sink = sink
  }

  open(number: number, family: AddressFamily): void {
    this.#sockets.set(number, 'opening')
    const opening = this.#runtime.network.openStreamUdp?.({ family }) ?? Promise.resolve(undefined)
    opening.then(
      (socket) => this.#opened(number, socket),
      (error: unknown) => {
        if (this.#sockets.delete(number)) this.#sink.onOpenFailed(number, codeOf(error))
      },
    )
  }

  send(number: number, bytes: Uint8Array, to: TransportAddress, ttl: number | undefined): void {
    const socket = this.#sockets.get(number)
    if (socket !== undefined && socket !== 'opening') socket.send(bytes, to, ttl === undefined ? {} : { ttl })
  }

  close(number: number): void {
    const socket = this.#sockets.get(number)
    this.#sockets.delete(number)
    if (socket !== undefined && socket !== 'opening') socket.close()
  }

  /** An open one. */
  get(number: number): StreamUdpSocket | undefined {
    const socket = this.#sockets.get(number)
    return socket === 'opening' ? undefined : socket
  }

  closeAll(except?: StreamUdpSocket): void {
    for (const [number, socket] of this.#sockets) if (socket !== except) this.close(number)
  }

  #opened(number: number, socket: StreamUdpSocket | undefined): void {
    if (!this.#sockets.has(number)) return socket?.close()
    if (socket === undefined) return this.#sink.onUnsupported()
    this.#sockets.set(number, socket)
    socket.onPacket = (packet) => this.#sink.onPacket(number, packet)
    socket.onSendError = (error) => this.#sink.onSendError(number, error)
    this.#sink.onOpened(number, socket.local)
  }
}
