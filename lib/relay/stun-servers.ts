import type { Resolver } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { isIp, transportAddress } from '../base/transport-address.ts'

/**
 * The UDP addresses that answer STUN at a relay. Of the other family only one address is taken: its name may stand for
 * several relays, and no more than one of them is asked by us.
 * @param host what the relay is called
 * @param connected the address of it that answers
 */
export async function stunServersAt(
  resolver: Resolver,
  host: string,
  connected: TransportAddress,
  ports: readonly number[],
): Promise<readonly TransportAddress[]> {
  if (ports.length === 0) return []
  const found = isIp(host) ? [] : await ipsOf(resolver, host)
  const other = found.find((ip) => transportAddress(ip, 0).family !== connected.family)
  const ips = other === undefined ? [connected.ip] : [connected.ip, other]
  return ips.flatMap((ip) => ports.map((port) => transportAddress(ip, port)))
}

async function ipsOf(resolver: Resolver, host: string): Promise<readonly string[]> {
  const outcome = await resolver.lookup(host)
  return outcome.kind === 'found' ? outcome.ips : []
}
