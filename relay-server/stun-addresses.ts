import { ReachError } from '../lib/base/errors.ts'
import { ipScope } from '../lib/base/ip-range.ts'
import type { NetworkInterface } from '../lib/base/runtime.ts'
import type { Endpoint } from '../lib/base/endpoint.ts'
import { formatEndpoint } from '../lib/base/endpoint.ts'
import { isIp, MAX_PORT } from '../lib/base/transport-address.ts'
import { MAX_STUN_PORTS } from '../lib/protocol/relay/control-reply.ts'
import type { StunServerAddresses } from '../lib/protocol/stun/server.ts'

/** Public IPs of a server that sits behind a 1:1 NAT, by its own IPs. */
export type AdvertisedIps = ReadonlyMap<string, string>

/**
 * Makes RFC 5780 grids of the addresses that were asked for: IPs of one family and kind are paired, each IP is served
 * on its port and on the alternate port (the other one given, else the next number). `0.0.0.0` and `::` stand for every
 * address of the host's interfaces, because a reply must leave from the address that was asked.
 * @throws {ReachError} ERR_REACH_CONFIG
 */
export function stunAddresses(
  wanted: readonly Endpoint[],
  interfaces: readonly NetworkInterface[],
  advertised: AdvertisedIps,
): readonly StunServerAddresses[] {
  const portsOfIp = new Map<string, Set<number>>()
  for (const endpoint of wanted) {
    for (const ip of expand(endpoint, interfaces)) {
      const ports = portsOfIp.get(ip) ?? new Set()
      portsOfIp.set(ip, ports.add(endpoint.port))
    }
  }
  const groups = groupBy([...portsOfIp.keys()], (ip) => `${ip.includes(':') ? 6 : 4} ${ipScope(ip)}`)
  return groups.flatMap((ips) => grids(ips, portsOf(ips, portsOfIp), advertised))
}

/** The ports to ask, each once: the alternate ones are named in the answers. */
export function primaryPorts(addresses: readonly StunServerAddresses[]): readonly number[] {
  return [...new Set(addresses.map(({ port }) => port))].slice(0, MAX_STUN_PORTS)
}

function expand({ host, port }: Endpoint, interfaces: readonly NetworkInterface[]): readonly string[] {
  if (!isIp(host)) {
    throw new ReachError(
      'ERR_REACH_CONFIG',
      `${formatEndpoint({ host, port })} names a host, not an address of this one`,
      {
        hint: 'give an IP of this computer, or 0.0.0.0 or [::] for all of them',
      },
    )
  }
  // Answers name the other port before it is bound, so the system can't be left to pick one.
  if (port === 0) {
    throw new ReachError('ERR_REACH_CONFIG', `${formatEndpoint({ host, port })} names no port for STUN`, {
      hint: 'give a port, such as 3478',
    })
  }
  if (host !== '0.0.0.0' && host !== '::') return [host]
  const family = host === '::' ? 'ipv6' : 'ipv4'
  const all = interfaces.flatMap(({ addresses }) => addresses).filter((address) => address.family === family)
  const loopback = family === 'ipv4' ? '127.0.0.1' : '::1'
  const usable = all.map(({ ip }) => ip).filter((ip) => ipScope(ip) !== 'link-local' && ip !== loopback)
  // Without any address of the family there is nothing to serve; loopback would fail where IPv6 is off.
  return family === 'ipv6' && all.length === 0 ? [] : [...usable, loopback]
}

/** Both ports of a grid. */
function portsOf(
  ips: readonly string[],
  portsOfIp: ReadonlyMap<string, ReadonlySet<number>>,
): readonly [number, number] {
  const ports = [...new Set(ips.flatMap((ip) => [...(portsOfIp.get(ip) ?? [])]))]
  const [first = 0, second = nextPort(first)] = ports
  if (ports.length > 2) {
    throw new ReachError(
      'ERR_REACH_CONFIG',
      `STUN is asked for on ports ${ports.join(', ')}, but a server has two`,
      {
        hint: 'give one port (the next one is added) or two',
      },
    )
  }
  return [first, second]
}

function nextPort(port: number): number {
  return port < MAX_PORT ? port + 1 : port - 1
}

/** Pairs of IPs; an odd one out is served alone. */
function grids(
  ips: readonly string[],
  [port, alternatePort]: readonly [number, number],
  advertised: AdvertisedIps,
): readonly StunServerAddresses[] {
  const list: StunServerAddresses[] = []
  for (let i = 0; i < ips.length; i += 2) {
    const ip = ips[i] ?? ''
    const alternateIp = ips[i + 1]
    const advertisedIp = advertised.get(ip)
    const advertisedAlternateIp = alternateIp === undefined ? undefined : advertised.get(alternateIp)
    list.push({
      ip,
      port,
      alternatePort,
      ...(alternateIp === undefined ? {} : { alternateIp }),
      ...(advertisedIp === undefined ? {} : { advertisedIp }),
      ...(advertisedAlternateIp === undefined ? {} : { advertisedAlternateIp }),
    })
  }
  return list
}

function groupBy(ips: readonly string[], keyOf: (ip: string) => string): readonly string[][] {
  const groups = new Map<string, string[]>()
  for (const ip of ips) {
    const group = groups.get(keyOf(ip))
    if (group === undefined) groups.set(keyOf(ip), [ip])
    else group.push(ip)
  }
  return [...groups.values()]
}
