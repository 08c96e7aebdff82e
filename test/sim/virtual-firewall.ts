import type { AddressFamily } from '../../lib/base/transport-address.ts'
import type { AccessLinkOptions } from './virtual-link.ts'
import { ForwardingNode } from './virtual-node.ts'
import type { AssignedIp, TraceHop } from './virtual-node.ts'
import { RuleSet } from './virtual-packet-rules.ts'
import type { PacketRules } from './virtual-packet-rules.ts'
import type { Packet } from './virtual-packet.ts'
import { refuseTcp } from './virtual-refusal.ts'
import { StatefulFilter } from './virtual-stateful-filter.ts'
import type { StatefulFilterOptions } from './virtual-stateful-filter.ts'
import type { World } from './virtual-world.ts'

/** A box that routes without translating: a router, or a firewall. */
export interface FirewallOptions extends StatefulFilterOptions {
  readonly name?: string
  /** @default the core */
  readonly behind: ForwardingNode
  readonly link?: AccessLinkOptions
  /** What may come in: what answers something that went out, everything, or nothing. */
  readonly inbound: 'stateful' | 'open' | 'block'
  readonly rules?: PacketRules
  /** False for a bridge, or a host's own firewall, which is no hop. @default true */
  readonly isHop?: boolean
  /** Whether a trace sees this box. @default true */
  readonly answersTraces?: boolean
}

/** Routes between what is behind it and the rest of the world, and lets through what its rules and state allow. */
export class VirtualFirewall extends ForwardingNode {
  readonly blocksTraces: boolean
  readonly #parent: ForwardingNode
  readonly #filter: StatefulFilter | undefined
  readonly #blocksInbound: boolean
  readonly #rules: RuleSet
  readonly #isHop: boolean
  readonly #answersTraces: boolean
  readonly #ownIp: string | undefined

  constructor(world: World, name: string, options: FirewallOptions) {
    super(world, name)
    this.#parent = options.behind
    this.#rules = new RuleSet(world.ips, options.rules)
    this.blocksTraces = this.#rules.blocksTraces
    this.#filter = options.inbound === 'stateful' ? new StatefulFilter(options) : undefined
    this.#blocksInbound = options.inbound === 'block'
    this.#isHop = options.isHop ?? true
    this.#answersTraces = options.answersTraces ?? true
    this.attach(options.behind, options.link)
    this.#ownIp = this.#isHop ? options.behind.assignIp('ipv4').ip : undefined
  }

  translates(): boolean {
    return false
  }

  assignIp(family: AddressFamily, wanted?: string): AssignedIp {
    return this.#parent.assignIp(family, wanted)
  }

  insideIp(family: AddressFamily): string | undefined {
    return family === 'ipv4' ? (this.#ownIp ?? this.#parent.insideIp(family)) : undefined
  }

  ownsOutside(): boolean {
    return false
  }

  traceHop(family: AddressFamily): TraceHop | undefined {
    if (!this.#isHop) return undefined
    return { ip: this.#answersTraces ? this.insideIp(family) : undefined }
  }

  /** Forgets all connections, as a restart does. */
  flush(): void {
    this.#filter?.flush()
  }

  fromInside(packet: Packet): void {
    if (this.routeTo(packet.destinationIp) !== undefined) return this.sendDown(packet)
    if (this.#isHop && !this.passesTtl(packet)) return
    if (!this.#rules.allowsOut(packet)) {
      this.drop(packet, 'blocked')
      if (this.#rules.rejectsTcp) refuseTcp(this.world, packet, (reset) => this.sendDown(reset))
      return
    }
    const why = this.#filter?.outbound(packet, this.world.clock.nowMs())
    if (why !== undefined) return this.drop(packet, why)
    this.sendUp(packet)
  }

  fromOutside(packet: Packet): void {
    if (this.#isHop && !this.passesTtl(packet)) return
    if (this.#blocksInbound || !this.#rules.allowsIn(packet)) return this.drop(packet, 'blocked')
    const why = this.#filter?.inbound(packet, this.world.clock.nowMs())
    if (why !== undefined) return this.drop(packet, why)
    this.sendDown(packet)
  }
}
