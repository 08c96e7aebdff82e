import { networkContains } from '../../lib/base/ip-network.ts'
import type { MulticastJoin, OpenUdpOptions, Runtime, UdpSocket } from '../../lib/base/runtime.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import type { VirtualClock } from '../sim/virtual-clock.ts'
import { VirtualInternet } from '../sim/virtual-internet.ts'
import type { LanHost, LanSocket } from './lan-network.ts'
import { LanSockets, lanNetwork, passTime } from './lan-network.ts'

const GROUPS: readonly string[] = ['224.0.0.251', 'ff02::fb']

/** Whose a socket is, and what it hears. */
interface OnBus {
  readonly host: BusHost
  readonly joins: readonly MulticastJoin[]
}

type BusSocket = LanSocket<OnBus>

/** A packet as it went over the wire. */
export interface SentPacket {
  readonly bytes: Uint8Array
  readonly from: TransportAddress
  readonly to: TransportAddress
  readonly atMs: number
}

/** A LAN that carries multicast, on virtual time: what is sent to the group comes to all who have joined, its sender too. */
export class MulticastLan {
  readonly clock: VirtualClock
  readonly sent: SentPacket[] = []
  /** Lets packets vanish. */
  loses: (packet: SentPacket) => boolean = () => false
  readonly #internet: VirtualInternet
  readonly #sockets: LanSockets<OnBus>
  readonly #hosts: BusHost[] = []

  constructor(seed = 1) {
    this.#internet = new VirtualInternet({ seed })
    this.clock = this.#internet.clock
    this.#sockets = new LanSockets(this.clock)
  }

  /** A host with one card; addresses of 24 and 64 bits, its link-local one with the zone `eth0`. */
  host(...ips: readonly string[]): BusHost {
    const virtual = this.#internet.host()
    const host: BusHost = new BusHost(ips, virtual.runtime, (options) => this.#open(host, options))
    this.#hosts.push(host)
    return host
  }

  /** Sockets that are open, of all hosts. */
  get openSockets(): number {
    return this.#sockets.size
  }

  /** A packet out of nowhere, at everybody's socket. */
  inject(bytes: Uint8Array, from: TransportAddress): void {
    for (const socket of this.#sockets)
      if (socket.joins.length > 0) this.#sockets.deliver(socket, bytes, from)
  }

  run<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    return this.clock.runUntilSettled(promise, limitMs)
  }

  pass(ms: number): Promise<void> {
    return passTime(this.clock, ms)
  }

  #open(host: BusHost, options: OpenUdpOptions): UdpSocket {
    return this.#sockets.open({
      ...{ options, about: { host, joins: options.joins ?? [] }, port: 49_152 },
      isTaken: () => host.refusesPorts,
      send: (socket, bytes, to) => this.#send(socket, bytes, to),
    })
  }

  #send(socket: BusSocket, bytes: Uint8Array, to: TransportAddress): void {
    const ip = socket.local.ip === '::' ? socket.host.linkLocal : socket.local.ip
    const packet = { bytes, from: transportAddress(ip, socket.local.port), to, atMs: this.clock.nowMs() }
    this.sent.push(packet)
    if (this.loses(packet)) return
    const [group = ''] = to.ip.split('%')
    for (const other of this.#sockets) {
      if (GROUPS.includes(group) ? hears(other, group) : other.local.port === to.port && isAt(other, to.ip))
        this.#sockets.deliver(other, bytes, packet.from)
    }
  }
}

function hears(socket: BusSocket, group: string): boolean {
  return socket.joins.some((join) => join.group === group && socket.host.has(join.via))
}

function isAt(socket: BusSocket, ip: string): boolean {
  return socket.local.ip === ip
}

/** A host of a {@link MulticastLan}. */
export class BusHost implements LanHost {
  readonly runtime: Runtime
  readonly open: (options: OpenUdpOptions) => UdpSocket
  ips: readonly string[]
  interfaceName = 'eth0'
  /** Another program has every port for itself. */
  refusesPorts = false

  constructor(ips: readonly string[], runtime: Runtime, open: (options: OpenUdpOptions) => UdpSocket) {
    this.ips = ips
    this.open = open
    this.runtime = { ...runtime, network: lanNetwork(this, runtime.network) }
  }

  get linkLocal(): string {
    return this.ips.find((ip) => ip.includes('%')) ?? '::'
  }

  has(ip: string): boolean {
    return this.ips.some(
      (own) => own === ip || (!own.includes('%') && networkContains({ ip: own, prefixLength: 128 }, ip)),
    )
  }
}
