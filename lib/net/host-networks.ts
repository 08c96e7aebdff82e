import { ipScope } from '../base/ip-range.ts'
import type { Gateway, Network, NetworkInterface } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import type { InterfaceKind } from './interface-kind.ts'
import { interfaceKind } from './interface-kind.ts'

/** What a host knows of the networks that it is in. */
export interface HostNetworks {
  readonly interfaces: readonly NetworkInterface[]
  /** Best first. */
  readonly gateways: readonly Gateway[]
  /** The IPs that packets towards the relays leave from, one for each family that has a way there. */
  readonly sources: readonly string[]
}

/**
 * Kinds whose networks end in this host, or lead somewhere that its owner did not mean: peers are not told of them, unless
 * they are the way out. In a container or a virtual machine the way out has an ordinary name.
 */
const SIDE_KINDS: readonly InterfaceKind[] = ['container', 'virtual-machine', 'vpn', 'loopback']

/** Asks the system. @param towards where packets have to go: relays, of both families if they have both */
export async function readHostNetworks(
  network: Network,
  towards: readonly TransportAddress[],
): Promise<HostNetworks> {
  const [gateways, ...found] = await Promise.all([
    network.defaultGateways(),
    ...towards.map((to) => network.sourceIpTowards(to)),
  ])
  const sources = [...new Set(found.flatMap((ip) => ip ?? []))]
  return { interfaces: network.interfaces(), gateways, sources }
}

/** Whether packets to the relays, or where nobody knows of relays, to the internet, leave through the interface. */
export function isWayOut({ gateways, sources }: HostNetworks, each: NetworkInterface): boolean {
  // A relay on this very host says nothing of the way to others.
  const outward = sources.filter((ip) => ipScope(ip) !== 'loopback')
  if (outward.length > 0) return each.addresses.some(({ ip }) => outward.includes(ip))
  const isBest = ({ family, interfaceName }: Gateway) =>
    interfaceName === each.name &&
    gateways.find((gateway) => gateway.family === family)?.interfaceName === each.name
  return gateways.some(isBest)
}

/** The interfaces that lead to other computers as their owner meant it: the ways out first, then other cards. */
export function outwardInterfaces(host: HostNetworks): readonly NetworkInterface[] {
  const hasAddress = host.interfaces.filter(({ addresses }) =>
    addresses.some(({ ip }) => !['loopback', 'link-local', 'unspecified'].includes(ipScope(ip))),
  )
  const ways = hasAddress.filter((each) => isWayOut(host, each))
  const others = hasAddress.filter(
    (each) => !ways.includes(each) && !SIDE_KINDS.includes(interfaceKind(each.name)),
  )
  return [...ways, ...others]
}
