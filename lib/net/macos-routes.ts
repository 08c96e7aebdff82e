import type { Gateway } from '../base/runtime.ts'
import { canonicalIp, ipToBytes, isIp } from '../base/transport-address.ts'

/** macOS has no metrics: its own choice comes first, then defaults bound to one interface (flag `I`, RTF_IFSCOPE). */
const PRIMARY_METRIC = 0
const SCOPED_METRIC = 1

/**
 * Default gateways in what `netstat -rn` prints on macOS, for one family or both. The columns are Destination, Gateway,
 * Flags, Netif, Expire; releases before 10.15 print Refs and Use between Flags and Netif, so the header is read. Left
 * out: defaults without a gateway (`link#15`), rejecting ones (`R`, `B`), and the `fe80::%utun0` that tunnels of the
 * system put there, which names nobody.
 */
export function parseNetstatRoutes(text: string): readonly Gateway[] {
  let netifColumn: number | undefined
  const gateways: Gateway[] = []
  for (const line of text.split('\n')) {
    const columns = line.trim().split(/\s+/)
    if (columns[0] === 'Destination') {
      const column = columns.indexOf('Netif')
      netifColumn = column < 0 ? undefined : column
    } else if (columns[0] === 'default' && netifColumn !== undefined) {
      const gateway = gatewayOf(columns, netifColumn)
      if (gateway !== undefined) gateways.push(gateway)
    }
  }
  return gateways
}

function gatewayOf(columns: readonly string[], netifColumn: number): Gateway | undefined {
  const [, ip = '', flags = ''] = columns
  const interfaceName = columns[netifColumn]
  if (interfaceName === undefined || !isIp(ip) || !flags.includes('G') || /[RB]/.test(flags)) return undefined
  const canonical = canonicalIp(ip)
  if (isNobody(canonical)) return undefined
  return {
    family: canonical.includes(':') ? 'ipv6' : 'ipv4',
    ip: canonical,
    interfaceName,
    metric: flags.includes('I') ? SCOPED_METRIC : PRIMARY_METRIC,
  }
}

/** An IPv6 address whose interface identifier is zero: the subnet-router anycast address (RFC 4291 §2.6.1). */
function isNobody(ip: string): boolean {
  const bytes = ipToBytes(ip.split('%')[0] ?? ip)
  return bytes.length === 16 && bytes.subarray(8).every((byte) => byte === 0)
}
