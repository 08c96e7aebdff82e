import type { AddressFamily } from '../../lib/base/transport-address.ts'
import { Link } from './virtual-link.ts'
import type { AccessLinkOptions, LinkEnd } from './virtual-link.ts'
import type { Packet } from './virtual-packet.ts'
import type { DropReason } from './virtual-trace.ts'
import type { World } from './virtual-world.ts'

/** An IP that was given to a host or box, with the length of its network's prefix. */
export interface AssignedIp {
  readonly ip: string
  readonly prefixLength: number
}

/**
 * The link from a host or box to the one it is behind, with the IPs that can be reached over it. `up` leads away from
 * the host, towards the core of the internet.
 */
export class Attachment {
  readonly parent: ForwardingNode
  readonly up: Link
  readonly down: Link
  readonly inner: InnerEnd
  readonly #routed = new Set<number>()

  constructor(parent: ForwardingNode, inner: InnerEnd, options: AccessLinkOptions = {}) {
    const { up = {}, down = {}, ...both } = options
    const { world } = parent
    this.parent = parent
    this.inner = inner
    const outerEnd: LinkEnd = { isHost: false, receive: (packet) => parent.fromInside(packet, this) }
    this.up = new Link(world, `${inner.name} up`, { ...both, ...up }, outerEnd)
    this.down = new Link(world, `${inner.name} down`, { ...both, ...down }, inner)
  }

  /** Changes both directions from now on, or each by `up` and `down`. */
  configure(changes: AccessLinkOptions): void {
    const { up = {}, down = {}, ...both } = changes
    this.up.configure({ ...both, ...up })
    this.down.configure({ ...both, ...down })
  }

  /** Makes an IP reachable through this link. @throws {RangeError} when another has it */
  addRoute(ipNumber: number): void {
    this.parent.addRoute(ipNumber, this)
    this.#routed.add(ipNumber)
  }

  removeRoute(ipNumber: number): void {
    if (this.#routed.delete(ipNumber)) this.parent.removeRoute(ipNumber)
  }

  /** Takes the link out of the world; its IPs are free again. */
  detach(): void {
    for (const ipNumber of [...this.#routed]) this.removeRoute(ipNumber)
    this.up.detach()
    this.down.detach()
  }
}

/** What an {@link Attachment} leads down to. */
export interface InnerEnd extends LinkEnd {
  readonly name: string
  /** Undefined for a host. */
  readonly box: ForwardingNode | undefined
  /** Whether a trace that ends here is answered. */
  readonly answersTraces: boolean
}

/** One router on a way, as a trace sees it. */
export interface TraceHop {
  /** Undefined for one that does not answer. */
  readonly ip: string | undefined
}

/** A box that hands packets on: the core, a router, a firewall, a NAT. Each knows what is behind it, IP by IP. */
export abstract class ForwardingNode {
  readonly world: World
  readonly name: string
  protected readonly routes = new Map<number, Attachment>()
  #uplink: Attachment | undefined

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
  }

  /** The link to the box that this one is behind; undefined for the core. */
  get uplink(): Attachment | undefined {
    return this.#uplink
  }

  /** Whether addresses of the family inside of this box mean nothing outside. */
  abstract translates(family: AddressFamily): boolean
  /** Finds an IP for something behind this box, or checks that `wanted` can be used there. */
  abstract assignIp(family: AddressFamily, wanted?: string): AssignedIp
  /** The IP that hosts behind this box see it under; undefined for a box that they can't address. */
  abstract insideIp(family: AddressFamily): string | undefined
  abstract fromInside(packet: Packet, from: Attachment): void
  abstract fromOutside(packet: Packet): void
  /** What a trace sees of this box; undefined when it takes no part in the TTL. */
  abstract traceHop(family: AddressFamily): TraceHop | undefined
  /** Whether the box lets nothing but its own answer back to somebody who traces through it. */
  abstract get blocksTraces(): boolean
  /** Whether the IP is one of the box's own, on the outside. */
  abstract ownsOutside(ipNumber: number): boolean

  /** Puts this box behind another one. */
  attach(parent: ForwardingNode, link: AccessLinkOptions | undefined): Attachment {
    const receive = (packet: Packet) => this.fromOutside(packet)
    const inner: InnerEnd = { name: this.name, box: this, isHost: false, answersTraces: true, receive }
    this.#uplink = new Attachment(parent, inner, link)
    return this.#uplink
  }

  /** Changes the link of this box to the one it is behind. */
  configureLink(changes: AccessLinkOptions): void {
    this.#uplink?.configure(changes)
  }

  addRoute(ipNumber: number, by: Attachment): void {
    const known = this.routes.get(ipNumber)
    if (known !== undefined && known !== by) {
      throw new RangeError(`${this.world.ips.ip(ipNumber)} is taken behind ${this.name}`)
    }
    this.routes.set(ipNumber, by)
    if (!this.translates(this.world.ips.family(ipNumber))) this.#uplink?.addRoute(ipNumber)
  }

  removeRoute(ipNumber: number): void {
    this.routes.delete(ipNumber)
    this.#uplink?.removeRoute(ipNumber)
  }

  /** The link towards something behind this box. */
  routeTo(ipNumber: number): Attachment | undefined {
    return this.routes.get(ipNumber)
  }

  protected drop(packet: Packet, reason: DropReason): void {
    this.world.trace.drop(packet, reason, this.name)
  }

  /** Takes one from the TTL; false when the packet dies of it. */
  protected passesTtl(packet: Packet): boolean {
    if (packet.ttl <= 1) {
      this.drop(packet, 'ttl')
      return false
    }
    packet.ttl--
    return true
  }

  protected sendUp(packet: Packet): void {
    if (this.#uplink === undefined) this.drop(packet, 'no-route')
    else this.#uplink.up.send(packet)
  }

  protected sendDown(packet: Packet): void {
    const route = this.routes.get(packet.destinationIp)
    if (route === undefined) this.drop(packet, 'no-route')
    else route.down.send(packet)
  }
}
