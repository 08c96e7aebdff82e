import type { Socket } from 'node:dgram'
import type { TransportAddress } from '../base/transport-address.ts'
import { connectError, systemCode } from './system-error.ts'
import { enlargeReceiveBuffer, newSocket } from './udp-socket.ts'

/** Ours: what may wait in this process for a full send buffer; beyond it, datagrams are dropped. */
const MAX_QUEUED_BYTES = 1 << 20

/**
 * A UDP socket for one conversation: it sends to one address, and takes what comes from there alone. Unlike others it hears
 * when the other side refuses (ICMP port unreachable).
 */
export class ConnectedUdp {
  onMessage: ((bytes: Uint8Array) => void) | undefined
  /** An earlier datagram was refused; the socket goes on. Called with the system's code. */
  onRefused: ((code: string) => void) | undefined
  readonly #socket: Socket
  #isClosed = false

  /** Use {@link connectUdp}. */
  constructor(connected: Socket) {
    this.#socket = connected
    enlargeReceiveBuffer(connected)
    connected.on('message', (bytes) => this.onMessage?.(plainView(bytes)))
    connected.on('error', (error) => this.onRefused?.(systemCode(error)))
  }

  /** Sends a datagram; never throws. False when it was dropped: the send buffer is full, or the socket closed. */
  send(bytes: Uint8Array): boolean {
    if (this.#isClosed || this.#socket.getSendQueueSize() > MAX_QUEUED_BYTES) return false
    this.#transmit(bytes, true)
    return true
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }

  #transmit(bytes: Uint8Array, isFirst: boolean): void {
    if (this.#isClosed) return
    this.#socket.send(bytes, (error) => {
      if (error === null) return
      const code = systemCode(error)
      this.onRefused?.(code)
      // The refusal of an earlier datagram, told in the place of sending this one (Linux: ip(7), "pending errors").
      if (isFirst && code === 'ECONNREFUSED') this.#transmit(bytes, false)
    })
  }
}

/** Opens a socket towards an address; nothing is sent. @throws {ReachError} ERR_REACH_SOCKET */
export function connectUdp(to: TransportAddress): Promise<ConnectedUdp> {
  return new Promise((resolve, reject) => {
    const socket = newSocket(to.family)
    const fail = (error: Error) => {
      socket.close()
      reject(connectError(error, to))
    }
    socket.once('error', fail)
    socket.connect(to.port, to.ip, () => {
      socket.off('error', fail)
      resolve(new ConnectedUdp(socket))
    })
  })
}

/** libuv gives each datagram its own memory, so it is the receiver's. */
function plainView(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}
