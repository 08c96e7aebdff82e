import type { Egress } from './gateway-ruleset.ts'
import type { NatRules } from './nat-rules.ts'

/** How one host is joined to the internet. */
export type SiteRecipe =
  /** A public IPv4 address, and nothing in between. */
  | { readonly shape: 'public' }
  /** A public IPv4 address behind a stateful firewall. */
  | { readonly shape: 'firewalled' }
  | {
      /** A private IPv4 address behind a NAT. */
      readonly shape: 'home'
      readonly nat: NatRules
      /** Outside addresses of the NAT. @default 1 */
      readonly poolSize?: number
      /** @default everything may leave */
      readonly egress?: Egress
      /** A carrier's NAT outside of the home's. @default none */
      readonly carrier?: NatRules
      /** A public IPv6 address as well, behind the home's stateful firewall. @default false */
      readonly hasIpv6?: boolean
    }
  /** No IPv4 at all; a public IPv6 address behind the home's stateful firewall. */
  | { readonly shape: 'ipv6-only' }
  /** No network but the loopback interface. */
  | { readonly shape: 'offline' }

const PORT_PRESERVING: NatRules = {
  mapping: 'endpoint-independent',
  ports: 'preserving',
  filtering: 'address-and-port-dependent',
}

const FULLY_RANDOM: NatRules = {
  mapping: 'address-and-port-dependent',
  ports: 'random',
  filtering: 'address-and-port-dependent',
}

/**
 * Ours: below 32768-60999, where Linux hosts take their own ports, and 16384-32767, where Debian's `stun` client does:
 * a port that happens to be in the range is kept.
 */
const TRANSLATED_PORTS = { min: 2_048, max: 15_999 }

/** The sites that tests and the demo speak of. What each is in RFC 4787's words follows from the recipe. */
export const SITE_RECIPES = {
  open: { shape: 'public' },
  'public-firewall': { shape: 'firewalled' },
  /** Linux masquerading behind a firewall: most homes. */
  'port-preserving': { shape: 'home', nat: PORT_PRESERVING },
  'port-translating': { shape: 'home', nat: { ...PORT_PRESERVING, ports: TRANSLATED_PORTS } },
  'full-cone': {
    shape: 'home',
    nat: { ...PORT_PRESERVING, filtering: 'endpoint-independent', hairpin: true },
  },
  'full-cone-translating': {
    shape: 'home',
    nat: { ...PORT_PRESERVING, ports: TRANSLATED_PORTS, filtering: 'endpoint-independent', hairpin: true },
  },
  'address-restricted': { shape: 'home', nat: { ...PORT_PRESERVING, filtering: 'address-dependent' } },
  'address-dependent': {
    shape: 'home',
    nat: { mapping: 'address-dependent', filtering: 'address-dependent' },
  },
  'fully-random': { shape: 'home', nat: FULLY_RANDOM },
  'fully-random-full-cone': { shape: 'home', nat: { ...FULLY_RANDOM, filtering: 'endpoint-independent' } },
  /** A block of 512 ports, as carriers give to a subscriber. */
  'block-random': { shape: 'home', nat: { ...FULLY_RANDOM, ports: { min: 20_000, max: 20_511 } } },
  sequential: { shape: 'home', nat: { ...FULLY_RANDOM, ports: { first: 30_000, step: 1, count: 1_024 } } },
  /** Three outside addresses; each inside socket keeps the one it got. */
  'snat-pool': { shape: 'home', nat: PORT_PRESERVING, poolSize: 3 },
  'cgn-port-preserving': { shape: 'home', nat: PORT_PRESERVING, carrier: PORT_PRESERVING },
  'cgn-fully-random': { shape: 'home', nat: PORT_PRESERVING, carrier: FULLY_RANDOM },
  'udp-blocked': { shape: 'home', nat: PORT_PRESERVING, egress: { kind: 'no-udp' } },
  'only-tcp-443': { shape: 'home', nat: PORT_PRESERVING, egress: { kind: 'tcp-ports', ports: [443] } },
  /** The gateway answers, nothing beyond does. */
  'no-internet': { shape: 'home', nat: PORT_PRESERVING, egress: { kind: 'none' } },
  'ipv6-firewall': { shape: 'home', nat: FULLY_RANDOM, hasIpv6: true },
  'ipv6-only': { shape: 'ipv6-only' },
  offline: { shape: 'offline' },
} as const satisfies Readonly<Record<string, SiteRecipe>>

export type SiteKind = keyof typeof SITE_RECIPES
