import { ipScope } from '../base/ip-range.ts'
import type { IpNetwork } from '../base/ip-network.ts'
import { isBroadcastOf, networkContains } from '../base/ip-network.ts'
import type { InterfaceAddress, NetworkInterface } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { bytesToIp, ipToBytes } from '../base/transport-address.ts'
import { outwardInterfaces } from '../net/host-networks.ts'

/** What decides whether a packet may go to an address that a peer has named. */
export interface Surroundings {
  readonly interfaces: readonly NetworkInterface[]
  /** The IPs that packets to the internet leave from; none while that is not known. */
  readonly sources: readonly string[]
  /** As STUN servers see us, both families. */
  readonly ownPublicIps: readonly string[]
  /** As the peer says it is seen. */
  readonly theirPublicIps: readonly string[]
}

/**
 * Ours: below this, ports belong to well-known services (RFC 6335 §6), and a NAT gives none of them to a port above
 * (RFC 4787 REQ-3). Checks to SSH, SMTP or SNMP of strangers look like a scan, and bring complaints.
 */
const FIRST_USER_PORT = 1024
/** Ours: what peers choose on purpose to get through firewalls: DNS, and the web over TCP and QUIC. */
const CHOSEN_PORTS: readonly number[] = [53, 80, 443]

/**
 * Whether a packet may go to an address that a peer has named. Public addresses: yes, within the caps of whoever sends.
 * Private ones: only in a LAN of ours, or when both of us come out of the same NAT; elsewhere they belong to strangers, whose
 * carriers take such packets for scans. Never to what is no host's address, to services, or to our own containers.
 */
export function maySendTo({ ip, port }: TransportAddress, around: Surroundings): boolean {
  if (port === 0 || ip.includes('%') || isBroadcast(ip, around.interfaces)) return false
  switch (ipScope(ip)) {
    case 'global':
      return (port >= FIRST_USER_PORT || CHOSEN_PORTS.includes(port)) && leadsOutside(ip)
    case 'private':
    case 'shared':
    case 'unique-local':
      return port >= FIRST_USER_PORT && isNearby(ip, around)
    default:
      return false
  }
}

function isNearby(ip: string, around: Surroundings): boolean {
  const { interfaces, sources } = around
  const outward = outwardInterfaces({ interfaces, gateways: [], sources })
  if (isInLan(ip, outward)) return true
  const isOfThisHost = isInLan(
    ip,
    interfaces.filter((each) => !outward.includes(each)),
  )
  return !isOfThisHost && !isPublicHost(around) && comesOutWithUs(around)
}

function isInLan(ip: string, interfaces: readonly NetworkInterface[]): boolean {
  return interfaces.some(({ addresses }) => addresses.some((address) => isNeighbour(address, ip)))
}

/** An address that stands for itself alone (a VPN's, say) has no LAN. */
function isNeighbour(own: InterfaceAddress, ip: string): boolean {
  const isAlone = own.prefixLength === (own.family === 'ipv4' ? 32 : 128)
  return !isAlone && networkContains(own, ip)
}

/** To all hosts of a network that we are in. */
function isBroadcast(ip: string, interfaces: readonly NetworkInterface[]): boolean {
  return interfaces.some(({ addresses }) => addresses.some((address) => isBroadcastOf(address, ip)))
}

/** Both behind one NAT, in different LANs of it. */
function comesOutWithUs({ ownPublicIps, theirPublicIps }: Surroundings): boolean {
  return ownPublicIps.some((ip) => theirPublicIps.includes(ip))
}

/** A host with a public IPv4 address is in no NAT's LAN: what it sends to private addresses goes to its provider. */
function isPublicHost({ interfaces }: Surroundings): boolean {
  return interfaces.some(({ addresses }) =>
    addresses.some(({ family, ip }) => family === 'ipv4' && ipScope(ip) === 'global'),
  )
}

/** Prefixes that carry an IPv4 address: a gateway on the way would send to that one. The offset is in bytes. */
const TRANSLATED: readonly (IpNetwork & { readonly offset: number })[] = [
  // RFC 6052 §2.1, NAT64.
  { ip: '64:ff9b::', prefixLength: 96, offset: 12 },
  // RFC 3056, 6to4.
  { ip: '2002::', prefixLength: 16, offset: 2 },
]
/** RFC 3879 and RFC 4291 §2.5.5.1: no longer in use, and read by some as what they once were. */
const RETIRED: readonly IpNetwork[] = [
  { ip: 'fec0::', prefixLength: 10 },
  { ip: '::', prefixLength: 96 },
]

function leadsOutside(ip: string): boolean {
  if (!ip.includes(':')) return true
  if (RETIRED.some((network) => networkContains(network, ip))) return false
  const carrier = TRANSLATED.find((network) => networkContains(network, ip))
  if (carrier === undefined) return true
  return ipScope(bytesToIp(ipToBytes(ip).subarray(carrier.offset, carrier.offset + 4))) === 'global'
}
