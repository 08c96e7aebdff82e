import { networkInterfaces } from 'node:os'
import type { NetworkInterfaceInfo } from 'node:os'
import type { InterfaceAddress, NetworkInterface } from '../base/runtime.ts'
import { ipScope } from '../base/ip-range.ts'
import { canonicalIp } from '../base/transport-address.ts'

export interface ListInterfacesOptions {
  /** @default false */
  readonly includeLoopback?: boolean
}

/** What {@link toInterfaces} needs to know: `os.networkInterfaces()`, and whose zone spelling applies. */
export interface InterfaceTable {
  readonly interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>
  readonly platform: NodeJS.Platform
}

/** The interfaces of this host that are up and have an address. Empty where the system forbids to ask. */
export function listInterfaces(options: ListInterfacesOptions = {}): readonly NetworkInterface[] {
  return toInterfaces({ interfaces: systemInterfaces(), platform: process.platform }, options)
}

/** `os.networkInterfaces()`, or nothing where the system forbids to ask. */
export function systemInterfaces(): InterfaceTable['interfaces'] {
  try {
    return networkInterfaces()
  } catch {
    return {} // Android forbids it to apps since version 11; whoever asks can only go on without
  }
}

/** Canonical IPs, link-local ones with their zone; interfaces without addresses left out. */
export function toInterfaces(
  table: InterfaceTable,
  options: ListInterfacesOptions = {},
): readonly NetworkInterface[] {
  return Object.entries(table.interfaces)
    .map(([name, infos = []]) => ({
      name,
      addresses: infos
        .filter((info) => options.includeLoopback === true || !info.internal)
        .map((info) => interfaceAddress(name, info, table.platform)),
    }))
    .filter((candidate) => candidate.addresses.length > 0)
}

function interfaceAddress(
  name: string,
  info: NetworkInterfaceInfo,
  platform: NodeJS.Platform,
): InterfaceAddress {
  const isIpv6 = info.family === 'IPv6'
  // RFC 4007 §11: the zone's spelling is the system's affair: interface names, but numbers on Windows.
  const zone = platform === 'win32' ? String(info.scopeid ?? 0) : name
  const needsZone = isIpv6 && !info.address.includes('%') && ipScope(info.address) === 'link-local'
  return {
    family: isIpv6 ? 'ipv6' : 'ipv4',
    ip: canonicalIp(needsZone ? `${info.address}%${zone}` : info.address),
    prefixLength: prefixLength(info),
  }
}

/** Node gives no CIDR for a netmask with holes: then the address stands for itself alone. */
function prefixLength(info: NetworkInterfaceInfo): number {
  const length = info.cidr?.split('/')[1]
  if (length !== undefined) return Number(length)
  return info.family === 'IPv6' ? 128 : 32
}
