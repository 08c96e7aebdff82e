import type { EndpointDependence } from '../../lib/base/nat-behavior.ts'
import type { AccessLinkOptions } from './virtual-link.ts'
import type { ForwardingNode } from './virtual-node.ts'
import type { PacketRules } from './virtual-packet-rules.ts'

/** RFC 4787 §4.1 and §5, for a box that does translate or filter. */
export type Dependence = Exclude<EndpointDependence, 'none'>

interface PortRange {
  /** @default 1024 */
  readonly min?: number
  /** @default 65535 */
  readonly max?: number
}

/** How a NAT chooses the external port of a new mapping. */
export type PortChoice =
  /** The internal port where it is free; else the next free one above it, or any. @default whenTaken 'random' */
  | (PortRange & { readonly kind: 'preserving'; readonly whenTaken?: 'next' | 'random' })
  /** One counter for all customers. */
  | (PortRange & {
      readonly kind: 'sequential'
      /** May be negative. @default 1 */
      readonly step?: number
      /** The first port; chosen at random when absent. */
      readonly start?: number
      /** Ports that other customers take per second, on average (Poisson). @default 0 */
      readonly noisePerSecond?: number
    })
  | (PortRange & { readonly kind: 'random' })
  /** Each internal host has a block of its own, the first at `base` (RFC 7422), and gets ports in it. */
  | {
      readonly kind: 'block'
      readonly size: number
      /** @default 1024 */
      readonly base?: number
      /** @default 'random' */
      readonly order?: 'random' | 'sequential'
    }

/** The behaviour of a NAT in the terms of RFC 4787. */
export interface NatBehaviorOptions {
  /** @default 'endpoint-independent' */
  readonly mapping?: Dependence
  /** @default 'address-and-port-dependent' */
  readonly filtering?: Dependence
  /** @default { kind: 'preserving' } */
  readonly ports?: PortChoice
  /** Odd internal ports get odd external ones, even ones even (RFC 4787 §4.2.2). @default false */
  readonly keepsParity?: boolean
  /**
   * Flows to different destinations may share one external port, and a source that already has an external endpoint
   * gets it again: what Linux does. With address-and-port-dependent mapping a port is then preserved for every
   * destination, which looks endpoint-independent from outside as long as nothing collides. With `per-destination`, ports
   * are shared, but each flow draws its own: Linux with fully random ports. @default false
   */
  readonly sharesPorts?: boolean | 'per-destination'
  /**
   * A packet from outside that fits no mapping is taken in by the router itself, which remembers the flow; the port
   * can't be given to a mapping towards that sender afterwards (Linux without an INPUT filter). @default false
   */
  readonly acceptsInput?: boolean
  /** External addresses for one host: always the same (`paired`), or any for each mapping. @default 'paired' */
  readonly pooling?: 'paired' | 'arbitrary'
  /** Whether, and with which source, a packet for the NAT's own outside comes back in (RFC 4787 §6). @default 'none' */
  readonly hairpin?: 'none' | 'external' | 'internal'
  /** How long an idle UDP mapping lives. @default 120_000 */
  readonly udpTimeoutMs?: number
  /** The same until the first answer came. @default udpTimeoutMs */
  readonly unansweredUdpTimeoutMs?: number
  /** Which packets prolong a mapping (RFC 4787 §4.3). @default 'outbound' */
  readonly refresh?: 'outbound' | 'both'
  /** More mappings than this are refused, in all or for one internal host. @default Infinity */
  readonly maxMappings?: number
  readonly maxMappingsPerHost?: number
  /** TCP, where it differs from UDP. */
  readonly tcp?: TcpNatOptions
  /**
   * Searches payloads for the translated address in binary and rewrites it (and, with `address-and-port`, the port
   * right before it, where STUN has it). @default 'none'
   */
  readonly alg?: 'none' | 'address' | 'address-and-port'
  /** @default 'pass' */
  readonly fragments?: 'pass' | 'drop'
}

export interface TcpNatOptions {
  readonly mapping?: Dependence
  readonly filtering?: Dependence
  /** What an unsolicited SYN from outside gets. @default 'drop' */
  readonly unsolicited?: 'drop' | 'reset'
  /** How long an idle connection lives. @default 7_440_000 (RFC 5382 REQ-5) */
  readonly timeoutMs?: number
}

/** A NAT and its place in the world. */
export interface NatOptions extends NatBehaviorOptions {
  readonly name?: string
  /** @default the core */
  readonly behind?: ForwardingNode
  /** The link to it. */
  readonly link?: AccessLinkOptions
  /** External addresses, or how many. @default 1 */
  readonly externalIps?: number | readonly string[]
  /** The network inside. @default 192.168.N.0/24, N counting the NATs on the way to the core */
  readonly lan?: string
  /** Hosts behind this NAT reach each other only by hairpinning. @default false */
  readonly isolatesHosts?: boolean
  /** What becomes of IPv6, which is routed and not translated. @default 'stateful' */
  readonly ipv6?: 'stateful' | 'open' | 'block'
  readonly rules?: PacketRules
  /** Whether a trace sees this box. @default true */
  readonly answersTraces?: boolean
}

/** Linux masquerading with a filter on INPUT: per flow, the port preserved for every destination. */
export const LINUX_NAT = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  ports: { kind: 'preserving', whenTaken: 'random' },
  sharesPorts: true,
  refresh: 'both',
  // nf_conntrack_udp_timeout_stream and nf_conntrack_udp_timeout.
  udpTimeoutMs: 120_000,
  unansweredUdpTimeoutMs: 30_000,
} as const satisfies NatBehaviorOptions

/** The same where the router has no filter on INPUT, as on a VM with a container bridge. */
export const LINUX_NAT_WITHOUT_FILTER = {
  ...LINUX_NAT,
  acceptsInput: true,
  tcp: { unsolicited: 'reset' },
} as const satisfies NatBehaviorOptions
