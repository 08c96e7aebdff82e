import { isGlobalIp } from '../base/ip-range.ts'
import type { Gateway, Network } from '../base/runtime.ts'
import { transportAddress } from '../base/transport-address.ts'
import { PCP_SERVER_PORT } from '../protocol/port-mapping/pcp.ts'

/** RFC 3849: nowhere on the internet, so the kernel answers with the address that it prefers for all of it. */
const ANYWHERE = transportAddress('2001:db8::1', PCP_SERVER_PORT)

/**
 * This host's address that a gateway is to be asked from, which is the one that it maps (RFC 6887 §8.2). The kernel's own
 * choice: lists of interfaces name bridges and VPNs, too. Over IPv6 a global one on the gateway's interface, however
 * local the gateway's own address is. Undefined when there is none.
 */
export async function clientAddress(network: Network, gateway: Gateway): Promise<string | undefined> {
  if (gateway.family === 'ipv4') return network.sourceIpTowards(transportAddress(gateway.ip, PCP_SERVER_PORT))
  const onInterface = addressesTowards(network, gateway)
  const preferred = await network.sourceIpTowards(ANYWHERE)
  if (preferred !== undefined && onInterface.includes(preferred) && isGlobal(preferred)) return preferred
  return onInterface.find(isGlobal)
}

/** This host's addresses that name the gateway's interface: IPv6 groups are joined through them. */
export function linkLocalAddresses(network: Network, gateway: Gateway): readonly string[] {
  return addressesTowards(network, gateway).filter((ip) => ip.includes('%'))
}

function addressesTowards(network: Network, { interfaceName }: Gateway): readonly string[] {
  const towards = network.interfaces().filter(({ name }) => name === interfaceName)
  return towards.flatMap(({ addresses }) => addresses.map(({ ip }) => ip))
}

function isGlobal(ip: string): boolean {
  return ip.includes(':') && isGlobalIp(ip)
}
