import type { InterfaceKind } from '../net/interface-kind.ts'
import type { Fact } from '../base/fact.ts'
import type { EndpointDependence } from '../base/nat-behavior.ts'
import type { AllocationFact, MappingFact } from '../protocol/stun/nat-inference.ts'
import type { PairPrediction } from '../protocol/ice/pair-prediction.ts'

/** Names the shape of {@link DiagnoseReport}; fields may be added under the same name, never changed or removed. */
export const REPORT_SCHEMA = 'p2p-reach/diagnose/1'

/** A fact for each address family. */
export interface PerFamily<T> {
  readonly ipv4: T
  readonly ipv6: T
}

/** An IP as the outside sees it; `port` is that of the probing socket. `none`: this family has no way out. */
export interface PublicAddressFact extends Fact<string> {
  readonly port?: number
}

/** What the NATs and firewalls on the way do, in RFC 4787's terms. */
export interface NatReport {
  /** The family that these facts are about: IPv4 where UDP works over it, else IPv6. */
  readonly family: 'ipv4' | 'ipv6'
  readonly mapping: MappingFact
  readonly filtering: Fact<EndpointDependence>
  readonly portAllocation: AllocationFact
  readonly hairpin: Fact<boolean>
  readonly bindingLifetimeMs: Fact<number>
  /** `2+`: a NAT behind another NAT. */
  readonly layers: Fact<'0' | '1' | '2+'>
  readonly cgn: Fact<boolean>
  /** The hop of the outermost filter: 0 is this host, 1 the first router. */
  readonly boundaryHop: Fact<number>
  /** This host shows several public IPs at once. */
  readonly addressPool: Fact<boolean>
  readonly publicIps: readonly string[]
  /** Something rewrites addresses inside packets. */
  readonly alg: Fact<boolean>
}

/** IPv6 apart, for hosts where both families work: usually no NAT, but a firewall. */
export interface Ipv6Report {
  readonly mapping: MappingFact
  readonly filtering: Fact<EndpointDependence>
  readonly boundaryHop: Fact<number>
}

/** How a port-mapping service of the gateway answered. */
export type PortMappingValue = 'available' | 'absent' | 'refused' | 'unreachable-from-outside'

/** One port-mapping service of the gateway: PCP, NAT-PMP or UPnP IGD. */
export interface PortMappingFact extends Fact<PortMappingValue> {
  readonly externalAddress?: string
  readonly gateway?: string
  /**
   * True only when a packet of a relay came in through a mapping, false when none did. Mappings are made with `--deep`
   * alone, and removed again; else it is unknown.
   */
  readonly proven: boolean | 'unknown'
}

/** A way to reach a relay or server. */
export type EgressTransport = 'udp-stun' | 'tcp' | 'tls' | 'websocket' | 'connect-proxy' | 'socks5' | 'ssh'

/** Whether one transport to one relay or server works from here. */
export interface EgressFact extends Fact<boolean> {
  /** The relay's URL, or the STUN server as HOST:PORT. */
  readonly relay: string
  readonly transport: EgressTransport
  readonly port: number
  readonly ip?: string
  /** What failed: the system's or the protocol's code, or a sentence. */
  readonly error?: string
  /** Who signed the certificate that was shown, when TLS got that far. */
  readonly tlsIssuer?: string
  /** The certificate chains to a public authority, or has the fingerprint that the URL pins. */
  readonly tlsTrusted?: boolean
}

/** A way of a peer to its relay, best first; `none`: no way leads there. */
export type PeerWay = 'direct' | 'websocket' | 'connect-proxy' | 'socks5' | 'ssh' | 'none'

/** A relay, or an SSH server in its place, and how it can be reached from here. */
export interface RelayReport {
  /** Of an SSH server: `ssh://USER@HOST:PORT`. */
  readonly url: string
  /** Lowest round trip over any transport; undefined (absent in JSON) when it could not be reached. */
  readonly latencyMs?: number
  /** The transports that work, best first. */
  readonly reachableBy: readonly EgressTransport[]
  /** The way that a peer here would take to it, and why no better one. */
  readonly peerWay?: Fact<PeerWay>
}

/** Whether a login page answers in the place of servers. */
export interface CaptivePortalFact extends Fact<boolean> {
  /** Where the portal redirects to. */
  readonly location?: string
}

/** The health of name resolution; `hijacked`: names that do not exist get an address. */
export interface DnsFact extends Fact<'ok' | 'failing' | 'hijacked'> {
  readonly servers: readonly string[]
  readonly latencyMs?: number
  /** The resolver gives IPv6 addresses of names that have them. */
  readonly ipv6?: boolean
}

/** The HTTP proxy that the environment names, if any. */
export interface ProxyFact extends Fact<'none' | 'works' | 'refuses' | 'dead'> {
  /** HOST:PORT, without credentials. */
  readonly address?: string
  /** The environment variable that names it. */
  readonly source?: string
}

/** The largest IP packet, in bytes, that passes unfragmented, of the sizes that are tried. */
export interface MtuFact extends Fact<number> {
  readonly bothWays: boolean | 'unknown'
}

/** One interface of this host. */
export interface InterfaceReport {
  readonly name: string
  readonly kind: InterfaceKind
  readonly addresses: readonly string[]
  /** Families for which packets to the internet leave here. */
  readonly carries: readonly ('ipv4' | 'ipv6')[]
}

/** One router on the way out, as far as the routers say. */
export interface HopReport {
  readonly ttl: number
  readonly ip?: string
  readonly scope?: string
  readonly reached: boolean
}

/** The network in one word: `open` to everybody, `easy` or `hard` to reach directly, `blocked` for UDP, or `offline`. */
export type VerdictClass = 'open' | 'easy' | 'hard' | 'blocked' | 'offline'

/** Something that a person can change. */
export interface Remedy {
  /** Stable name for programs. */
  readonly id: string
  /** One sentence: what to change. */
  readonly action: string
  /** One sentence: what that would gain. */
  readonly why: string
}

/** The report in a nutshell. */
export interface Verdict {
  readonly class: VerdictClass
  /** One or two sentences for a person. */
  readonly summary: string
  /** Most useful first. */
  readonly remedies: readonly Remedy[]
}

/** Everything that `p2p-reach diagnose` found out: design §8's JSON, and the type that embedders get. */
export interface DiagnoseReport {
  readonly schema: typeof REPORT_SCHEMA
  /** ISO 8601, by this host's clock. */
  readonly startedAt: string
  readonly durationMs: number
  readonly nat: NatReport
  readonly ipv6: Ipv6Report
  readonly udp: {
    readonly works: PerFamily<Fact<boolean>>
    readonly lossRate: Fact<number>
    readonly rttMs: Fact<number>
  }
  readonly tcp: { readonly works: PerFamily<Fact<boolean>> }
  readonly icmp: { readonly works: Fact<boolean> }
  readonly publicAddress: PerFamily<PublicAddressFact>
  readonly portMapping: {
    readonly pcp: PortMappingFact
    readonly natPmp: PortMappingFact
    readonly upnp: PortMappingFact
  }
  readonly egress: readonly EgressFact[]
  readonly relays: readonly RelayReport[]
  readonly captivePortal: CaptivePortalFact
  /** This host's clock minus the relays' clocks; positive when ours is ahead. */
  readonly clockSkewMs: Fact<number>
  readonly dns: DnsFact
  readonly proxy: ProxyFact
  readonly mtu: MtuFact
  readonly interfaces: readonly InterfaceReport[]
  readonly gateways: readonly { readonly ip: string; readonly interfaceName: string }[]
  readonly hops: readonly HopReport[]
  /** How a direct connection to a peer behind each kind of NAT would go. */
  readonly prediction: readonly PairPrediction[]
  readonly verdict: Verdict
}
