import { isGlobalIp } from '../base/ip-range.ts'
import type { Clock } from '../base/runtime.ts'
import {
  GET_EXTERNAL_IP_ADDRESS,
  GET_STATUS_INFO,
  externalIpAddress,
  isConnected,
} from '../protocol/port-mapping/igd-actions.ts'
import type { IgdService } from '../protocol/port-mapping/igd-description.ts'
import { deviceOfUsn } from '../protocol/port-mapping/ssdp-notify.ts'
import type { MapperSetup } from './gateway-mapper.ts'
import { IgdClient } from './igd-client.ts'
import type { IgdMapper } from './igd-mapper.ts'
import { IgdPinholes } from './igd-pinholes.ts'
import { IgdPortMappings } from './igd-port-mappings.ts'
import type { UpnpDevice } from './upnp-device.ts'
import { fetchDescription } from './upnp-device.ts'
import { MAX_ANSWERS, searchUpnp } from './upnp-search.ts'
import type { UpnpAnswer } from './upnp-search.ts'

/** A service that can be asked, and whose it is. */
export interface UpnpService {
  readonly service: IgdService
  readonly device: UpnpDevice
}

/** Ours: a description is a file that the router has at hand; who drips it is not worth waiting for. */
const DESCRIPTION_TIMEOUT_MS = 1000
/** Ours: who can't say so soon whether it is connected stands behind those that can. */
const STATUS_TIMEOUT_MS = 1000
/** Ours: kept for the status when descriptions are slow. */
const STATUS_RESERVE_MS = 200

/**
 * Finds UPnP gateways through one default gateway: what maps IPv4 ports there, or opens IPv6 pinholes. The first one is
 * the best to ask: connected with a public address, then connected, then the others. Empty when nobody answers as it
 * should, and after `budgetMs` at the latest: who is slow by then is left out.
 */
export async function discoverUpnp(
  setup: MapperSetup,
  budgetMs: number,
  signal: AbortSignal,
): Promise<readonly (IgdMapper & { readonly device: UpnpDevice })[]> {
  const { runtime, gateway } = setup
  const left = remaining(runtime.clock, budgetMs)
  const answers = await searchUpnp(setup, left(DESCRIPTION_TIMEOUT_MS), signal)
  const timeoutMs = left(DESCRIPTION_TIMEOUT_MS, STATUS_RESERVE_MS)
  const services = await Promise.all(answers.map((answer) => servicesOf(setup, answer, timeoutMs, signal)))
  const usable = services
    .flat()
    .filter(({ service }) => (service.kind === 'ipv6-firewall') === (gateway.family === 'ipv6'))
  const statusTimeoutMs = left(STATUS_TIMEOUT_MS)
  const ranked = await Promise.all(
    unique(usable).map(async ({ service, device }) => {
      const client = new IgdClient(runtime, service)
      const rank = await rankOf(client, statusTimeoutMs, signal)
      const mapper =
        service.kind === 'ipv6-firewall' ? new IgdPinholes(client) : new IgdPortMappings(runtime, client)
      return { rank, mapper: Object.assign(mapper, { device }) }
    }),
  )
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ mapper }) => mapper)
}

/** What is left of a budget that begins now, at most so much; nothing is waited for without any time at all. */
function remaining(clock: Clock, budgetMs: number): (atMostMs: number, reserveMs?: number) => number {
  const endMs = clock.nowMs() + budgetMs
  return (atMostMs, reserveMs = 0) => Math.max(1, Math.min(atMostMs, endMs - clock.nowMs() - reserveMs))
}

async function servicesOf(
  { runtime }: MapperSetup,
  answer: UpnpAnswer,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<readonly UpnpService[]> {
  const { usn, bootId } = answer.response
  const device = {
    ip: answer.answeredBy,
    udn: usn === undefined ? undefined : deviceOfUsn(usn),
    bootId,
  }
  try {
    const { services } = await fetchDescription(runtime, answer, { timeoutMs, signal })
    return services.map((service) => ({ service, device }))
  } catch {
    signal.throwIfAborted()
    return [] // slow, hostile or broken: others may be better
  }
}

/** One device may answer under several URLs, and describe a service twice. */
function unique(services: readonly UpnpService[]): readonly UpnpService[] {
  const byControl = new Map<string, UpnpService>()
  for (const each of services) {
    const { control, serviceType } = each.service
    const key = `${control.address.ip} ${control.address.port} ${control.path} ${serviceType}`
    if (byControl.size < MAX_ANSWERS && !byControl.has(key)) byControl.set(key, each)
  }
  return [...byControl.values()]
}

/** Lower is better. */
async function rankOf(client: IgdClient, timeoutMs: number, signal: AbortSignal): Promise<number> {
  if (client.service.kind === 'ipv6-firewall') return 0
  const options = { timeoutMs, signal }
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
