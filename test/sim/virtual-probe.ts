import type { UdpPacket } from '../../lib/base/runtime.ts'
import { formatAddress } from '../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import type { VirtualHost } from './virtual-host.ts'
import type { VirtualInternet } from './virtual-internet.ts'
import type { VirtualUdpSocket } from './virtual-udp-socket.ts'

/** Longer than any way through the scenarios of the simulator's own tests. */
const ROUND_MS = 500

/** A UDP socket that keeps what it gets, for black-box tests of the simulator itself. */
export class Probe {
  readonly socket: VirtualUdpSocket
  readonly packets: UdpPacket[] = []
  readonly refusals: string[] = []
  readonly #net: VirtualInternet

  constructor(net: VirtualInternet, host: VirtualHost, local: { ip?: string; port?: number } = {}) {
    const { ip = host.ip, port } = local
    this.#net = net
    const family = ip.includes(':') ? 'ipv6' : 'ipv4'
    this.socket = host.openUdp({ family, ip, ...(port !== undefined && { port }) })
    this.socket.onPacket = (packet) => this.packets.push(packet)
    this.socket.onSendError = ({ code }) => this.refusals.push(code)
  }

  get address(): TransportAddress {
    return this.socket.local
  }

  /** Sends to another probe; answers which source that one saw, or undefined when nothing came. */
  shows(to: Probe, options: SendOptions = {}): TransportAddress | undefined {
    const before = to.packets.length
    this.send(to.address, options)
    return to.packets[before]?.from
  }

  /** The port of the source that `to` sees. */
  showsPort(to: Probe): number | undefined {
    return this.shows(to)?.port
  }

  /** Sends to an address; answers whether the probe `expectedAt` got something. */
  reaches(address: TransportAddress | undefined, expectedAt: Probe, options: SendOptions = {}): boolean {
    if (address === undefined) throw new RangeError('there is no address to send to')
    const before = expectedAt.packets.length
    this.send(address, options)
    return expectedAt.packets.length > before
  }

  /** Sends, and lets the world go on until it must have arrived. */
  send(to: TransportAddress, { bytes = new Uint8Array(8), ttl }: SendOptions = {}): void {
    this.socket.send(bytes, to, ttl === undefined ? undefined : { ttl })
    this.#net.clock.advance(ROUND_MS)
  }
}

export interface SendOptions {
  readonly bytes?: Uint8Array
  readonly ttl?: number
}

/** As {@link formatAddress}, for what may not be there. */
export function text(address: TransportAddress | undefined): string {
  return address === undefined ? 'nothing' : formatAddress(address)
}

/** A payload of so many bytes. */
export function payload(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i)
}
