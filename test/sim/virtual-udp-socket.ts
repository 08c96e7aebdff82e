import type { SendError, UdpPacket, UdpSocket } from '../../lib/base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../../lib/base/transport-address.ts'
import { bindError } from '../../lib/net/system-error.ts'
import { systemError } from './virtual-system-error.ts'

/** What a socket needs of its host. */
export interface UdpSocketOwner {
  sendUdp(socket: VirtualUdpSocket, bytes: Uint8Array, to: TransportAddress, ttl: number | undefined): void
  forgetUdp(socket: VirtualUdpSocket): void
}

/** A UDP socket of a virtual host. */
export class VirtualUdpSocket implements UdpSocket {
  readonly local: TransportAddress
  /** The bound IP's number; 0 for all of the host's. */
  readonly ipNumber: number
  onPacket: ((packet: UdpPacket) => void) | undefined
  onSendError: ((error: SendError) => void) | undefined
  /** False for the world's own services, whose callbacks make no promise: saves turns of the real event loop. */
  wakesPromises = true
  readonly #owner: UdpSocketOwner
  #isClosed = false

  constructor(owner: UdpSocketOwner, local: TransportAddress, ipNumber: number) {
    this.#owner = owner
    this.local = local
    this.ipNumber = ipNumber
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(bytes: Uint8Array, to: TransportAddress, options?: { readonly ttl?: number }): void {
    if (!this.#isClosed) this.#owner.sendUdp(this, bytes, to, options?.ttl)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.onPacket = undefined
    this.onSendError = undefined
    this.#owner.forgetUdp(this)
  }
}

/** Which sockets a host has, by port. */
export class UdpSocketTable {
  readonly #byPort = new Map<number, VirtualUdpSocket[]>()
  #count = 0

  get count(): number {
    return this.#count
  }

  /** @throws {ReachError} ERR_REACH_ADDRESS_IN_USE */
  add(socket: VirtualUdpSocket): void {
    const { local, ipNumber } = socket
    if (this.isTaken(local.family, ipNumber, local.port)) {
      throw bindError(systemError('EADDRINUSE'), local)
    }
    const sockets = this.#byPort.get(local.port)
    if (sockets === undefined) this.#byPort.set(local.port, [socket])
    else sockets.push(socket)
    this.#count++
  }

  remove(socket: VirtualUdpSocket): void {
    const sockets = this.#byPort.get(socket.local.port)
    const index = sockets?.indexOf(socket) ?? -1
    if (index < 0) return
    sockets?.splice(index, 1)
    this.#count--
  }

  isTaken(family: AddressFamily, ipNumber: number, port: number): boolean {
    const sockets = this.#byPort.get(port) ?? []
    return sockets.some(
      (other) =>
        other.local.family === family &&
        (ipNumber === 0 || other.ipNumber === 0 || other.ipNumber === ipNumber),
    )
  }

  /** The socket that gets a packet for this endpoint. */
  find(isIpv6: boolean, ipNumber: number, port: number): VirtualUdpSocket | undefined {
    for (const socket of this.#byPort.get(port) ?? []) {
      if ((socket.local.family === 'ipv6') !== isIpv6) continue
      if (socket.ipNumber === 0 || socket.ipNumber === ipNumber) return socket
    }
    return undefined
  }
}
