import { ipScope } from '../base/ip-range.ts'
import { canonicalIp, isIp } from '../base/transport-address.ts'

/**
 * An IP as it must be written on this host: canonical, and where it is link-local IPv6 with its zone (RFC 4007 §11).
 * Undefined for what is no IP, and for a link-local address on an interface whose name can't be written as a zone
 * (Linux lets them contain `%`): nobody could send there.
 */
export function zonedIp(ip: string, zone: string): string | undefined {
  const needsZone = isIp(ip) && ip.includes(':') && !ip.includes('%') && ipScope(ip) === 'link-local'
  const written = needsZone ? `${ip}%${zone}` : ip
  return isIp(written) ? canonicalIp(written) : undefined
}
