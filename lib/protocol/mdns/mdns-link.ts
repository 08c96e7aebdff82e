import type { IpNetwork } from '../../base/ip-network.ts'
import { isBroadcastOf, networkContains } from '../../base/ip-network.ts'
import { ipScope } from '../../base/ip-range.ts'
import type { AddressFamily } from '../../base/transport-address.ts'

/** One interface and address family over which multicast DNS is spoken. */
export interface MdnsLink {
  /** Given by whoever drives the machine; the same as long as nothing of it changes. */
  readonly number: number
  readonly family: AddressFamily
  /** The zone of link-local IPv6 addresses there; undefined where the interface has none. */
  readonly zone: string | undefined
  /** The networks of the interface, of both families. */
  readonly networks: readonly IpNetwork[]
  /** What peers are told: this host's addresses there. */
  readonly ips: readonly string[]
}

/** Whether a packet from this address came from a neighbour on the link (RFC 6762 §11). */
export function isNeighbour(link: MdnsLink, ip: string): boolean {
  if (ip.includes(':') !== (link.family === 'ipv6')) return false
  const percent = ip.indexOf('%')
  if (percent >= 0) return ip.slice(percent + 1) === link.zone
  return link.networks.some((network) => networkContains(network, ip))
}

/** Whether an address in a record can be a neighbour's: it lies in our LAN, and names one host. */
export function isBelievable({ networks }: MdnsLink, ip: string): boolean {
  const isHost = ['private', 'shared', 'unique-local', 'global'].includes(ipScope(ip))
  return (
    isHost &&
    networks.some((network) => networkContains(network, ip)) &&
    !networks.some((network) => isBroadcastOf(network, ip))
  )
}
