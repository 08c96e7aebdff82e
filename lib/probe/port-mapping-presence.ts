import type { Fact } from '../base/fact.ts'
import { inferred, measured, unknown } from '../base/fact.ts'
import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import { ipScope } from '../base/ip-range.ts'
import type { Gateway, Runtime, Timer, UdpSocket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import {
  NAT_PMP_RESULT,
  decodeNatPmpExternalAddress,
  encodeNatPmpExternalAddressRequest,
} from '../protocol/port-mapping/nat-pmp.ts'
import {
  PCP_SERVER_PORT,
  PCP_VERSION,
  decodePcpResponse,
  encodePcpAnnounce,
} from '../protocol/port-mapping/pcp.ts'
import { PCP_RESULT } from '../protocol/port-mapping/pcp-result.ts'
import {
  IGD_SEARCH_TARGETS,
  SSDP_MULTICAST_IP,
  SSDP_PORT,
  decodeSearchResponse,
  encodeSearch,
  isInternetGateway,
} from '../protocol/port-mapping/ssdp.ts'
import type { PortMappingFact, PortMappingValue } from './report.ts'

export interface PortMappingPresence {
  readonly pcp: PortMappingFact
  readonly natPmp: PortMappingFact
  readonly upnp: PortMappingFact
}

/** Ours: a LAN answers in milliseconds; four tries outlast a busy Wi-Fi. */
const SEND_TIMES_MS = [0, 100, 250, 450]
/** Ours: routers may take MX = 1 s for SSDP by the letter, and answer at once in practice. */
export const PORT_MAPPING_TIMEOUT_MS = 800
const MAX_GATEWAYS = 2

type Service = keyof PortMappingPresence

/**
 * Asks the default gateways whether they speak PCP, NAT-PMP or UPnP IGD. Makes no mapping: PCP ANNOUNCE, NAT-PMP's
 * external address and an SSDP search change nothing at the router. Resolves early when all have answered.
 */
export async function probePortMapping(
  runtime: Runtime,
  gateways: readonly Gateway[],
  signal?: AbortSignal,
): Promise<PortMappingPresence> {
  const asked = gateways.filter((gateway) => gateway.family === 'ipv4').slice(0, MAX_GATEWAYS)
  if (asked.length === 0) {
    const none = withoutAnswer(unknown('this host has no IPv4 default gateway to ask'))
    return { pcp: none, natPmp: none, upnp: none }
  }
  const answers = await Promise.all(asked.map((gateway) => askGateway(runtime, gateway, signal)))
  return { pcp: best(answers, 'pcp'), natPmp: best(answers, 'natPmp'), upnp: best(answers, 'upnp') }
}

/** The first gateway that has the service speaks for all. */
function best(answers: readonly PortMappingPresence[], service: Service): PortMappingFact {
  const facts = answers.map((answer) => answer[service])
  return (
    facts.find((fact) => fact.value === 'available') ??
    facts.find((fact) => fact.value === 'refused') ??
    facts[0] ??
    withoutAnswer(unknown('no gateway was asked'))
  )
}

function withoutAnswer(fact: Fact<PortMappingValue>): PortMappingFact {
  return { ...fact, proven: 'unknown' }
}

async function askGateway(
  runtime: Runtime,
  gateway: Gateway,
  signal: AbortSignal | undefined,
): Promise<PortMappingPresence> {
  let socket: UdpSocket
  try {
    socket = await runtime.network.openUdp({ family: 'ipv4' })
  } catch (error) {
    const why = ReachError.is(error) ? error.message : String(error)
    const none = withoutAnswer(unknown(`no socket to ask with: ${why}`))
    return { pcp: none, natPmp: none, upnp: none }
  }
  const clientIp = await runtime.network.sourceIpTowards(transportAddress(gateway.ip, PCP_SERVER_PORT))
  const inquiry = new GatewayInquiry(gateway.ip)
  const timers: Timer[] = []
  using deadline = deadlineSignal(runtime.clock, PORT_MAPPING_TIMEOUT_MS, signal)
  try {
    await new Promise<void>((resolve) => {
      deadline.signal.addEventListener('abort', () => resolve(), { once: true })
      if (deadline.signal.aborted) resolve()
      socket.onPacket = ({ bytes, from }) => {
        inquiry.receive(bytes, from)
        if (inquiry.isComplete) resolve()
      }
      const send = () => {
        for (const { bytes, to } of inquiry.requests(clientIp)) socket.send(bytes, to)
      }
      for (const delayMs of SEND_TIMES_MS) timers.push(runtime.clock.setTimer(delayMs, send))
    })
  } finally {
    for (const timer of timers) timer.cancel()
    socket.close()
  }
  return inquiry.result()
}

/** What one gateway was asked and answered; knows no socket. */
class GatewayInquiry {
  readonly #gatewayIp: string
  readonly #facts = new Map<Service, PortMappingFact>()

  constructor(gatewayIp: string) {
    this.#gatewayIp = gatewayIp
  }

  get isComplete(): boolean {
    return this.#facts.size === 3
  }

  /** What is still to be asked. */
  requests(
    clientIp: string | undefined,
  ): readonly { readonly bytes: Uint8Array; readonly to: TransportAddress }[] {
    const mapper = transportAddress(this.#gatewayIp, PCP_SERVER_PORT)
    const requests: { bytes: Uint8Array; to: TransportAddress }[] = []
    if (!this.#facts.has('pcp') && clientIp !== undefined)
      requests.push({ bytes: encodePcpAnnounce(clientIp), to: mapper })
    if (!this.#facts.has('natPmp')) requests.push({ bytes: encodeNatPmpExternalAddressRequest(), to: mapper })
    if (this.#facts.has('upnp')) return requests
    // Some routers answer only a search sent to themselves, others only to the group.
    for (const ip of [this.#gatewayIp, SSDP_MULTICAST_IP]) {
      const host = `${SSDP_MULTICAST_IP}:${SSDP_PORT}`
      for (const target of IGD_SEARCH_TARGETS) {
        requests.push({ bytes: encodeSearch(target, host), to: transportAddress(ip, SSDP_PORT) })
      }
    }
    return requests
  }

  receive(bytes: Uint8Array, from: TransportAddress): void {
    try {
      if (from.port === PCP_SERVER_PORT) this.#receiveMapper(bytes, from)
      else this.#receiveSsdp(bytes, from)
    } catch (error) {
      if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error // anybody on the LAN can send us garbage
    }
  }

  result(): PortMappingPresence {
    return { pcp: this.#fact('pcp'), natPmp: this.#fact('natPmp'), upnp: this.#fact('upnp') }
  }

  #fact(service: Service): PortMappingFact {
    const why = `${this.#gatewayIp} did not answer within ${PORT_MAPPING_TIMEOUT_MS} ms`
    return (
      this.#facts.get(service) ?? { ...inferred('absent', why), gateway: this.#gatewayIp, proven: 'unknown' }
    )
  }

  #receiveMapper(bytes: Uint8Array, from: TransportAddress): void {
    // Only the gateway's own word counts, or any host of the LAN could claim a mapping service.
    if (from.ip !== this.#gatewayIp) return
    if (bytes[0] === 0 && bytes.length >= 12) this.#receiveNatPmp(bytes)
    else this.#receivePcp(bytes)
  }

  #receivePcp(bytes: Uint8Array): void {
    const { version, resultCode } = decodePcpResponse(bytes)
    if (version !== PCP_VERSION) {
      const what = version === 0 ? 'as NAT-PMP does' : `in version ${version} of PCP`
      this.#set('pcp', inferred('absent', `${this.#gatewayIp} answers ${what}, and not in version 2`))
    } else if (resultCode === PCP_RESULT.notAuthorized) {
      this.#set('pcp', measured('refused', `${this.#gatewayIp} answers: not authorized`))
    } else {
      this.#set('pcp', measured('available', `${this.#gatewayIp} answers PCP with result ${resultCode}`))
    }
  }

  #receiveNatPmp(bytes: Uint8Array): void {
    const { resultCode, externalIp } = decodeNatPmpExternalAddress(bytes)
    if (resultCode === NAT_PMP_RESULT.notAuthorized) {
      this.#set('natPmp', measured('refused', `${this.#gatewayIp} answers: not authorized`))
      return
    }
    const isUsable = externalIp !== undefined && ipScope(externalIp) !== 'unspecified'
    const says = isUsable
      ? `its public side is ${externalIp}`
      : `it has no public address (result ${resultCode})`
    this.#set(
      'natPmp',
      measured('available', `${this.#gatewayIp} answers NAT-PMP: ${says}`),
      isUsable ? { externalAddress: externalIp } : {},
    )
  }

  #receiveSsdp(bytes: Uint8Array, from: TransportAddress): void {
    const response = decodeSearchResponse(bytes)
    if (!isInternetGateway(response) || ipScope(from.ip) === 'global') return
    const server = response.server === undefined ? '' : ` (${response.server.slice(0, 80)})`
    this.#set(
      'upnp',
      measured('available', `${from.ip} is an ${response.searchTarget.slice(0, 80)}${server}`),
      { gateway: from.ip }, // which need not be the one that was asked: the group hears the search, too
    )
  }

  #set(
    service: Service,
    fact: Fact<PortMappingValue>,
    extra: { readonly externalAddress?: string; readonly gateway?: string } = {},
  ): void {
    this.#facts.set(service, { ...fact, gateway: this.#gatewayIp, ...extra, proven: 'unknown' })
  }
}
