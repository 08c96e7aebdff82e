import { canonicalIp } from '../../lib/base/transport-address.ts'
import { SeededRandom } from './seeded-random.ts'
import { VirtualClock } from './virtual-clock.ts'
import { VirtualCore } from './virtual-core.ts'
import { VirtualFirewall } from './virtual-firewall.ts'
import type { FirewallOptions } from './virtual-firewall.ts'
import { VirtualHost } from './virtual-host.ts'
import type { HostOptions } from './virtual-host.ts'
import type { AccessLinkOptions } from './virtual-link.ts'
import { IpTable } from './virtual-ip-table.ts'
import type { NatOptions } from './virtual-nat-options.ts'
import { VirtualNat } from './virtual-nat.ts'
import type { ForwardingNode } from './virtual-node.ts'
import { PayloadPool } from './virtual-payload-pool.ts'
import type { Zone } from './virtual-resolver.ts'
import { VirtualStunServer } from './virtual-stun-server.ts'
import type { StunServerOptions } from './virtual-stun-server.ts'
import { PacketTrace } from './virtual-trace.ts'
import type { World } from './virtual-world.ts'

/** One way from a host or box to the core, unless told. */
const DEFAULT_CORE_LINK = { delayMs: 10 }

export interface VirtualInternetOptions {
  /** Decides all luck: losses, ports, addresses drawn, jitter. */
  readonly seed: number
  /** Whether {@link PacketTrace.hash} works. Costs time. @default false */
  readonly recordTrace?: boolean
}

/** What says where something is: without it, at the core. */
interface Placeable {
  readonly behind?: ForwardingNode
  readonly link?: AccessLinkOptions
}

/**
 * A whole internet in one process, on virtual time, decided by one seed:
 *
 *     const net = new VirtualInternet({ seed })
 *     const server = net.stunServer()
 *     const nat = net.nat({ mapping: 'address-dependent', ports: { kind: 'random' } })
 *     const alice = net.host({ behind: nat, link: { delayMs: 15, loss: 0.2 } })
 *     await net.clock.runUntilSettled(program(alice.runtime), 10_000)
 */
export class VirtualInternet {
  readonly clock = new VirtualClock()
  readonly trace: PacketTrace
  /** For scenarios: draw from it what the parts themselves don't. */
  readonly random: SeededRandom
  readonly core: VirtualCore
  readonly #world: World
  readonly #zone: Zone = new Map()
  readonly #counts = new Map<string, number>()
  readonly #names = new Set<string>()

  constructor(options: VirtualInternetOptions) {
    const { seed, recordTrace = false } = options
    this.random = new SeededRandom(seed)
    this.trace = new PacketTrace(() => this.clock.nowMs(), recordTrace)
    const { clock, trace, random } = this
    this.#world = { clock, trace, random, ips: new IpTable(), payloads: new PayloadPool() }
    this.core = new VirtualCore(this.#world, 'core')
  }

  /** A computer, public unless `behind` something. */
  host(options: HostOptions = {}): VirtualHost {
    const placed = this.#place(options)
    return new VirtualHost(this.#world, this.#name('host', options.name), placed, this.#zone)
  }

  /** A NAT box. Its defaults are those of RFC 4787's recommendations with the strictest filter. */
  nat(options: NatOptions = {}): VirtualNat {
    return new VirtualNat(this.#world, this.#name('nat', options.name), this.#place(options))
  }

  /** A stateful firewall without translation, unless its options say otherwise. */
  firewall(options: Partial<FirewallOptions> = {}): VirtualFirewall {
    const placed = { inbound: 'stateful' as const, ...this.#place(options) }
    return new VirtualFirewall(this.#world, this.#name('firewall', options.name), placed)
  }

  /** A router that lets everything through. */
  router(options: Omit<Partial<FirewallOptions>, 'inbound' | 'rules'> = {}): VirtualFirewall {
    const placed = { ...this.#place(options), inbound: 'open' as const }
    return new VirtualFirewall(this.#world, this.#name('router', options.name), placed)
  }

  /** A STUN server of RFC 5780 on a public host with two addresses and two ports, unless its options say otherwise. */
  stunServer(options: StunServerOptions = {}): VirtualStunServer {
    const name = options.name ?? this.#nextName('stun')
    const host = this.host({ ...options.host, name, ipv4: options.host?.ipv4 ?? 2 })
    return new VirtualStunServer(host, options)
  }

  /** Makes a DNS name known to all honest resolvers. */
  setName(name: string, ips: readonly string[]): void {
    this.#zone.set(name.toLowerCase(), ips.map(canonicalIp))
  }

  #place<Options extends Placeable>(options: Options): Options & Required<Placeable> {
    const { behind = this.core } = options
    return { ...options, behind, link: options.link ?? (behind === this.core ? DEFAULT_CORE_LINK : {}) }
  }

  /** A name that nothing else has: it decides the part's luck, and tells it apart in traces. */
  #name(kind: string, wanted: string | undefined): string {
    const name = wanted ?? this.#nextName(kind)
    if (this.#names.has(name)) throw new RangeError(`the name ${name} is taken`)
    this.#names.add(name)
    return name
  }

  #nextName(kind: string): string {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    return `${kind}${count}`
  }
}
