import type { Gateway, Timer, UdpSocket } from '../base/runtime.ts'
import { ipScope } from '../base/ip-range.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { formatAddress, transportAddress } from '../base/transport-address.ts'
import {
  IGD_SEARCH_TARGETS,
  IGD_SERVICE_SEARCH_TARGETS,
  SEARCH_ALL,
  SSDP_MULTICAST_IP,
  SSDP_MULTICAST_IPV6,
  SSDP_PORT,
  decodeSearchResponse,
  encodeSearch,
  isPartOfGateway,
} from '../protocol/port-mapping/ssdp.ts'
import type { SsdpResponse } from '../protocol/port-mapping/ssdp.ts'
import type { MapperSetup } from './gateway-mapper.ts'

/** A device that answered, and from where. */
export interface UpnpAnswer {
  readonly response: SsdpResponse
  /** Whose address it is decides which URLs are believed; the port may be any (seen: not 1900). */
  readonly answeredBy: string
}

/** Ours: each round repeats the search, for datagrams get lost; the last one asks everything that is there. */
const ROUNDS: readonly { readonly atMs: number; readonly targets: readonly string[] }[] = [
  { atMs: 0, targets: IGD_SEARCH_TARGETS },
  { atMs: 150, targets: [...IGD_SEARCH_TARGETS, ...IGD_SERVICE_SEARCH_TARGETS] },
  { atMs: 400, targets: [...IGD_SEARCH_TARGETS, ...IGD_SERVICE_SEARCH_TARGETS, SEARCH_ALL] },
]
/** Ours: after the first gateway, so long for others: they were asked in the same moment. */
const MORE_GATEWAYS_MS = 150
/** As others do: networks with more gateways than this are under attack. */
export const MAX_ANSWERS = 10

/**
 * Searches for gateway devices through one default gateway: that host itself, then the multicast group of its network
 * (some routers answer only the one, some only the other). One answer a device, at most {@link MAX_ANSWERS}; empty when
 * nobody answers or this host has no address there.
 * @param timeoutMs MX 1 allows a second; who needs it is slow to map ports, too
 */
export async function searchUpnp(
  { runtime, gateway }: MapperSetup,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<readonly UpnpAnswer[]> {
  signal.throwIfAborted()
  const localIp = await runtime.network.sourceIpTowards(transportAddress(gateway.ip, SSDP_PORT))
  if (localIp === undefined) return []
  let socket: UdpSocket
  try {
    // From that address, the system also multicasts into that network, and none of the others this host may be in.
    socket = await runtime.network.openUdp({ family: gateway.family, ip: localIp })
  } catch {
    return [] // no socket, nobody to hear
  }
  const search = new Search(gateway)
  const timers: Timer[] = []
  let onAbort = (): void => undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const later = (delayMs: number, callback: () => void) =>
        timers.push(runtime.clock.setTimer(delayMs, callback))
      onAbort = () => reject(signal.reason)
      if (signal.aborted) onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      socket.onPacket = ({ bytes, from }) => {
        const isFirst = search.receive(bytes, from)
        if (isFirst) later(MORE_GATEWAYS_MS, resolve)
        if (search.answers.length >= MAX_ANSWERS) resolve()
      }
      for (const { atMs, targets } of ROUNDS) {
        const send = () => {
          for (const { bytes, to } of search.requests(targets)) socket.send(bytes, to)
        }
        if (atMs === 0) send()
        else later(atMs, send)
      }
      later(timeoutMs, resolve)
    })
  } finally {
    signal.removeEventListener('abort', onAbort)
    for (const timer of timers) timer.cancel()
    socket.close()
  }
  return search.answers
}

/** Who is asked, and who answered; knows no socket. */
class Search {
  readonly #gateway: Gateway
  readonly #byLocation = new Map<string, UpnpAnswer>()

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  get answers(): readonly UpnpAnswer[] {
    return [...this.#byLocation.values()]
  }

  requests(
    targets: readonly string[],
  ): readonly { readonly bytes: Uint8Array; readonly to: TransportAddress }[] {
    const { ip, family, interfaceName } = this.#gateway
    const group = family === 'ipv4' ? SSDP_MULTICAST_IP : `${SSDP_MULTICAST_IPV6}%${interfaceName}`
    return [ip, group].flatMap((each) => {
      const to = transportAddress(each, SSDP_PORT)
      const host = formatAddress({ ip: each.split('%')[0] ?? each, port: SSDP_PORT })
      return targets.map((target) => ({ bytes: encodeSearch(target, host), to }))
    })
  }

  /** True for the first gateway that answers. */
  receive(bytes: Uint8Array, from: TransportAddress): boolean {
    // Strangers on the internet can guess our port; routers are on our network, or are the gateway that was asked.
    if (from.ip !== this.#gateway.ip && ipScope(from.ip) === 'global') return false
    const response = responseIn(bytes)
    if (response?.location === undefined) return false
    // Under ssdp:all some routers show their root device alone: what it is, its description says.
    const isOurs = isPartOfGateway(response) || from.ip === this.#gateway.ip
    const key = `${from.ip} ${response.location}`
    if (!isOurs || this.#byLocation.has(key) || this.#byLocation.size >= MAX_ANSWERS) return false
    this.#byLocation.set(key, { response, answeredBy: from.ip })
    return this.#byLocation.size === 1
  }
}

function responseIn(bytes: Uint8Array): SsdpResponse | undefined {
  try {
    return decodeSearchResponse(bytes)
  } catch {
    return undefined // anybody may send anything to our port
  }
}
