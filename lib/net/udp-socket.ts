import { createSocket } from 'node:dgram'
import type { RemoteInfo, Socket } from 'node:dgram'
import type { MulticastJoin, OpenUdpOptions, SendError, UdpPacket, UdpSocket } from '../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import { isIp, transportAddress } from '../base/transport-address.ts'
import {
  publishDatagramRefused,
  publishUdpSocketClosed,
  publishUdpSocketFailed,
  publishUdpSocketOpened,
} from './diagnostics.ts'
import { bindError, systemCode } from './system-error.ts'

/**
 * Ours: what a burst of probe answers or a punch storm may pile up while the event loop is busy. Linux grants up to
 * `net.core.rmem_max` of it without a word; macOS refuses what exceeds `kern.ipc.maxsockbuf`, hence the smaller ones.
 */
const RECEIVE_BUFFER_BYTES = [4 << 20, 1 << 20, 1 << 18] as const

/** Ours: what may wait in this process for a full send buffer; beyond it, datagrams are refused rather than hoarded. */
const MAX_SEND_QUEUE_BYTES = 1 << 20

/**
 * What a socket returns to after a packet with its own TTL: the default of Linux and macOS (RFC 1700 "IP TTL"), and
 * that of Windows. Node can set a socket's TTL but not read it.
 */
const DEFAULT_TTL = process.platform === 'win32' ? 128 : 64

/**
 * Opens and binds a UDP socket. IPv6 sockets are IPv6 only.
 * @throws {ReachError} ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION, ERR_REACH_SOCKET
 */
export async function openUdp(options: OpenUdpOptions): Promise<NodeUdpSocket> {
  const wanted = wantedAddress(options)
  return new Promise((resolve, reject) => {
    const socket = newSocket(options.family, options.joins !== undefined)
    socket.once('error', (error) => {
      socket.close()
      reject(bindError(error, wanted))
    })
    // Exclusive: in a node:cluster worker the socket would otherwise be shared with all other workers.
    socket.bind({ port: wanted.port, address: wanted.ip, exclusive: true }, () => {
      socket.removeAllListeners('error')
      for (const join of options.joins ?? []) joinGroup(socket, join)
      resolve(new NodeUdpSocket(socket))
    })
  })
}

/** A {@link UdpSocket} over node:dgram. A datagram sent after `close` is dropped without a word. */
export class NodeUdpSocket implements UdpSocket, Disposable {
  readonly local: TransportAddress
  onPacket: ((packet: UdpPacket) => void) | undefined
  onSendError: ((error: SendError) => void) | undefined
  readonly #socket: Socket
  #isClosed = false
  /** True while a packet with its own TTL waits for a full send buffer: until it left, nothing else may be sent. */
  #isTtlChanged = false

  constructor(bound: Socket) {
    this.#socket = bound
    const { address, port } = bound.address()
    this.local = transportAddress(address, port)
    enlargeReceiveBuffer(bound)
    bound.on('message', (bytes, from) => this.#receive(bytes, from))
    // Receiving may fail (an interface goes down, an ICMP error comes back), but that says nothing about the socket:
    // without a listener it would end the process.
    bound.on('error', (error) =>
      publishUdpSocketFailed({ family: this.local.family, code: systemCode(error) }),
    )
    publishUdpSocketOpened({ family: this.local.family, port, receiveBufferBytes: bound.getRecvBufferSize() })
  }

  send(bytes: Uint8Array, to: TransportAddress, options: { readonly ttl?: number } = {}): void {
    if (this.#isClosed) return
    if (to.family !== this.local.family) return this.#refuseSoon(bytes, to, 'EAFNOSUPPORT')
    if (this.#isCongested(options.ttl)) return this.#refuseSoon(bytes, to, 'EAGAIN')
    try {
      if (options.ttl === undefined) this.#transmit(bytes, to)
      else this.#transmitWithTtl(bytes, to, options.ttl)
    } catch (error) {
      this.#refuseSoon(bytes, to, systemCode(error))
    }
  }

  /** Idempotent. What the system accepted before still leaves; no callback is called any more. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
    publishUdpSocketClosed({ family: this.local.family, port: this.local.port })
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Datagrams wait in this process only while the system's send buffer is full. */
  #isCongested(ttl: number | undefined): boolean {
    if (this.#isTtlChanged) return true
    // The TTL belongs to the socket, so a packet with its own must leave at once or not at all.
    if (ttl !== undefined) return this.#socket.getSendQueueCount() > 0
    return this.#socket.getSendQueueSize() > MAX_SEND_QUEUE_BYTES
  }

  #transmit(bytes: Uint8Array, to: TransportAddress, onDone?: () => void): void {
    this.#socket.send(bytes, to.port, to.ip, (error) => {
      if (this.#isClosed) return
      onDone?.()
      if (error !== null) this.#refuse(bytes, to, systemCode(error))
    })
  }

  #transmitWithTtl(bytes: Uint8Array, to: TransportAddress, ttl: number): void {
    this.#socket.setTTL(ttl)
    this.#isTtlChanged = true
    let isWaiting = false
    try {
      this.#transmit(bytes, to, () => {
        if (isWaiting) this.#restoreTtl()
      })
      // The lookup answers synchronously, so by now the packet has left, was refused, or found the send buffer full.
      isWaiting = this.#socket.getSendQueueCount() > 0
    } finally {
      if (!isWaiting) this.#restoreTtl()
    }
  }

  #restoreTtl(): void {
    this.#socket.setTTL(DEFAULT_TTL)
    this.#isTtlChanged = false
  }

  #receive(buffer: Buffer, from: RemoteInfo): void {
    // An interface whose name can't be written as a zone: nobody could answer there.
    if (from.address.includes('%') && !isIp(from.address)) return
    // A plain view: libuv gives each datagram its own memory, so it is the receiver's.
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    this.onPacket?.({ bytes, from: transportAddress(from.address, from.port) })
  }

  /** After the present call, as the system's own refusals come: `send` never calls back. */
  #refuseSoon(bytes: Uint8Array, to: TransportAddress, code: string): void {
    queueMicrotask(() => {
      if (!this.#isClosed) this.#refuse(bytes, to, code)
    })
  }

  #refuse(bytes: Uint8Array, to: TransportAddress, code: string): void {
    publishDatagramRefused({ family: to.family, code, lengthBytes: bytes.byteLength })
    this.onSendError?.({ to, code, length: bytes.byteLength })
  }
}

/**
 * Node looks up even IP literals asynchronously, so `send` would leave after the TTL was already set back. This lookup
 * answers at once, which makes `send` synchronous (measured: the TTL then applies to exactly that packet).
 */
export function newSocket(family: AddressFamily, isShared = false): Socket {
  const version = family === 'ipv4' ? 4 : 6
  return createSocket({
    reuseAddr: isShared,
    type: family === 'ipv4' ? 'udp4' : 'udp6',
    ipv6Only: family === 'ipv6',
    lookup: (ip, _options, callback) => callback(null, ip, version),
  })
}

/** Where to bind. @throws {RangeError} for an IP of the other family */
export function wantedAddress({ family, ip, port = 0 }: OpenUdpOptions): TransportAddress {
  const wanted = transportAddress(ip ?? unspecifiedIp(family), port)
  if (wanted.family !== family) throw new RangeError(`${wanted.ip} is no ${family} address`)
  return wanted
}

/** Node names IPv4 interfaces by their address, IPv6 ones by a zone behind any address. */
export function joinGroup(socket: Pick<Socket, 'addMembership'>, { group, via }: MulticastJoin): void {
  const zone = via.indexOf('%')
  try {
    socket.addMembership(group, zone < 0 ? via : `::${via.slice(zone)}`)
  } catch (error) {
    // The interface is gone, or joined already by another of its addresses.
    publishUdpSocketFailed({ family: isIpv6(via) ? 'ipv6' : 'ipv4', code: systemCode(error) })
  }
}

function isIpv6(ip: string): boolean {
  return ip.includes(':')
}

function unspecifiedIp(family: AddressFamily): string {
  return family === 'ipv4' ? '0.0.0.0' : '::'
}

export function enlargeReceiveBuffer(socket: Pick<Socket, 'setRecvBufferSize'>): void {
  for (const size of RECEIVE_BUFFER_BYTES) {
    try {
      socket.setRecvBufferSize(size)
      return
    } catch {
      continue // the system grants less: a smaller buffer only loses more of a burst
    }
  }
}
