import { ipToBytes } from '../../../lib/base/transport-address.ts'
import {
  BUCKET_PORTS,
  DESTINATION_BUCKETS,
  FIRST_BUCKET_PORT,
  type NatRules,
  type PortRange,
  type PortSequence,
} from './nat-rules.ts'

/** What a gateway lets its inside send to the outside. */
export type Egress =
  | { readonly kind: 'all' }
  /** UDP is dropped, everything else passes. */
  | { readonly kind: 'no-udp' }
  /** Only TCP to these ports passes. */
  | { readonly kind: 'tcp-ports'; readonly ports: readonly number[] }
  | { readonly kind: 'none' }

/**
 * What a gateway does with packets from outside that are for itself: nobody inside expected them.
 * `accept` is a Linux router without a firewall: the packet makes a flow of its own in the connection table, which
 * takes its port from the inside ("poisoned"); `drop` and `reject` forget the flow with the packet.
 */
export type WanInput = 'drop' | 'reject' | 'accept'

export interface GatewayRuleset {
  /** Undefined: only routes and filters. */
  readonly nat: NatRules | undefined
  /** The gateway's outside IPv4 addresses; a pool when several, which must then be consecutive. */
  readonly wanIpv4: readonly string[]
  readonly egress: Egress
  readonly wanInput: WanInput
  /** How long an idle UDP mapping lives. */
  readonly udpLifetimeS: number
  /** Packets from inside larger than the outside link vanish without the ICMP error that tells their sender. */
  readonly pmtuBlackhole: boolean
}

/** Interface names in every gateway; whatever is not `wan0` is inside. */
export const WAN_INTERFACE = 'wan0'
export const LAN_INTERFACE = 'lan0'

const WAN = `"${WAN_INTERFACE}"`
const LAN = `"${LAN_INTERFACE}"`

/** Both tables of a gateway, in the language of nft(8). */
export function gatewayRuleset(ruleset: GatewayRuleset): string {
  const { nat } = ruleset
  return [...(nat === undefined ? [] : natTable(nat, ruleset)), ...filterTable(ruleset)].join('\n') + '\n'
}

/**
 * Filtering laxer than address-and-port-dependent is not in the kernel's translation, which lets in answers only. So a
 * chain behind it learns from each UDP packet that leaves which outside address and port stands for which inside one
 * (`bindings`) and where it went (`contacted`), and new flows from outside are translated accordingly. Once let in, a
 * flow is an entry in the connection table like any other.
 */
function natTable(nat: NatRules, { wanIpv4, udpLifetimeS }: GatewayRuleset): string[] {
  const [first = '', last = first] = [wanIpv4[0], wanIpv4.at(-1)]
  const hairpins = nat.mapping === 'endpoint-independent' && nat.hairpin === true
  const dynamic = `flags dynamic,timeout; timeout ${udpLifetimeS}s; size 65535;`
  return [
    'table ip lab_nat {',
    `map bindings { type ipv4_addr . inet_service : ipv4_addr . inet_service; ${dynamic} }`,
    `set contacted { type ipv4_addr . inet_service . ipv4_addr; ${dynamic} }`,
    // As home routers do it: besides translating, it forgets its flows when the outside address or link goes away.
    ...translation('outward', nat, first === last ? 'masquerade' : `snat to ${first}-${last}`),
    ...(hairpins ? translation('hairpin', nat, `snat to ${first}`) : []),
    'chain prerouting { type nat hook prerouting priority dstnat;',
    ...admission(nat, hairpins, wanIpv4),
    '}',
    'chain postrouting { type nat hook postrouting priority srcnat;',
    `oifname ${WAN} goto outward`,
    ...(hairpins ? [`oifname ${LAN} ct mark ${HAIRPIN_MARK} ct status dnat goto hairpin`] : []),
    '}',
    ...(hairpins || nat.filtering !== 'address-and-port-dependent' ? LEARNING : []),
    '}',
  ]
}

/** On flows that turn round at the gateway: those from outside leave on the LAN as well, and keep their source. */
const HAIRPIN_MARK = '0x1'

/** Which new flows to an outside address are let in, by the translations learnt so far. */
function admission(nat: NatRules, hairpins: boolean, wanIpv4: readonly string[]): string[] {
  const toOutside = `ip daddr { ${wanIpv4.join(', ')} } meta l4proto udp`
  const enter = 'dnat ip to ip daddr . udp dport map @bindings'
  const fromInside = hairpins ? [`iifname != ${WAN} ${toOutside} ct mark set ${HAIRPIN_MARK} ${enter}`] : []
  switch (nat.filtering) {
    case 'endpoint-independent':
      return [...fromInside, `iifname ${WAN} ${toOutside} ${enter}`]
    case 'address-dependent':
      return [
        ...fromInside,
        `iifname ${WAN} ${toOutside} ip daddr . udp dport . ip saddr @contacted ${enter}`,
      ]
    case 'address-and-port-dependent':
      return fromInside
  }
}

/**
 * Runs behind the translation, where packets carry their outside source. The inside end of a flow is the source of its
 * first direction when the inside began it, and of the reply direction when it was let in.
 */
const LEARNING = [
  'chain learn { type filter hook postrouting priority srcnat + 50;',
  `oifname ${WAN} meta l4proto udp goto remember`,
  `oifname ${LAN} meta l4proto udp ct status snat goto remember`,
  '}',
  'chain remember {',
  'ct direction original update @bindings { ip saddr . udp sport : ct original ip saddr . ct original proto-src }',
  'ct direction reply update @bindings { ip saddr . udp sport : ct reply ip saddr . ct reply proto-src }',
  'update @contacted { ip saddr . udp sport . ip daddr }',
  '}',
]

/** A chain that translates the source of whatever comes to it; `action` is `masquerade` or `snat to ADDRESSES`. */
function translation(chain: string, nat: NatRules, action: string): string[] {
  const translate = (ports: string) =>
    `meta l4proto { tcp, udp } ${action}${action.includes(' ') ? '' : ' to '}:${ports}`
  const chainOf = (name: string, ...rules: string[]) => [`chain ${name} {`, ...rules, '}']
  switch (nat.mapping) {
    case 'endpoint-independent':
      if (nat.ports === 'preserving') return chainOf(chain, action)
      return chainOf(chain, translate(portRange(nat.ports)), action)
    case 'address-dependent': {
      const verdicts = BUCKETS.map((bucket) => `0.0.0.${bucket} : goto bucket${bucket}`)
      return [
        ...BUCKETS.flatMap((bucket) =>
          chainOf(`bucket${bucket}`, translate(portRange(bucketPorts(bucket))), action),
        ),
        ...chainOf(chain, `ip daddr & 0.0.0.${DESTINATION_BUCKETS - 1} vmap { ${verdicts.join(', ')} }`),
      ]
    }
    case 'address-and-port-dependent': {
      if (nat.ports === 'random') return chainOf(chain, `${action} fully-random`)
      if ('step' in nat.ports)
        return chainOf(chain, translate(`numgen inc mod ${sequence(nat.ports)}`), action)
      return chainOf(chain, `${translate(portRange(nat.ports))} fully-random`, action)
    }
  }
}

const BUCKETS = Array.from({ length: DESTINATION_BUCKETS }, (_, bucket) => bucket)

function bucketPorts(bucket: number): PortRange {
  const min = FIRST_BUCKET_PORT + bucket * BUCKET_PORTS
  return { min, max: min + BUCKET_PORTS - 1 }
}

function portRange({ min, max }: PortRange): string {
  return `${min}-${max}`
}

/** `numgen` counts flows; the map says which port each count means. */
function sequence({ first, step, count }: PortSequence): string {
  const ports = Array.from({ length: count }, (_, index) => `${index} : ${first + index * step}`)
  return `${count} map { ${ports.join(', ')} }`
}

function filterTable({ egress, wanInput, pmtuBlackhole }: GatewayRuleset): string[] {
  const tooBig = [
    'icmp type destination-unreachable icmp code frag-needed drop',
    'icmpv6 type packet-too-big drop',
  ]
  return [
    'table inet lab_filter {',
    'chain input { type filter hook input priority filter; policy accept;',
    `iifname != ${WAN} accept`,
    'ct state established,related accept',
    // Without neighbour discovery there is no IPv6 at all (RFC 4890 §4.4.1).
    'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
    ...unexpected(wanInput),
    '}',
    'chain forward { type filter hook forward priority filter; policy drop;',
    'ct state established,related accept',
    // What the connection table cannot place is not translated either, and would leave with its private source.
    'ct state invalid drop',
    `iifname != ${WAN} oifname != ${WAN} accept`,
    `iifname ${WAN} ct status dnat accept`,
    `iifname != ${WAN} jump outbound`,
    '}',
    'chain outbound {',
    ...outbound(egress),
    '}',
    'chain output { type filter hook output priority filter; policy accept;',
    ...(pmtuBlackhole ? tooBig : []),
    '}',
    '}',
  ]
}

function unexpected(wanInput: WanInput): string[] {
  switch (wanInput) {
    case 'accept':
      return ['accept']
    case 'drop':
      return ['drop']
    case 'reject':
      return ['meta l4proto tcp reject with tcp reset', 'reject']
  }
}

function outbound(egress: Egress): string[] {
  switch (egress.kind) {
    case 'all':
      return ['accept']
    case 'no-udp':
      return ['meta l4proto udp drop', 'accept']
    case 'tcp-ports':
      return [`tcp dport { ${egress.ports.join(', ')} } accept`]
    case 'none':
      return []
  }
}

/**
 * Puts all flows from now on into another zone of the connection table, where nothing is known of the old ones; those
 * time out unseen (CONFIG_NF_CONNTRACK_ZONES). All at once, unlike deleting them, which also needs a further program.
 */
export function freshZone(zone: number, translates: boolean): string {
  const chain = (hook: string) =>
    `chain ${hook} { type filter hook ${hook} priority raw; ct zone set ${zone}; }`
  return [
    // Adding what may be there already makes the deletion safe.
    'table inet lab_zone { }',
    'delete table inet lab_zone',
    'table inet lab_zone {',
    chain('prerouting'),
    chain('output'),
    '}',
    ...(translates ? ['flush map ip lab_nat bindings', 'flush set ip lab_nat contacted'] : []),
    '',
  ].join('\n')
}

/**
 * Rules for the router outside of a gateway: it no longer tells senders that their packets to these addresses are too
 * large for the link. The ICMP error quotes the packet: 8 bytes of ICMP header, then its IP header with the
 * destination at byte 16 (RFC 792).
 */
export function blackholeTowards(ipv4: readonly string[]): string {
  const destinations = ipv4.map((ip) => `0x${Buffer.from(ipToBytes(ip)).toString('hex')}`)
  return `
table inet lab_blackhole {
  chain output {
    type filter hook output priority filter; policy accept;
    icmp type destination-unreachable icmp code frag-needed @th,192,32 { ${destinations.join(', ')} } drop
  }
}
`
}
