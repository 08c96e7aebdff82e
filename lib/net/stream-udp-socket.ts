import type { Duplex } from 'node:stream'
import { ipScope } from '../base/ip-range.ts'
import type {
  OpenUdpOptions,
  SendError,
  StreamUdpSocket,
  UdpPacket,
  UdpStreamOptions,
} from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { isIp, transportAddress } from '../base/transport-address.ts'
import {
  publishDatagramDropped,
  publishDatagramRefused,
  publishUdpSocketClosed,
  publishUdpSocketOpened,
} from './diagnostics.ts'
import { bindError, streamError, systemCode } from './system-error.ts'
import { enlargeReceiveBuffer, joinGroup, wantedAddress } from './udp-socket.ts'
import { UdpStream } from './udp-stream.ts'
import type { Udx, UdxSocket, UdxSource, UdxStream } from './udx-native.ts'
import { loadUdx } from './udx-native.ts'

/** The largest payload of a datagram (RFC 768): 65,535 less the headers of UDP and, in IPv4, of IP. */
const MAX_DATAGRAM_BYTES = { ipv4: 65_507, ipv6: 65_527 } as const

/**
 * Ours: as `NodeUdpSocket` allows to wait for a full send buffer. udx tells at the end of a turn only that a datagram has
 * left, so what one turn sends counts, too.
 */
const MAX_SEND_QUEUE_BYTES = 4 << 20

/** The first byte of udx's own packets; RFC 7983 leaves it to nobody else. */
const UDX_FIRST_BYTE = 0xff

/** Of all sockets of the process: to udx they are one space, and a second stream of an id would make the first one deaf. */
const openIds = new Set<number>()

/**
 * Opens and binds a UDP socket that also carries streams; undefined where udx-native can't be loaded. IPv6 sockets are
 * IPv6 only. Packets leave with "don't fragment" set on Linux and macOS (libudx: IP_PMTUDISC_PROBE, IP_DONTFRAG).
 * @throws {ReachError} as `openUdp`
 */
export async function openStreamUdp(options: OpenUdpOptions): Promise<UdxUdpSocket | undefined> {
  const wanted = wantedAddress(options)
  const udx = await loadUdx()
  if (udx === undefined) return undefined
  const socket = udx.createSocket({
    ipv6Only: options.family === 'ipv6',
    reuseAddress: options.joins !== undefined,
  })
  try {
    socket.bind(wanted.port, wanted.ip)
  } catch (error) {
    await socket.close()
    throw bindError(error, wanted)
  }
  for (const join of options.joins ?? []) joinGroup(socket, join)
  return new UdxUdpSocket(udx, socket)
}

/** A {@link StreamUdpSocket} over udx-native. A datagram sent after `close` is dropped without a word. */
export class UdxUdpSocket implements StreamUdpSocket, Disposable {
  readonly local: TransportAddress
  onPacket: ((packet: UdpPacket) => void) | undefined
  /** Hears of what can be known beforehand. What the system refuses, udx keeps to itself. */
  onSendError: ((error: SendError) => void) | undefined
  readonly #udx: Udx
  readonly #socket: UdxSocket
  /** Those whose udx has not closed yet. */
  readonly #streams = new Map<UdxStream, UdpStream>()
  #queuedBytes = 0
  #isClosed = false

  constructor(udx: Udx, bound: UdxSocket) {
    this.#udx = udx
    this.#socket = bound
    const { host = '', port = 0 } = bound.address() ?? {}
    this.local = transportAddress(host, port)
    enlargeReceiveBuffer(bound)
    bound.on('message', (bytes, from) => this.#receive(bytes, from))
    publishUdpSocketOpened({ family: this.local.family, port, receiveBufferBytes: bound.getRecvBufferSize() })
  }

  send(bytes: Uint8Array, to: TransportAddress, { ttl }: { readonly ttl?: number } = {}): void {
    if (this.#isClosed) return
    const code = this.#objection(bytes, to, ttl)
    if (code !== undefined) return this.#refuseSoon(bytes, to, code)
    this.#queuedBytes += bytes.byteLength
    this.#socket.send(bytes, to.port, to.ip, ttl).then(
      () => (this.#queuedBytes -= bytes.byteLength),
      (error: unknown) => {
        this.#queuedBytes -= bytes.byteLength
        this.#refuse(bytes, to, systemCode(error))
      },
    )
  }

  /**
   * @throws {ReachError} ERR_REACH_SOCKET once closed, for an address of the other family, or when the local id is that of
   * another stream of this process
   */
  openStream({ localId, remoteId, remote }: UdpStreamOptions): Duplex {
    if (this.#isClosed) throw streamError({ code: 'ENOTCONN' })
    if (![localId, remoteId].every((id) => id === id >>> 0))
      throw new RangeError('an id is a number of 32 bits')
    if (remote.family !== this.local.family) throw streamError({ code: 'EAFNOSUPPORT' })
    if (openIds.has(localId)) throw streamError({ code: 'EADDRINUSE' })
    const udxStream = this.#udx.createStream(localId)
    udxStream.connect(this.#socket, remoteId, remote.port, remote.ip)
    const stream = new UdpStream(udxStream)
    this.#streams.set(udxStream, stream)
    openIds.add(localId)
    udxStream.once('close', () => {
      this.#streams.delete(udxStream)
      openIds.delete(localId)
    })
    return stream
  }

  /** Idempotent. Streams that are still open fail; no callback of this socket is called any more. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const [udxStream, stream] of this.#streams) {
      stream.destroy(streamError({ code: 'ECONNABORTED' }))
      udxStream.destroy() // also one that has ended well, and only tells the other end so
    }
    void this.#socket.close()
    publishUdpSocketClosed({ family: this.local.family, port: this.local.port })
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** udx would let these pass in silence, or send something else than what was asked for. */
  #objection(bytes: Uint8Array, to: TransportAddress, ttl: number | undefined): string | undefined {
    if (to.family !== this.local.family) return 'EAFNOSUPPORT'
    if (bytes.byteLength > MAX_DATAGRAM_BYTES[to.family]) return 'EMSGSIZE'
    if (to.port === 0 || !isIp(to.ip)) return 'EINVAL'
    if (ttl !== undefined && !(ttl >= 1 && ttl <= 255)) return 'EINVAL'
    return this.#queuedBytes > MAX_SEND_QUEUE_BYTES ? 'EAGAIN' : undefined
  }

  #receive(bytes: Uint8Array, source: UdxSource): void {
    if (this.#isClosed) return
    const { family } = this.local
    // Of a stream that is not here yet, or not here any more; its sender repeats what matters.
    if (bytes[0] === UDX_FIRST_BYTE) return publishDatagramDropped({ family, lengthBytes: bytes.length })
    const from = this.#sourceAddress(source)
    // A copy: whoever keeps a view of udx's pool keeps 68 KiB of it.
    if (from !== undefined) this.onPacket?.({ bytes: new Uint8Array(bytes), from })
  }

  /** udx does not say by which interface a packet came: link-local senders are known by our own zone, or not at all. */
  #sourceAddress({ host, port }: UdxSource): TransportAddress | undefined {
    if (ipScope(host) !== 'link-local' || !host.includes(':')) return transportAddress(host, port)
    const zone = this.local.ip.split('%')[1]
    return zone === undefined ? undefined : transportAddress(`${host}%${zone}`, port)
  }

  /** After the present call: `send` never calls back. */
  #refuseSoon(bytes: Uint8Array, to: TransportAddress, code: string): void {
    queueMicrotask(() => this.#refuse(bytes, to, code))
  }

  #refuse(bytes: Uint8Array, to: TransportAddress, code: string): void {
    if (this.#isClosed) return
    publishDatagramRefused({ family: to.family, code, lengthBytes: bytes.byteLength })
    this.onSendError?.({ to, code, length: bytes.byteLength })
  }
}
