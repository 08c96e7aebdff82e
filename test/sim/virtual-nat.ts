import type { AddressFamily } from '../../lib/base/transport-address.ts'
import { LanAddressPlan } from './virtual-address-plan.ts'
import type { NatOptions } from './virtual-nat-options.ts'
import type { NatMapping } from './virtual-nat-mappings.ts'
import { NatTranslator } from './virtual-nat-translator.ts'
import { ForwardingNode } from './virtual-node.ts'
import type { AssignedIp, TraceHop } from './virtual-node.ts'
import { RuleSet } from './virtual-packet-rules.ts'
import type { Packet } from './virtual-packet.ts'
import { refuseTcp } from './virtual-refusal.ts'
import { StatefulFilter } from './virtual-stateful-filter.ts'
import type { World } from './virtual-world.ts'

/** Where a port forwarding leads. */
export interface PortForwarding {
  readonly transport: 'udp' | 'tcp'
  readonly externalPort: number
  readonly internalIp: string
  readonly internalPort: number
}

export interface RebootOptions {
  /** How long nothing passes. @default 0 */
  readonly downMs?: number
  /** Whether it comes back with other external addresses, or with which. @default false */
  readonly newAddresses?: boolean | readonly string[]
}

/** A box that translates IPv4 and routes IPv6. What it does to UDP and TCP, its options say in the words of RFC 4787. */
export class VirtualNat extends ForwardingNode {
  readonly gatewayIp: string
  readonly blocksTraces: boolean
  readonly #options: NatOptions
  readonly #parent: ForwardingNode
  readonly #lan: LanAddressPlan
  readonly #rules: RuleSet
  readonly #translator: NatTranslator
  readonly #ipv6: StatefulFilter | undefined
  #externalIps: readonly number[] = []
  #isDown = false

  constructor(world: World, name: string, options: NatOptions & { readonly behind: ForwardingNode }) {
    super(world, name)
    this.#options = options
    this.#parent = options.behind
    this.#lan = new LanAddressPlan(options.lan ?? `192.168.${1 + natsAround(options.behind)}.0/24`)
    this.gatewayIp = this.#lan.gatewayIp
    this.#rules = new RuleSet(world.ips, options.rules)
    this.blocksTraces = this.#rules.blocksTraces
    this.#ipv6 = (options.ipv6 ?? 'stateful') === 'stateful' ? new StatefulFilter() : undefined
    this.attach(options.behind, options.link)
    this.#takeAddresses(options.externalIps ?? 1)
    this.#translator = new NatTranslator(world, name, options, this.#externalIps)
  }

  /** Its addresses on the outside. */
  get externalIps(): readonly string[] {
    return this.#externalIps.map((ip) => this.world.ips.ip(ip))
  }

  /** Mappings in its tables, the expired ones that nobody met since included. */
  get mappingCount(): number {
    return this.#translator.size
  }

  translates(family: AddressFamily): boolean {
    return family === 'ipv4'
  }

  assignIp(family: AddressFamily, wanted?: string): AssignedIp {
    return family === 'ipv4' ? this.#lan.assign(wanted) : this.#parent.assignIp(family, wanted)
  }

  insideIp(family: AddressFamily): string | undefined {
    return family === 'ipv4' ? this.gatewayIp : undefined
  }

  ownsOutside(ipNumber: number): boolean {
    return this.#externalIps.includes(ipNumber)
  }

  traceHop(family: AddressFamily): TraceHop {
    return { ip: (this.#options.answersTraces ?? true) ? this.insideIp(family) : undefined }
  }

  /** Makes a port forwarding, until a reboot. */
  forwardPort(forwarding: PortForwarding): void {
    const { transport, externalPort, internalIp, internalPort } = forwarding
    this.#translator.forward(transport, externalPort, this.world.ips.numberOfAny(internalIp), internalPort)
  }

  /** Forgets all mappings. */
  flush(): void {
    this.#translator.flush()
    this.#ipv6?.flush()
  }

  /** Forgets all mappings and, if told, is away for a while or gets other addresses. */
  reboot({ downMs = 0, newAddresses = false }: RebootOptions = {}): void {
    this.flush()
    if (newAddresses !== false) this.renumber(newAddresses === true ? undefined : newAddresses)
    if (downMs <= 0) return
    this.#isDown = true
    const { clock } = this.world
    const run = () => {
      this.#isDown = false
    }
    clock.schedule(clock.nowMs() + downMs, { isOver: false, run })
  }

  /** Takes other external addresses: the given ones, or as many new ones. */
  renumber(externalIps?: readonly string[]): void {
    for (const ip of this.#externalIps) this.uplink?.removeRoute(ip)
    this.#takeAddresses(externalIps ?? this.#externalIps.length)
    this.#translator.renumber(this.#externalIps)
  }

  fromInside(packet: Packet): void {
    if (this.#isDown) return this.drop(packet, 'cut')
    if (this.routeTo(packet.destinationIp) !== undefined) return this.#switch(packet)
    if (this.#lan.prefix.contains(this.world.ips.bytes(packet.destinationIp)))
      return this.drop(packet, 'no-route')
    // Before any mapping is made, as in Linux: forwarding checks the TTL ahead of POSTROUTING.
    if (!this.passesTtl(packet)) return
    if (!this.#rules.allowsOut(packet)) return this.#refuse(packet)
    if (packet.isIpv6) return this.#ipv6Out(packet)
    if (this.#losesFragments(packet)) return this.drop(packet, 'fragment')
    if (this.ownsOutside(packet.destinationIp)) return this.#hairpin(packet)
    const why = this.#translator.outbound(packet)
    if (why === undefined) this.sendUp(packet)
    else this.drop(packet, why)
  }

  fromOutside(packet: Packet): void {
    if (this.#isDown) return this.drop(packet, 'cut')
    if (!this.#rules.allowsIn(packet)) return this.drop(packet, 'blocked')
    if (packet.isIpv6) return this.#ipv6In(packet)
    if (!this.ownsOutside(packet.destinationIp)) return this.drop(packet, 'no-route')
    if (this.#losesFragments(packet)) return this.drop(packet, 'fragment')
    const mapping = this.#admit(packet)
    // A packet that no mapping takes is for the router itself, which does not look at the TTL; a forwarded one must live.
    if (mapping === undefined || !this.passesTtl(packet)) return
    this.#translator.inbound(mapping, packet)
    this.sendDown(packet)
  }

  /** To another host of the same LAN: no hop, no translation. */
  #switch(packet: Packet): void {
    const isForGateway = packet.destinationIp === this.world.ips.numberOf(this.gatewayIp)
    const isFromGateway = packet.sourceIp === this.world.ips.numberOf(this.gatewayIp)
    if (this.#options.isolatesHosts === true && !isForGateway && !isFromGateway) {
      return this.drop(packet, 'isolated')
    }
    this.sendDown(packet)
  }

  #hairpin(packet: Packet): void {
    const { hairpin = 'none' } = this.#options
    if (hairpin === 'none') return this.drop(packet, 'hairpin')
    const { sourceIp, sourcePort } = packet
    const why = this.#translator.outbound(packet)
    if (why !== undefined) return this.drop(packet, why)
    const mapping = this.#admit(packet)
    if (mapping === undefined) return
    this.#translator.inbound(mapping, packet)
    if (hairpin === 'internal') {
      packet.sourceIp = sourceIp
      packet.sourcePort = sourcePort
    }
    this.sendDown(packet)
  }

  /** The mapping that lets the packet in; undefined when there is none, and the packet is done with. */
  #admit(packet: Packet): NatMapping | undefined {
    const mapping = this.#translator.match(packet)
    if (typeof mapping !== 'string') return mapping
    this.drop(packet, mapping)
    this.#translator.unsolicited(packet)
    const isSyn = packet.segment?.syn === true && !packet.segment.ack
    if (isSyn && this.#options.tcp?.unsolicited === 'reset') this.#reset(packet)
    return undefined
  }

  #reset(refused: Packet): void {
    refuseTcp(this.world, refused, (reset) => {
      // A refused hairpin has become a packet from outside by now, and so does its answer.
      if (this.ownsOutside(reset.destinationIp)) this.fromOutside(reset)
      else this.sendUp(reset)
    })
  }

  #refuse(packet: Packet): void {
    this.drop(packet, 'blocked')
    if (this.#rules.rejectsTcp) refuseTcp(this.world, packet, (reset) => this.sendDown(reset))
  }

  #ipv6Out(packet: Packet): void {
    if (this.#options.ipv6 === 'block') return this.drop(packet, 'blocked')
    const why = this.#ipv6?.outbound(packet, this.world.clock.nowMs())
    if (why === undefined) this.sendUp(packet)
    else this.drop(packet, why)
  }

  #ipv6In(packet: Packet): void {
    if (!this.passesTtl(packet)) return
    if (this.#options.ipv6 === 'block') return this.drop(packet, 'blocked')
    const why = this.#ipv6?.inbound(packet, this.world.clock.nowMs())
    if (why === undefined) this.sendDown(packet)
    else this.drop(packet, why)
  }

  #losesFragments(packet: Packet): boolean {
    return this.#options.fragments === 'drop' && packet.fragmentSize < packet.size
  }

  #takeAddresses(wanted: number | readonly string[]): void {
    const count = typeof wanted === 'number' ? wanted : wanted.length
    const texts = Array.from({ length: count }, (_, i) =>
      this.#parent.assignIp('ipv4', typeof wanted === 'number' ? undefined : wanted[i]),
    )
    this.#externalIps = texts.map(({ ip }) => this.world.ips.numberOf(ip))
    for (const ip of this.#externalIps) this.uplink?.addRoute(ip)
  }
}

/** How many NATs a box is behind, itself counted. */
function natsAround(node: ForwardingNode): number {
  const outer = node.uplink === undefined ? 0 : natsAround(node.uplink.parent)
  return outer + (node.translates('ipv4') ? 1 : 0)
}
