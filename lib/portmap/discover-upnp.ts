import { isGlobalIp } from '../base/ip-range.ts'
import type { AddressFamily } from '../base/transport-address.ts'
import type { Gateway, Runtime } from '../base/runtime.ts'
import {
  GET_EXTERNAL_IP_ADDRESS,
  GET_STATUS_INFO,
  externalIpAddress,
  isConnected,
} from '../protocol/port-mapping/igd-actions.ts'
import type { IgdService } from '../protocol/port-mapping/igd-description.ts'
import type { GatewayMapper } from './gateway-mapper.ts'
import { IgdClient } from './igd-client.ts'
import { fetchDescription } from './upnp-device.ts'
import { UpnpMapper } from './upnp-mapper.ts'
import { UpnpPinholeMapper } from './upnp-pinhole-mapper.ts'
import { MAX_ANSWERS, searchUpnp } from './upnp-search.ts'
import type { UpnpAnswer } from './upnp-search.ts'

/** Ours: who can't say in a second whether it is connected stands behind those that can. */
const STATUS_TIMEOUT_MS = 1000
/** Ours: hosts have one gateway, or two while they change networks. */
const MAX_GATEWAYS = 2

/**
 * Finds the UPnP gateways behind the default gateways: mappers for IPv4 ports from those of IPv4, for IPv6 pinholes from
 * those of IPv6. The first one is the best to ask: connected with a public address, then connected, then the others.
 * Empty when nobody answers as it should; takes three seconds at most. Whoever asked closes the mappers.
 */
export async function discoverUpnp(
  runtime: Runtime,
  gateways: readonly Gateway[],
  signal?: AbortSignal,
): Promise<readonly GatewayMapper[]> {
  const asked = (['ipv4', 'ipv6'] as const).flatMap((family) => bestOf(gateways, family))
  const found = await Promise.all(
    asked.map(async (gateway) => {
      const answers = await searchUpnp(runtime, gateway, signal)
      const services = await Promise.all(answers.map((answer) => servicesOf(runtime, answer, signal)))
      return services.flat().filter(({ kind }) => (kind === 'ipv6-firewall') === (gateway.family === 'ipv6'))
    }),
  )
  const clients = unique(found.flat())
    .slice(0, MAX_ANSWERS)
    .map((service) => new IgdClient(runtime, service))
  const ranked = await Promise.all(
    clients.map(async (client) => ({ client, rank: await rankOf(client, signal) })),
  )
  ranked.sort((a, b) => a.rank - b.rank)
  return ranked.map(({ client }) =>
    client.service.kind === 'ipv6-firewall' ? new UpnpPinholeMapper(client) : new UpnpMapper(runtime, client),
  )
}

function bestOf(gateways: readonly Gateway[], family: AddressFamily): readonly Gateway[] {
  return gateways
    .filter((gateway) => gateway.family === family)
    .toSorted((a, b) => a.metric - b.metric)
    .slice(0, MAX_GATEWAYS)
}

async function servicesOf(
  runtime: Runtime,
  answer: UpnpAnswer,
  signal: AbortSignal | undefined,
): Promise<readonly IgdService[]> {
  try {
    const { services } = await fetchDescription(runtime, answer, { signal })
    return services
  } catch {
    signal?.throwIfAborted()
    return [] // slow, hostile or broken: others may be better
  }
}

/** One device may answer under several URLs, and describe a service twice. */
function unique(services: readonly IgdService[]): readonly IgdService[] {
  const byControl = new Map(
    services.map((service) => [
      `${service.control.address.ip} ${service.control.address.port} ${service.control.path} ${service.serviceType}`,
      service,
    ]),
  )
  return [...byControl.values()]
}

/** Lower is better. */
async function rankOf(client: IgdClient, signal: AbortSignal | undefined): Promise<number> {
  if (client.service.kind === 'ipv6-firewall') return 0
  const options = { timeoutMs: STATUS_TIMEOUT_MS, signal }
  const [status, address] = await Promise.all([
    client.ask(GET_STATUS_INFO, options),
    client.ask(GET_EXTERNAL_IP_ADDRESS, options),
  ])
  const externalIp = address === undefined ? undefined : externalIpAddress(address)
  const isPublic = externalIp !== undefined && isGlobalIp(externalIp)
  if (status === undefined) return isPublic ? 1 : 3
  if (!isConnected(status)) return 4
  return isPublic ? 0 : 2
}
