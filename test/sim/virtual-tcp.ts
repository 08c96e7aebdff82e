import type { ConnectTcpOptions } from '../../lib/base/runtime.ts'
import { formatAddress, transportAddress } from '../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { bindError, connectError } from '../../lib/net/system-error.ts'
import type { Packet, TcpSegment } from './virtual-packet.ts'
import { VirtualTcpSocket } from './virtual-tcp-socket.ts'
import type { TcpSocketOwner } from './virtual-tcp-socket.ts'
import { systemError } from './virtual-system-error.ts'
import type { World } from './virtual-world.ts'

/** RFC 9293 §3.4.1: twice the time that a segment may live, as Linux counts it. */
const TIME_WAIT_MS = 60_000

/** What the TCP of a host needs of it. */
export interface TcpHost {
  readonly world: World
  /** The source IP towards a destination; undefined without a route. */
  sourceTowards(destinationIp: number): number | undefined
  /** An ephemeral port that is not taken. */
  freePort(isTaken: (port: number) => boolean): number
  /** Hands a segment to the network; answers the system's code when there is no way. */
  sendSegment(
    from: TransportAddress,
    to: TransportAddress,
    segment: TcpSegment,
    bytes: Uint8Array,
  ): string | undefined
}

/** A listening TCP port of a virtual host. */
export interface VirtualTcpListener {
  readonly port: number
  close(): void
}

const NO_DATA = new Uint8Array()

/** The connections and listeners of one host. */
export class VirtualTcp implements TcpSocketOwner {
  readonly #host: TcpHost
  readonly #listeners = new Map<number, (socket: VirtualTcpSocket) => void>()
  readonly #sockets = new Map<string, VirtualTcpSocket>()
  /** Connections that are over, and until when a late FIN of the other side is still acknowledged. */
  readonly #timeWait = new Map<string, number>()

  constructor(host: TcpHost) {
    this.#host = host
  }

  /** @throws {ReachError} ERR_REACH_ADDRESS_IN_USE */
  listen(port: number, onConnection: (socket: VirtualTcpSocket) => void): VirtualTcpListener {
    if (this.#listeners.has(port)) {
      throw bindError(systemError('EADDRINUSE'), transportAddress('0.0.0.0', port, 'tcp'))
    }
    this.#listeners.set(port, onConnection)
    return { port, close: () => void this.#listeners.delete(port) }
  }

  connect(to: TransportAddress, options: ConnectTcpOptions = {}): Promise<VirtualTcpSocket> {
    const { signal } = options
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const socket = this.#dial(to, options)
      const stop = () => {
        socket.removeAllListeners('connect').removeListener('error', onError)
        signal?.removeEventListener('abort', onAbort)
      }
      const onError = (error: Error) => {
        stop()
        reject(connectError(error, to))
      }
      const onAbort = () => {
        stop()
        socket.destroy()
        reject(signal?.reason)
      }
      socket.once('error', onError)
      socket.once('connect', () => {
        stop()
        resolve(socket)
      })
      signal?.addEventListener('abort', onAbort, { once: true })
      socket.open()
    })
  }

  receive(packet: Packet): void {
    const { segment } = packet
    if (segment === undefined) return
    const { ips } = this.#host.world
    const local = ips.address(packet.destinationIp, packet.destinationPort, 'tcp')
    const remote = ips.address(packet.sourceIp, packet.sourcePort, 'tcp')
    const socket = this.#sockets.get(keyOf(local, remote))
    const onConnection = this.#listeners.get(local.port)
    if (socket !== undefined) socket.receiveSegment(segment, packet.bytes)
    else if (segment.syn && !segment.ack && onConnection) this.#accept(local, remote, onConnection)
    else if (!segment.rst) this.#refuse(local, remote, segment, packet.bytes.length)
  }

  nowMs(): number {
    return this.#host.world.clock.nowMs()
  }

  later(delayMs: number, callback: () => void): { cancel(): void } {
    const { clock } = this.#host.world
    let isOver = false
    const event = {
      get isOver() {
        return isOver
      },
      run() {
        clock.noteUserCode()
        callback()
      },
    }
    clock.schedule(clock.nowMs() + delayMs, event)
    return { cancel: () => void (isOver = true) }
  }

  sendTcp(socket: VirtualTcpSocket, segment: TcpSegment, bytes: Uint8Array): string | undefined {
    return this.#host.sendSegment(socket.local, socket.remote, segment, bytes)
  }

  forgetTcp(socket: VirtualTcpSocket): void {
    const key = keyOf(socket.local, socket.remote)
    this.#sockets.delete(key)
    this.#timeWait.set(key, this.nowMs() + TIME_WAIT_MS)
  }

  #dial(to: TransportAddress, { localIp, localPort }: ConnectTcpOptions): VirtualTcpSocket {
    const { ips } = this.#host.world
    const source = this.#host.sourceTowards(ips.numberOf(to.ip))
    if (source === undefined) throw connectError(systemError('ENETUNREACH'), to)
    const from = (port: number) => ips.address(source, port, 'tcp')
    // Hosts of the simulator dial from the address of their route alone.
    if ((localIp ?? ips.ip(source)) !== ips.ip(source)) throw connectError(systemError('EADDRNOTAVAIL'), to)
    const isTaken = (port: number) => this.#sockets.has(keyOf(from(port), to))
    const port = localPort ?? this.#host.freePort(isTaken)
    if (isTaken(port)) throw bindError(systemError('EADDRINUSE'), from(port))
    return this.#open(from(port), to)
  }

  #open(local: TransportAddress, remote: TransportAddress): VirtualTcpSocket {
    const socket = new VirtualTcpSocket(this, local, remote)
    this.#sockets.set(keyOf(local, remote), socket)
    return socket
  }

  #accept(
    local: TransportAddress,
    remote: TransportAddress,
    onConnection: (socket: VirtualTcpSocket) => void,
  ): void {
    const socket = this.#open(local, remote)
    // A handshake that fails is nobody's business: the listener has not heard of it yet.
    const ignore = () => undefined
    socket.on('error', ignore)
    socket.once('connect', () => {
      socket.removeListener('error', ignore)
      onConnection(socket)
    })
    socket.accept()
  }

  #refuse(local: TransportAddress, remote: TransportAddress, segment: TcpSegment, length: number): void {
    const isTimeWait = this.nowMs() < (this.#timeWait.get(keyOf(local, remote)) ?? 0)
    const isBareAck = !segment.syn && !segment.fin && length === 0
    if (isTimeWait && isBareAck) return
    const answer: TcpSegment = {
      ...{ syn: false, fin: false, rst: !(isTimeWait && segment.fin), ack: true, sequence: 0 },
      acknowledgement: segment.sequence + 1,
    }
    this.#host.sendSegment(local, remote, answer, NO_DATA)
  }
}

function keyOf(local: TransportAddress, remote: TransportAddress): string {
  return `${formatAddress(local)} ${formatAddress(remote)}`
}
