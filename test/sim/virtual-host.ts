import { ReachError } from '../../lib/base/errors.ts'
import type { OpenUdpOptions, Runtime } from '../../lib/base/runtime.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { bindError } from '../../lib/net/system-error.ts'
import type { SeededRandom } from './seeded-random.ts'
import { HostClock } from './virtual-host-clock.ts'
import { HostInterface } from './virtual-host-interface.ts'
import type { InterfaceOptions } from './virtual-host-interface.ts'
import { HostNetwork } from './virtual-host-network.ts'
import { HostRouting } from './virtual-host-routing.ts'
import { Link } from './virtual-link.ts'
import type { AccessLinkOptions } from './virtual-link.ts'
import type { ForwardingNode, InnerEnd } from './virtual-node.ts'
import { PacketSender } from './virtual-packet-sender.ts'
import type { PathMtuDiscovery } from './virtual-packet-sender.ts'
import type { Packet, TcpSegment } from './virtual-packet.ts'
import { VirtualResolver } from './virtual-resolver.ts'
import type { HostDnsOptions, Zone } from './virtual-resolver.ts'
import type { VirtualTcpSocket } from './virtual-tcp-socket.ts'
import { VirtualTcp } from './virtual-tcp.ts'
import type { TcpHost, VirtualTcpListener } from './virtual-tcp.ts'
import { UdpSocketTable, VirtualUdpSocket } from './virtual-udp-socket.ts'
import type { UdpSocketOwner } from './virtual-udp-socket.ts'
import { systemError } from './virtual-system-error.ts'
import type { World } from './virtual-world.ts'

const DEFAULT_TTL = 64
/** Linux's ip_local_port_range. */
const MIN_EPHEMERAL_PORT = 32_768
const MAX_EPHEMERAL_PORT = 60_999
/** 65,535 less the headers; IPv6's own header does not count. */
const MAX_IPV4_UDP_PAYLOAD = 65_507
const MAX_IPV6_UDP_PAYLOAD = 65_527

export interface HostOptions extends InterfaceOptions {
  /** The host's name; `interfaceName` is that of its interface. */
  readonly name?: string
  readonly interfaceName?: string
  /** Further interfaces. */
  readonly interfaces?: readonly (InterfaceOptions & { readonly name: string })[]
  readonly dns?: HostDnsOptions
  /** @default 'want' */
  readonly pathMtuDiscovery?: PathMtuDiscovery
  /** Whether a trace to this host is answered by it. @default true */
  readonly answersTraces?: boolean
  /** Whether the host has a usable `ping`. @default true */
  readonly hasPing?: boolean
}

/** A computer of the virtual internet. What runs on it gets {@link VirtualHost.runtime}. */
export class VirtualHost implements UdpSocketOwner, TcpHost {
  readonly world: World
  readonly name: string
  readonly clock: HostClock
  readonly resolver: VirtualResolver
  readonly runtime: Runtime
  readonly routing: HostRouting
  readonly options: HostOptions
  readonly #random: SeededRandom
  readonly #udp = new UdpSocketTable()
  readonly #tcp: VirtualTcp
  readonly #sender: PacketSender

  constructor(
    world: World,
    name: string,
    options: HostOptions & { readonly behind: ForwardingNode },
    zone: Zone,
  ) {
    this.world = world
    this.name = name
    this.options = options
    this.#random = world.random.fork(`host ${name}`)
    this.clock = new HostClock(world.clock)
    this.resolver = new VirtualResolver(this.clock, zone, options.dns)
    this.routing = new HostRouting(world.ips)
    this.#tcp = new VirtualTcp(this)
    const loopback = new Link(world, `${name} loopback`, {}, this.#end('lo'))
    this.#sender = new PacketSender(world, name, this.routing, loopback, options.pathMtuDiscovery ?? 'want')
    const first = { ...options, name: options.interfaceName ?? 'eth0' }
    const others = (options.interfaces ?? []).map((each) => ({
      ...each,
      behind: each.behind ?? options.behind,
    }))
    this.routing.interfaces = [first, ...others].map((each) => new HostInterface(each, this.#end(each.name)))
    const random = { bytes: (length: number) => this.#random.bytes(length) }
    this.runtime = { clock: this.clock, random, network: new HostNetwork(this), resolver: this.resolver }
  }

  /** Its addresses, those of the first interface first. */
  get ips(): readonly string[] {
    return this.routing.interfaces.flatMap((each) => each.ips.map(({ ip }) => ip))
  }

  /** Its first address. @throws {RangeError} when it has none */
  get ip(): string {
    const [ip] = this.ips
    if (ip === undefined) throw new RangeError(`${this.name} has no address`)
    return ip
  }

  /** Sockets that code under test has not closed. */
  get openSocketCount(): number {
    return this.#udp.count
  }

  /** Opens a UDP socket at once. @throws {ReachError} ERR_REACH_SOCKET, ERR_REACH_ADDRESS_IN_USE */
  openUdp(options: Partial<OpenUdpOptions> = {}): VirtualUdpSocket {
    const { family = 'ipv4' } = options
    const any = family === 'ipv4' ? '0.0.0.0' : '::'
    const ip = options.ip ?? any
    const ipNumber = ip === any ? 0 : this.world.ips.numberOfAny(ip)
    if (ipNumber !== 0 && (!this.routing.owns(ipNumber) || this.world.ips.family(ipNumber) !== family)) {
      throw bindError(systemError('EADDRNOTAVAIL'), { family, ip, port: options.port ?? 0, transport: 'udp' })
    }
    const asked = options.port ?? 0
    const port = asked === 0 ? this.freePort((each) => this.#udp.isTaken(family, ipNumber, each)) : asked
    const local: TransportAddress = {
      family,
      ip: ipNumber === 0 ? any : this.world.ips.ip(ipNumber),
      port,
      transport: 'udp',
    }
    const socket = new VirtualUdpSocket(this, local, ipNumber)
    this.#udp.add(socket)
    return socket
  }

  /** Listens on a TCP port, on all addresses. */
  listenTcp(port: number, onConnection: (socket: VirtualTcpSocket) => void): VirtualTcpListener {
    return this.#tcp.listen(port, onConnection)
  }

  connectTcp(...args: Parameters<VirtualTcp['connect']>): Promise<VirtualTcpSocket> {
    return this.#tcp.connect(...args)
  }

  /** Changes the link of its first interface. */
  configureLink(changes: AccessLinkOptions): void {
    this.routing.interfaces[0]?.attachment.configure(changes)
  }

  /** Leaves its networks: the interfaces go down and lose their addresses. */
  disconnect(): void {
    for (const each of this.routing.interfaces) each.attachment.detach()
    this.routing.interfaces = []
    this.#sender.forgetPaths()
  }

  /** Leaves its networks for another one, and gets other addresses there; its sockets stay. */
  moveTo(options: InterfaceOptions & { readonly behind: ForwardingNode }): void {
    this.disconnect()
    this.routing.interfaces = [new HostInterface(options, this.#end(options.name ?? 'eth0'))]
  }

  /** Stands still for a while: no timers, no packets; the calendar jumps on waking. */
  suspend(forMs: number): void {
    this.clock.suspend(forMs)
  }

  sendUdp(socket: VirtualUdpSocket, bytes: Uint8Array, to: TransportAddress, ttl = DEFAULT_TTL): void {
    const code = this.#trySendUdp(socket, bytes, to, ttl)
    if (code === undefined) return
    const { clock } = this.world
    const run = () => {
      clock.noteUserCode()
      socket.onSendError?.({ to, code, length: bytes.length })
    }
    clock.schedule(clock.nowMs(), { isOver: false, run })
  }

  forgetUdp(socket: VirtualUdpSocket): void {
    this.#udp.remove(socket)
  }

  sourceTowards(destinationIp: number): number | undefined {
    return this.routing.route(0, destinationIp)?.sourceIp
  }

  freePort(isTaken: (port: number) => boolean): number {
    const range = MAX_EPHEMERAL_PORT - MIN_EPHEMERAL_PORT + 1
    const start = this.#random.int(0, range - 1)
    for (let i = 0; i < range; i++) {
      const port = MIN_EPHEMERAL_PORT + ((start + i) % range)
      if (!isTaken(port)) return port
    }
    throw new ReachError('ERR_REACH_ADDRESS_IN_USE', `${this.name} has no free port`)
  }

  sendSegment(
    from: TransportAddress,
    to: TransportAddress,
    segment: TcpSegment,
    bytes: Uint8Array,
  ): string | undefined {
    const { ips } = this.world
    return this.#sender.send({
      boundIp: ips.numberOf(from.ip),
      sourcePort: from.port,
      destinationIp: ips.numberOf(to.ip),
      destinationPort: to.port,
      ttl: DEFAULT_TTL,
      bytes,
      segment,
    })
  }

  #trySendUdp(
    socket: VirtualUdpSocket,
    bytes: Uint8Array,
    to: TransportAddress,
    ttl: number,
  ): string | undefined {
    const isIpv6 = to.family === 'ipv6'
    if (to.family !== socket.local.family) return 'EAFNOSUPPORT'
    if (to.port === 0) return 'EINVAL'
    if (bytes.length > (isIpv6 ? MAX_IPV6_UDP_PAYLOAD : MAX_IPV4_UDP_PAYLOAD)) return 'EMSGSIZE'
    return this.#sender.send({
      boundIp: socket.ipNumber,
      sourcePort: socket.local.port,
      destinationIp: this.world.ips.numberOf(to.ip),
      destinationPort: to.port,
      ttl,
      // A copy: the sender may use its buffer again at once.
      bytes: this.world.payloads.copy(bytes),
      segment: undefined,
    })
  }

  #end(interfaceName: string): InnerEnd {
    const { answersTraces = true } = this.options
    const receive = (packet: Packet) => this.#receive(packet)
    return { name: `${this.name} ${interfaceName}`, box: undefined, isHost: true, answersTraces, receive }
  }

  #receive(packet: Packet): void {
    const { trace, clock, ips } = this.world
    if (this.clock.isAsleep) return trace.drop(packet, 'asleep', this.name)
    if (!this.routing.owns(packet.destinationIp)) return trace.drop(packet, 'no-route', this.name)
    if (packet.segment !== undefined) {
      trace.noteDelivered(packet, this.name)
      clock.noteUserCode()
      return this.#tcp.receive(packet)
    }
    const socket = this.#udp.find(packet.isIpv6, packet.destinationIp, packet.destinationPort)
    if (socket === undefined) return trace.drop(packet, 'no-socket', this.name)
    trace.noteDelivered(packet, this.name)
    if (socket.wakesPromises) clock.noteUserCode()
    socket.onPacket?.({ bytes: packet.bytes, from: ips.address(packet.sourceIp, packet.sourcePort, 'udp') })
  }
}
