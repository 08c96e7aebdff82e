import { ipScope } from '../base/ip-range.ts'
import type { InterfaceAddress, NetworkInterface } from '../base/runtime.ts'
import type { HostNetworks } from '../net/host-networks.ts'
import { outwardInterfaces } from '../net/host-networks.ts'
import { interfaceKind } from '../net/interface-kind.ts'
import type { MdnsLink } from '../protocol/mdns/mdns-link.ts'

/** A link, and this host's address on it that sockets are told it by. */
export interface LanLink extends Omit<MdnsLink, 'number'> {
  readonly via: string
}

/** Ours: what fits a packet beside the rest, and more than a card has. */
const MAX_IPS = 8

/**
 * The links to look for peers on: cards of a LAN, for each family that is spoken there. VPNs are left out, as are networks in
 * which this host has a public address: there its neighbours are strangers, and nothing is called out to them.
 */
export function lanLinks(host: HostNetworks): readonly LanLink[] {
  return outwardInterfaces(host).filter(isLan).flatMap(linksOf)
}

function isLan({ name, addresses }: NetworkInterface): boolean {
  const isPublic = addresses.some(({ family, ip }) => family === 'ipv4' && ipScope(ip) === 'global')
  return interfaceKind(name) !== 'vpn' && !isPublic
}

function linksOf({ addresses }: NetworkInterface): readonly LanLink[] {
  const told = addresses.filter(({ ip }) => isTold(ip))
  const linkLocal = addresses.find(({ family, ip }) => family === 'ipv6' && ipScope(ip) === 'link-local')
  const zone = linkLocal?.ip.split('%')[1]
  const common = {
    zone,
    networks: told.map(({ ip, prefixLength }) => ({ ip, prefixLength })),
    ips: told.map(({ ip }) => ip).slice(0, MAX_IPS),
  }
  const ipv4 = told.find(hasNeighbours)
  return [
    ...(ipv4 === undefined ? [] : [{ ...common, family: 'ipv4', via: ipv4.ip } as const]),
    ...(linkLocal === undefined || zone === undefined || told.length === 0
      ? []
      : [{ ...common, family: 'ipv6', via: linkLocal.ip } as const]),
  ]
}

function isTold(ip: string): boolean {
  return !ip.includes('%') && ['private', 'shared', 'unique-local', 'global'].includes(ipScope(ip))
}

/** Prefixes of 31 and 32 bits are those of point-to-point links. */
function hasNeighbours({ family, prefixLength }: InterfaceAddress): boolean {
  return family === 'ipv4' && prefixLength < 31
}
