import { ipScope } from '../base/ip-range.ts'
import type { NetworkInterface } from '../base/runtime.ts'
import { outwardInterfaces } from '../net/host-networks.ts'
import { MAX_LOCAL_PREFERENCE } from '../protocol/ice/candidate.ts'

/** An address of this host that a peer may be told, without a port. */
export interface HostAddress {
  readonly ip: string
  /** The local preference of RFC 8445 §5.1.2.1; higher is better. */
  readonly preference: number
}

/** Where packets to the internet leave from; undefined where they can't. */
export interface SourceIps {
  readonly ipv4: string | undefined
  readonly ipv6: string | undefined
}

/** Ours: two families on four interfaces. Who names more makes the peer send more. */
const MAX_ADDRESSES = 8
/** Ours: one step of preference; only the order counts. */
const STEP = 1024

/**
 * The addresses of this host that are worth telling a peer (RFC 8445 §5.1.1.1): those that packets to the internet leave
 * from, then those of other real interfaces, which may be LANs that we share. Containers, virtual machines and VPNs have
 * addresses that mean something else where the peer is, so theirs are told only where they carry our traffic.
 */
export function hostAddresses(
  interfaces: readonly NetworkInterface[],
  sources: SourceIps,
): readonly HostAddress[] {
  const isSource = (ip: string) => ip === sources.ipv4 || ip === sources.ipv6
  const { ipv4 = [], ipv6 = [] } = sources
  const ips = outwardInterfaces({ interfaces, gateways: [], sources: [ipv4, ipv6].flat() })
    .flatMap(({ addresses }) => addresses.map(({ ip }) => ip))
    .filter(isReachable)
  // Of one interface the source comes first; it is the temporary address where IPv6 has one (RFC 8981).
  const ordered = [...new Set(ips)].sort((a, b) => rank(a, isSource) - rank(b, isSource))
  return ordered
    .slice(0, MAX_ADDRESSES)
    .map((ip, index) => ({ ip, preference: MAX_LOCAL_PREFERENCE - index * STEP }))
}

/** Link-local addresses need a zone that only their own host knows. */
function isReachable(ip: string): boolean {
  const scope = ipScope(ip)
  return scope === 'global' || scope === 'private' || scope === 'shared' || scope === 'unique-local'
}

/** RFC 8421: IPv6 before IPv4, as it needs no NAT. */
function rank(ip: string, isSource: (ip: string) => boolean): number {
  const isIpv6 = ip.includes(':')
  const isLanOnly = ipScope(ip) === 'unique-local'
  return (isSource(ip) ? 0 : 4) + (isLanOnly ? 2 : 0) + (isIpv6 ? 0 : 1)
}
