import { isIpv6, parsePrefix, prefixOf, type InterfacePrefix } from './address-plan.ts'
import { LAN_INTERFACE } from './gateway-ruleset.ts'

/** How the inside of a router is wired. */
export type Access =
  /** One Ethernet, a bridge called `lan0`: neighbours see each other's frames and multicasts, as in a home. */
  | { readonly kind: 'bridged'; readonly prefixes: readonly InterfacePrefix[] }
  /** A cable for each neighbour; everything between two of them crosses the router, as at a carrier. */
  | { readonly kind: 'routed'; readonly prefixes: readonly InterfacePrefix[] }

export interface Attachment {
  /** What the cable's other end is called there. @default 'eth0' */
  readonly interfaceName?: string
  /** Addresses of what is attached, out of the router's prefixes. The first of each family is its source address. */
  readonly ips: readonly string[]
  /** Prefixes that lie behind what is attached (routed access only). */
  readonly routes?: readonly string[]
  /** Largest packet on the cable, both ways. @default 1500 */
  readonly mtu?: number
}

/** Commands for `ip -batch` at the two ends of a cable; they can be repeated when it is plugged in again. */
export interface LinkPlan {
  readonly router: readonly string[]
  readonly node: readonly string[]
}

/** Both ends of a routed cable have the same link-local addresses everywhere; gateways of IPv6 routes are link-local. */
const ROUTER_LINK_LOCAL = 'fe80::1'
const NODE_LINK_LOCAL = 'fe80::2'

export function linkPlan(access: Access, port: string, attachment: Attachment): LinkPlan {
  const { interfaceName = 'eth0', mtu = 1500 } = attachment
  const plan = access.kind === 'bridged' ? bridgedPlan : routedPlan
  const { router, node } = plan(access.prefixes, port, interfaceName, attachment)
  return {
    router: [`link set ${port} mtu ${mtu} up`, ...router],
    node: [`link set ${interfaceName} mtu ${mtu} up`, ...node],
  }
}

function bridgedPlan(
  prefixes: readonly InterfacePrefix[],
  port: string,
  device: string,
  { ips, routes = [] }: Attachment,
): LinkPlan {
  if (routes.length > 0)
    throw new RangeError('routes need routed access: a bridge has neighbours, not routes')
  const node = ips.flatMap((ip) => {
    const { ip: gateway, bits } = prefixOf(prefixes, ip)
    return [
      addressLine(ip, bits, device),
      ...(isFirstOfFamily(ips, ip) ? [`route replace default via ${gateway} dev ${device} src ${ip}`] : []),
    ]
  })
  return { router: [`link set ${port} master ${LAN_INTERFACE}`], node }
}

/**
 * Addresses without a subnet on the cable ("unnumbered", RFC 1812 §2.2.7): /32 and /128 at the neighbour, a host route at
 * the router, the router's own addresses on its loopback interface. ARP answers for those on every cable.
 */
function routedPlan(
  prefixes: readonly InterfacePrefix[],
  port: string,
  device: string,
  { ips, routes = [] }: Attachment,
): LinkPlan {
  const firstIpv4 = ips.find((ip) => !isIpv6(ip))
  const hasIpv6 = [...ips, ...routes].some(isIpv6)
  const router = hasIpv6 ? [addressLine(ROUTER_LINK_LOCAL, 64, port)] : []
  const node = hasIpv6 ? [addressLine(NODE_LINK_LOCAL, 64, device)] : []
  for (const ip of ips) {
    const gateway = prefixOf(prefixes, ip).ip
    const first = isFirstOfFamily(ips, ip)
    if (isIpv6(ip)) {
      router.push(`route replace ${ip}/128 dev ${port} src ${gateway}`)
      node.push(addressLine(ip, 128, device))
      if (first) node.push(`route replace default via ${ROUTER_LINK_LOCAL} dev ${device} src ${ip}`)
    } else {
      router.push(`route replace ${ip}/32 dev ${port} src ${gateway}`)
      node.push(addressLine(ip, 32, device))
      if (first) node.push(`route replace default via ${gateway} dev ${device} onlink src ${ip}`)
    }
  }
  for (const route of routes) {
    parsePrefix(route) // what is not a prefix should fail here, and not in the middle of a batch
    if (isIpv6(route)) router.push(`route replace ${route} via ${NODE_LINK_LOCAL} dev ${port}`)
    else if (firstIpv4 !== undefined)
      router.push(`route replace ${route} via ${firstIpv4} dev ${port} onlink`)
    else throw new RangeError(`a route to ${route} needs a neighbour with an IPv4 address`)
  }
  return { router, node }
}

/**
 * A command that gives an address to an interface. Without `nodad` the kernel holds an IPv6 address back until a worker of
 * its own has looked at it, even where no neighbour is asked (`accept_dad` 0, the loopback interface): until then no
 * route can have it as its source.
 */
export function addressLine(ip: string, bits: number, device: string): string {
  return `addr replace ${ip}/${bits} dev ${device}${isIpv6(ip) ? ' nodad' : ''}`
}

function isFirstOfFamily(ips: readonly string[], ip: string): boolean {
  return ips.find((other) => isIpv6(other) === isIpv6(ip)) === ip
}
