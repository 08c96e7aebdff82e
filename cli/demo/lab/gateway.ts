import { canonicalIp, ipToBytes } from '../../../lib/base/transport-address.ts'
import { isIpv6, parsePrefix } from './address-plan.ts'
import {
  blackholeTowards,
  freshZone,
  gatewayRuleset,
  WAN_INTERFACE,
  type Egress,
  type WanInput,
} from './gateway-ruleset.ts'
import { LabNode } from './lab-node.ts'
import type { Access } from './link-plan.ts'
import type { NatRules } from './nat-rules.ts'
import type { Namespace } from './namespace.ts'
import { accessSetup, Router, type Link } from './router.ts'

export interface GatewayOptions {
  /** What its outside hangs on: the internet, or another gateway. */
  readonly behind: Router
  /** Its outside addresses. Several IPv4 addresses are a NAT's pool, and must be consecutive. */
  readonly wan: readonly string[]
  /** Its inside: the gateway's own addresses there with their prefixes, `192.168.1.1/24`. */
  readonly lan: readonly string[]
  /** One Ethernet (a home), or a cable for each neighbour (a carrier). @default 'bridged' */
  readonly access?: 'bridged' | 'routed'
  /** How it translates IPv4; `none` makes it a plain stateful firewall. IPv6 is never translated, always filtered. */
  readonly nat: NatRules | 'none'
  /** Prefixes on its inside that the outside has routes for: public addresses. @default [] */
  readonly publicPrefixes?: readonly string[]
  /** @default everything may leave */
  readonly egress?: Egress
  /** @default 'drop' */
  readonly wanInput?: WanInput
  /** How long an idle UDP mapping lives. @default the kernel's: 30 s until answered, then 120 s */
  readonly udpLifetimeS?: number
  /** Largest packet on the outside cable. @default 1500 */
  readonly mtu?: number
  /**
   * Packets too large for `mtu` vanish without the ICMP error that tells their sender (RFC 2923 §2.1): from inside,
   * and over IPv4 from outside too.
   * @default false
   */
  readonly pmtuBlackhole?: boolean
}

/** Linux's nf_conntrack_udp_timeout_stream, which also serves for the bindings of lax filters. */
const DEFAULT_UDP_LIFETIME_S = 120

/** A NAT or firewall with an outside (`wan0`) and an inside. */
export class Gateway extends Router {
  /** The cable of its outside. */
  readonly uplink: Link
  readonly #translates: boolean
  /** Conntrack zone that its flows are in. */
  #zone = 0

  private constructor(namespace: Namespace, access: Access, uplink: Link, translates: boolean) {
    super(namespace, access)
    this.uplink = uplink
    this.#translates = translates
  }

  /** Sets up a fresh namespace as a gateway; labs call it. @throws {ReachError} ERR_REACH_LAB */
  static async make(namespace: Namespace, options: GatewayOptions): Promise<Gateway> {
    const { nat, udpLifetimeS, publicPrefixes = [], mtu } = options
    const wan = options.wan.map(canonicalIp)
    const wanIpv4 = wan.filter((ip) => !isIpv6(ip))
    if (!areConsecutive(wanIpv4)) throw new RangeError(`${wanIpv4.join(', ')} are not consecutive`)
    const pmtuBlackhole = options.pmtuBlackhole ?? false
    const access: Access = { kind: options.access ?? 'bridged', prefixes: options.lan.map(parsePrefix) }
    await namespace.nft(
      gatewayRuleset({
        nat: nat === 'none' ? undefined : nat,
        wanIpv4,
        egress: options.egress ?? { kind: 'all' },
        wanInput: options.wanInput ?? 'drop',
        udpLifetimeS: udpLifetimeS ?? DEFAULT_UDP_LIFETIME_S,
        pmtuBlackhole,
      }),
    )
    await namespace.ip(accessSetup(access))
    // After the rules: these files may come with the connection tracking module that the rules load.
    if (udpLifetimeS !== undefined) await namespace.set(udpTimeouts(udpLifetimeS))
    const uplink = await options.behind.attach(new LabNode(namespace), {
      interfaceName: WAN_INTERFACE,
      ips: wan,
      routes: publicPrefixes,
      ...(mtu === undefined ? {} : { mtu }),
    })
    if (pmtuBlackhole) await options.behind.nft(blackholeTowards(wanIpv4))
    return new Gateway(namespace, access, uplink, nat !== 'none')
  }

  /** Forgets all flows and translations, as a gateway does that was switched off and on. @throws {ReachError} ERR_REACH_LAB */
  async forget(): Promise<void> {
    this.#zone++
    await this.nft(freshZone(this.#zone, this.#translates))
  }
}

/** The kernel takes a pool as its first and last address. */
function areConsecutive(ipv4: readonly string[]): boolean {
  const numbers = ipv4.map((ip) => Buffer.from(ipToBytes(ip)).readUInt32BE())
  return numbers.every((number, index) => number === (numbers[0] ?? 0) + index)
}

function udpTimeouts(lifetimeS: number): Readonly<Record<string, string>> {
  return {
    'netfilter/nf_conntrack_udp_timeout': String(lifetimeS),
    'netfilter/nf_conntrack_udp_timeout_stream': String(lifetimeS),
  }
}
