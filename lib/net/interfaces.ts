import { networkInterfaces } from 'node:os'
import type { NetworkInterfaceInfo } from 'node:os'
import type { InterfaceAddress, NetworkInterface } from '../base/runtime.ts'
import { zonedIp } from './zone.ts'

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
        .flatMap((info) => interfaceAddress(name, info, table.platform)),
    }))
    .filter((candidate) => candidate.addresses.length > 0)
}

/** The address in a list, or an empty one for an address that can't be written. */
function interfaceAddress(
  name: string,
  info: NetworkInterfaceInfo,
  platform: NodeJS.Platform,
): readonly InterfaceAddress[] {
  // The zone's spelling is the system's affair: interface names, but numbers on Windows.
  const ip = zonedIp(info.address, platform === 'win32' ? String(info.scopeid ?? 0) : name)
  if (ip === undefined) return []
  return [{ family: info.family === 'IPv6' ? 'ipv6' : 'ipv4', ip, prefixLength: prefixLength(info) }]
}

/** Node gives no CIDR for a netmask with holes: then the address stands for itself alone. */
function prefixLength(info: NetworkInterfaceInfo): number {
  const length = info.cidr?.split('/')[1]
  if (length !== undefined) return Number(length)
  return info.family === 'IPv6' ? 128 : 32
}
