import { ReachError } from '../base/errors.ts'
import type { UdpPacket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { EpochCheck } from '../protocol/port-mapping/epoch.ts'
import { ASKING, LOOKING } from '../protocol/port-mapping/gateway-exchange.ts'
import type { MappingGrant, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import type { NatPmpExternalAddress } from '../protocol/port-mapping/nat-pmp.ts'
import {
  NAT_PMP_RESULT,
  decodeNatPmpExternalAddress,
  encodeNatPmpExternalAddressRequest,
  natPmpResultMeaning,
} from '../protocol/port-mapping/nat-pmp.ts'
import type { NatPmpMapRequest, NatPmpMapResponse } from '../protocol/port-mapping/nat-pmp-map.ts'
import { decodeNatPmpMap, encodeNatPmpMap } from '../protocol/port-mapping/nat-pmp-map.ts'
import { PCP_OPCODE, PCP_SERVER_PORT, PCP_VERSION, decodePcpResponse } from '../protocol/port-mapping/pcp.ts'
import { PCP_RESULT } from '../protocol/port-mapping/pcp-result.ts'
import type { AnnouncementHearer } from './announcements.ts'
import { askGateway } from './exchange.ts'
import type { GatewayMapper, MapperFactory, MapperSetup } from './gateway-mapper.ts'
import { refused } from './refusal.ts'

/** Makes a {@link NatPmpMapper}; the protocol knows IPv4 alone. */
export const natPmpMapper: MapperFactory = (setup) =>
  setup.gateway.family === 'ipv4' ? new NatPmpMapper(setup) : undefined

/** The NAT Port Mapping Protocol (RFC 6886) at one gateway. Every answer's epoch is checked (§3.6). */
export class NatPmpMapper implements GatewayMapper, AnnouncementHearer {
  readonly protocol = 'nat-pmp'
  readonly gatewayIp: string
  onReset: (() => void) | undefined
  readonly #setup: MapperSetup
  readonly #server: TransportAddress
  readonly #epoch = new EpochCheck('nat-pmp')
  #externalIp: string | undefined

  constructor(setup: MapperSetup) {
    this.#setup = setup
    this.gatewayIp = setup.gateway.ip
    this.#server = transportAddress(setup.gateway.ip, PCP_SERVER_PORT)
  }

  async prepare(signal?: AbortSignal): Promise<void> {
    const answer = await askGateway(this.#setup.runtime, {
      ...LOOKING,
      ...this.#question(signal),
      request: encodeNatPmpExternalAddressRequest(),
      read: decodeNatPmpExternalAddress,
    })
    this.#learn(answer)
    this.#accept(answer)
  }

  async map(request: MappingRequest, signal?: AbortSignal): Promise<MappingGrant> {
    const { internal, externalPort, lifetimeS } = request
    return this.#grant(internal, externalPort ?? internal.port, lifetimeS, signal)
  }

  renew(
    { internal, externalPort }: MappingGrant,
    lifetimeS: number,
    signal?: AbortSignal,
  ): Promise<MappingGrant> {
    return this.#grant(internal, externalPort, lifetimeS, signal)
  }

  async unmap({ internal }: MappingGrant, signal?: AbortSignal): Promise<void> {
    // RFC 6886 §3.4: lifetime and external port are 0.
    this.#accept(
      await this.#ask(
        { transport: internal.transport, internalPort: internal.port, externalPort: 0, lifetimeS: 0 },
        signal,
      ),
    )
  }

  hear({ bytes, from }: UdpPacket): void {
    if (from.ip !== this.gatewayIp || from.port !== PCP_SERVER_PORT) return
    if (bytes[0] === PCP_VERSION) return this.#hearPcp(bytes)
    const before = this.#externalIp
    const answer = decodeNatPmpExternalAddress(bytes)
    this.#learn(answer)
    const hasMoved = before !== undefined && this.#externalIp !== before
    if (this.#hasReset(answer.epochS) || hasMoved) this.onReset?.()
  }

  /** Servers of both protocols have one epoch, and some (miniupnpd 2.3) announce a restart over PCP alone. */
  #hearPcp(bytes: Uint8Array): void {
    const { opcode, resultCode, epochS } = decodePcpResponse(bytes)
    if (opcode !== PCP_OPCODE.announce || resultCode !== PCP_RESULT.success) return
    if (this.#hasReset(epochS)) this.onReset?.()
  }

  close(): void {
    this.onReset = undefined
  }

  async #grant(
    internal: TransportAddress,
    wantedPort: number,
    lifetimeS: number,
    signal: AbortSignal | undefined,
  ): Promise<MappingGrant> {
    const { transport, port } = internal
    const request = { transport, internalPort: port, externalPort: wantedPort, lifetimeS }
    const refreshing = new AbortController()
    const refresh = this.#refreshExternalIp(refreshing.signal)
    try {
      const answer = await this.#ask(request, signal)
      this.#accept(answer)
      await refresh
      return this.#granted(internal, answer)
    } finally {
      refreshing.abort()
      await refresh
    }
  }

  #granted(internal: TransportAddress, answer: NatPmpMapResponse): MappingGrant {
    const { mapping } = answer
    if (mapping === undefined || mapping.externalPort === 0 || mapping.lifetimeS === 0) {
      const { gatewayIp } = this
      throw refused({
        protocol: 'nat-pmp',
        gatewayIp,
        resultCode: 0,
        meaning: 'it grants a mapping of nothing',
      })
    }
    return {
      protocol: 'nat-pmp',
      gatewayIp: this.gatewayIp,
      internal,
      externalIp: this.#externalIp,
      externalPort: mapping.externalPort,
      lifetimeS: mapping.lifetimeS,
      keep: {},
    }
  }

  /** The answer to a mapping request does not say it, and it may have changed since. Never rejects when aborted. */
  async #refreshExternalIp(signal: AbortSignal): Promise<void> {
    try {
      const answer = await askGateway(this.#setup.runtime, {
        ...ASKING,
        ...this.#question(signal),
        request: encodeNatPmpExternalAddressRequest(),
        read: decodeNatPmpExternalAddress,
      })
      this.#learn(answer)
    } catch (error) {
      // A mapping whose address the gateway does not say can still be proven.
      if (!signal.aborted && !ReachError.is(error)) throw error
    }
  }

  #ask(request: NatPmpMapRequest, signal: AbortSignal | undefined): Promise<NatPmpMapResponse> {
    return askGateway(this.#setup.runtime, {
      ...ASKING,
      ...this.#question(signal),
      request: encodeNatPmpMap(request),
      read: (bytes) => readMapResponse(bytes, request),
    })
  }

  #question(signal: AbortSignal | undefined) {
    return { to: this.#server, clientIp: this.#setup.clientIp, what: 'NAT-PMP', signal }
  }

  #learn({ externalIp }: NatPmpExternalAddress): void {
    if (externalIp !== undefined) this.#externalIp = externalIp
  }

  /** @throws {ReachError} ERR_REACH_MAPPING_REFUSED */
  #accept({ resultCode, epochS }: { readonly resultCode: number; readonly epochS: number }): void {
    if (this.#hasReset(epochS)) this.onReset?.()
    if (resultCode === NAT_PMP_RESULT.success) return
    const meaning = natPmpResultMeaning(resultCode)
    throw refused({ protocol: 'nat-pmp', gatewayIp: this.gatewayIp, resultCode, meaning })
  }

  #hasReset(epochS: number): boolean {
    return this.#epoch.hasReset(epochS, this.#setup.runtime.clock.nowMs())
  }
}

/** Requests have no id: the answer to this one has its opcode and internal port. */
function readMapResponse(
  bytes: Uint8Array,
  { transport, internalPort }: NatPmpMapRequest,
): NatPmpMapResponse | undefined {
  const answer = decodeNatPmpMap(bytes)
  if (answer.transport !== transport) return undefined
  return answer.mapping === undefined || answer.mapping.internalPort === internalPort ? answer : undefined
}
