import type { Gateway } from '../base/runtime.ts'
import { bytesToIp } from '../base/transport-address.ts'
import { zonedIp } from './zone.ts'

/** linux/route.h: the route is usable; goes by a gateway; answers "unreachable". */
const RTF_UP = 0x0001
const RTF_GATEWAY = 0x0002
const RTF_REJECT = 0x0200

/**
 * Default gateways in `/proc/net/route`, in the table's order: the main table only. Columns: interface, destination,
 * gateway, flags, reference count, use, metric, mask, MTU, window, IRTT. Numbers are hexadecimal, addresses in the byte
 * order of the host, the metric decimal. Defaults without a gateway (`default dev ppp0`) and unreachable ones are no
 * gateways and left out.
 */
export function parseProcNetRoute(text: string, byteOrder: 'LE' | 'BE'): readonly Gateway[] {
  return rows(text).flatMap((columns): Gateway[] => {
    const [interfaceName = '', destination = '', gateway = '', flags = '', , , metric = '', mask = ''] =
      columns
    if (!isZero(destination, 8) || !isZero(mask, 8) || !isUsable(flags)) return []
    const bytes = hexBytes(gateway, 4)
    if (bytes === undefined || !/^[0-9]{1,10}$/.test(metric)) return []
    const ip = bytesToIp(byteOrder === 'LE' ? bytes.reverse() : bytes)
    return [{ family: 'ipv4', ip, interfaceName, metric: Number(metric) }]
  })
}

/**
 * Default gateways in `/proc/net/ipv6_route`, in the file's order; link-local ones with their zone. Unlike IPv4's, the
 * file holds the routes of all tables, without saying which (seen on Linux 6.18). Columns:
 * destination, its prefix length, source, its prefix length, next hop, metric, reference count, use, flags, interface.
 * All numbers are hexadecimal.
 */
export function parseProcNetIpv6Route(text: string): readonly Gateway[] {
  return rows(text).flatMap((columns): Gateway[] => {
    const [
      destination = '',
      prefixLength = '',
      ,
      ,
      nextHop = '',
      metric = '',
      ,
      ,
      flags = '',
      interfaceName = '',
    ] = columns
    if (!isZero(destination, 32) || !isZero(prefixLength, 2) || !isUsable(flags) || interfaceName === '')
      return []
    const bytes = hexBytes(nextHop, 16)
    const metricNumber = hexNumber(metric)
    if (bytes === undefined || metricNumber === undefined) return []
    const ip = zonedIp(bytesToIp(bytes), interfaceName)
    // An IPv4-mapped next hop belongs to no IPv6 route that we could use.
    if (ip?.includes(':') !== true) return []
    return [{ family: 'ipv6', ip, interfaceName, metric: metricNumber }]
  })
}

function rows(text: string): readonly string[][] {
  return text.split('\n').map((line) => line.trim().split(/\s+/))
}

function isUsable(flagsHex: string): boolean {
  const flags = hexNumber(flagsHex)
  return flags !== undefined && (flags & (RTF_UP | RTF_GATEWAY | RTF_REJECT)) === (RTF_UP | RTF_GATEWAY)
}

function isZero(hex: string, length: number): boolean {
  return hex === '0'.repeat(length)
}

function hexNumber(hex: string): number | undefined {
  return /^[0-9a-fA-F]{1,8}$/.test(hex) ? Number.parseInt(hex, 16) : undefined
}

function hexBytes(hex: string, length: number): Uint8Array | undefined {
  if (hex.length !== length * 2 || !/^[0-9a-fA-F]+$/.test(hex)) return undefined
  return Uint8Array.from({ length }, (_, index) => Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16))
}
