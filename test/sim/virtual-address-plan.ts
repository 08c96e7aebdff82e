import { canonicalIp } from '../../lib/base/transport-address.ts'
import type { AddressFamily } from '../../lib/base/transport-address.ts'
import { Prefix } from './virtual-ip-table.ts'
import type { AssignedIp } from './virtual-node.ts'

/**
 * What the public part of a virtual internet is made of: the documentation ranges (RFC 5737), then the benchmarking
 * range (RFC 2544), all of which the library takes for global addresses.
 */
const PUBLIC_IPV4_PREFIX_LENGTH = 24
const PUBLIC_IPV4_NETWORKS = ['203.0.113', '198.51.100', '192.0.2'] as const
const BENCHMARK_NETWORKS = 512
/** Public IPv6: each gets a /64 of its own out of RFC 3849's documentation prefix. */
const PUBLIC_IPV6_PREFIX_LENGTH = 64
/** The last address of each public IPv4 network is not given to hosts; this one is the core's own router. */
const CORE_HOST_INDEX = 254
export const CORE_IPV4 = `203.0.113.${CORE_HOST_INDEX}`
/** Hosts of a LAN count from here, its gateway has 1. */
const FIRST_LAN_HOST = 10

/** Gives out public addresses, from a different network each time, so that neighbours don't look alike. */
export class PublicAddressPlan {
  #ipv4Given = 0
  #ipv6Given = 0
  readonly #taken = new Set<string>()

  assign(family: AddressFamily, wanted?: string): AssignedIp {
    const ip = wanted === undefined ? this.#next(family) : canonicalIp(wanted)
    this.#taken.add(ip)
    return { ip, prefixLength: family === 'ipv4' ? PUBLIC_IPV4_PREFIX_LENGTH : PUBLIC_IPV6_PREFIX_LENGTH }
  }

  #next(family: AddressFamily): string {
    for (;;) {
      const ip = family === 'ipv4' ? this.#nextIpv4() : `2001:db8:0:${(++this.#ipv6Given).toString(16)}::1`
      if (!this.#taken.has(ip)) return ip
    }
  }

  #nextIpv4(): string {
    const count = this.#ipv4Given++
    const networks = PUBLIC_IPV4_NETWORKS.length
    const documented = (CORE_HOST_INDEX - 1) * networks
    if (count < documented) {
      const network = PUBLIC_IPV4_NETWORKS[count % networks] ?? PUBLIC_IPV4_NETWORKS[0]
      return `${network}.${1 + Math.floor(count / networks)}`
    }
    const rest = count - documented
    const network = rest % BENCHMARK_NETWORKS
    const host = 1 + Math.floor(rest / BENCHMARK_NETWORKS)
    if (host >= CORE_HOST_INDEX) throw new RangeError('the virtual internet is out of public IPv4 addresses')
    return `198.${18 + (network >> 8)}.${network & 0xff}.${host}`
  }
}

/** Gives out the private addresses behind one NAT. */
export class LanAddressPlan {
  readonly prefix: Prefix
  readonly gatewayIp: string
  #given = 0
  readonly #taken = new Set<string>()

  constructor(prefix: string) {
    this.prefix = Prefix.parse(prefix)
    this.gatewayIp = this.prefix.host(1)
  }

  assign(wanted?: string): AssignedIp {
    const ip = wanted === undefined ? this.#next() : canonicalIp(wanted)
    this.#taken.add(ip)
    return { ip, prefixLength: this.prefix.length }
  }

  #next(): string {
    for (;;) {
      const ip = this.prefix.host(FIRST_LAN_HOST + this.#given++)
      if (!this.#taken.has(ip)) return ip
    }
  }
}
