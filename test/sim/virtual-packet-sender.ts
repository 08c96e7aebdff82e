import type { HostRouting } from './virtual-host-routing.ts'
import type { Link } from './virtual-link.ts'
import { Packet } from './virtual-packet.ts'
import type { PathMtuListener, TcpSegment } from './virtual-packet.ts'
import type { World } from './virtual-world.ts'

/**
 * What a system does with a datagram that is larger than what it has learnt of the path: cut it up (`want`, which is
 * Linux's way with UDP), refuse it with EMSGSIZE (`do`), or let routers cut it from the start (`dont`).
 */
export type PathMtuDiscovery = 'want' | 'do' | 'dont'

/** What a host wants to send; bytes are not copied. */
export interface Outgoing {
  /** The IP that the socket is bound to; 0 for the one that fits the destination. */
  readonly boundIp: number
  readonly sourcePort: number
  readonly destinationIp: number
  readonly destinationPort: number
  readonly ttl: number
  readonly bytes: Uint8Array
  readonly segment: TcpSegment | undefined
}

/** Makes packets of what a host sends, and puts each on the link that leads to its destination. */
export class PacketSender implements PathMtuListener {
  readonly #world: World
  readonly #hostName: string
  readonly #routing: HostRouting
  readonly #loopback: Link
  readonly #discovery: PathMtuDiscovery
  readonly #pathMtus = new Map<number, number>()

  constructor(
    world: World,
    hostName: string,
    routing: HostRouting,
    loopback: Link,
    discovery: PathMtuDiscovery,
  ) {
    this.#world = world
    this.#hostName = hostName
    this.#routing = routing
    this.#loopback = loopback
    this.#discovery = discovery
  }

  /** Sends; answers the system's code when it refuses to. */
  send(outgoing: Outgoing): string | undefined {
    const route = this.#routing.route(outgoing.boundIp, outgoing.destinationIp)
    if (route === undefined) return 'ENETUNREACH'
    const packet = new Packet({
      sourceIp: route.sourceIp,
      sourcePort: outgoing.sourcePort,
      destinationIp: outgoing.destinationIp,
      destinationPort: outgoing.destinationPort,
      ttl: outgoing.ttl,
      bytes: outgoing.bytes,
      segment: outgoing.segment,
      sender: this,
      sentAtMs: this.#world.clock.nowMs(),
      isIpv6: this.#world.ips.family(outgoing.destinationIp) === 'ipv6',
    })
    if (outgoing.segment === undefined && !this.#fitsPath(packet)) return 'EMSGSIZE'
    this.#world.trace.noteSent(packet, this.#hostName)
    const link = route.attachment?.up ?? this.#loopback
    link.send(packet)
    return undefined
  }

  learnPathMtu(destinationIp: number, mtu: number): void {
    this.#pathMtus.set(destinationIp, Math.min(mtu, this.#pathMtus.get(destinationIp) ?? Infinity))
  }

  /** Forgets what was learnt of the paths: they lead from another place now. */
  forgetPaths(): void {
    this.#pathMtus.clear()
  }

  #fitsPath(packet: Packet): boolean {
    if (this.#discovery === 'dont') packet.dontFragment = false
    const mtu = this.#pathMtus.get(packet.destinationIp)
    if (mtu === undefined || packet.size <= mtu) return true
    packet.dontFragment = false
    packet.fragmentSize = mtu
    return this.#discovery !== 'do'
  }
}
