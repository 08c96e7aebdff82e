import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress, transportAddress } from '../../base/transport-address.ts'
import { MAX_TCP_ADDRESSES } from './tcp-punch-message.ts'
import type { TcpPunchOptions } from './tcp-punch-options.ts'

/** Where the peer should connect to: what servers saw of our port (port 0 is a server's mistake), and what they can't have seen. */
export function ownAddresses(
  { portIsPreserved, routedIps = [] }: Pick<TcpPunchOptions, 'portIsPreserved' | 'routedIps'>,
  port: number,
  seen: readonly TransportAddress[],
): TransportAddress[] {
  const told = seen.filter(({ port: mappedPort }) => mappedPort > 0)
  const guessed = portIsPreserved ? told.map(({ ip }) => ip) : []
  const own = [...guessed, ...routedIps].map((ip) => transportAddress(ip, port, 'tcp'))
  return distinctAddresses([...told, ...own]).slice(0, MAX_TCP_ADDRESSES)
}

/** Each of them once. */
export function distinctAddresses(addresses: readonly TransportAddress[]): TransportAddress[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()]
}
