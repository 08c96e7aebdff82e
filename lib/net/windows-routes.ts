import type { Gateway } from '../base/runtime.ts'
import { isIp } from '../base/transport-address.ts'
import { zonedIp } from './zone.ts'

/** What an interface of `route print` can be recognised by: IPv4 rows name one of its IPs, IPv6 rows its index. */
export interface WindowsInterface {
  readonly name: string
  readonly ips: readonly string[]
  /** Its zone index; undefined when it has no link-local IPv6 address to read it from. */
  readonly index: number | undefined
}

/**
 * Default gateways in what `route.exe print` prints, whatever its language: only the form of a row is read.
 *
 *     0.0.0.0          0.0.0.0      192.168.1.1    192.168.1.23     25     (IPv4: network, mask, gateway, interface, metric)
 *     12    281 ::/0                     fe80::1                           (IPv6: interface, metric, network, gateway)
 *
 * A long IPv6 network pushes its gateway to the next line. `On-link` (translated) in the gateway's place is no IP, so
 * such rows drop out; so do persistent routes, which have no interface.
 */
export function parseRoutePrint(text: string, interfaces: readonly WindowsInterface[]): readonly Gateway[] {
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/))
  return rows.flatMap((row, index): Gateway[] => {
    const gateway = ipv4Gateway(row, interfaces) ?? ipv6Gateway(row, rows[index + 1] ?? [], interfaces)
    return gateway === undefined ? [] : [gateway]
  })
}

function ipv4Gateway(row: readonly string[], interfaces: readonly WindowsInterface[]): Gateway | undefined {
  const [network, mask, ip = '', interfaceIp = '', metric = ''] = row
  if (row.length !== 5 || network !== '0.0.0.0' || mask !== '0.0.0.0' || !isMetric(metric)) return undefined
  if (!isIp(ip) || ip.includes(':') || !isIp(interfaceIp)) return undefined
  const owner = interfaces.find((candidate) => candidate.ips.includes(interfaceIp))
  return { family: 'ipv4', ip, interfaceName: owner?.name ?? interfaceIp, metric: Number(metric) }
}

function ipv6Gateway(
  row: readonly string[],
  next: readonly string[],
  interfaces: readonly WindowsInterface[],
): Gateway | undefined {
  const [index = '', metric = '', network] = row
  const ip = row[3] ?? (next.length === 1 ? next[0] : undefined) ?? ''
  // Interface 0 marks a persistent route, which may not be in use.
  if (network !== '::/0' || row.length > 4 || !isMetric(index) || index === '0' || !isMetric(metric))
    return undefined
  const zoned = zonedIp(ip, index)
  if (zoned?.includes(':') !== true) return undefined
  const owner = interfaces.find((candidate) => candidate.index === Number(index))
  return { family: 'ipv6', ip: zoned, interfaceName: owner?.name ?? index, metric: Number(metric) }
}

function isMetric(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text)
}
