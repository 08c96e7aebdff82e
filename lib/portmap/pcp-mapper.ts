import { ReachError } from '../base/errors.ts'
import { sameBytes } from '../base/same-bytes.ts'
import type { UdpPacket } from '../base/runtime.ts'
import { transportAddress } from '../base/transport-address.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { EpochCheck } from '../protocol/port-mapping/epoch.ts'
import { ASKING, LOOKING } from '../protocol/port-mapping/gateway-exchange.ts'
import type { MappingGrant, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import type { PcpResponse } from '../protocol/port-mapping/pcp.ts'
import {
  PCP_OPCODE,
  PCP_SERVER_PORT,
  PCP_VERSION,
  decodePcpResponse,
  encodePcpAnnounce,
} from '../protocol/port-mapping/pcp.ts'
import type { PcpMapRequest, PcpMapResponse } from '../protocol/port-mapping/pcp-map.ts'
import { decodePcpMapResponse, encodePcpMap } from '../protocol/port-mapping/pcp-map.ts'
import { PCP_RESULT, pcpResultMeaning } from '../protocol/port-mapping/pcp-result.ts'
import type { AnnouncementHearer } from './announcements.ts'
import { askGateway } from './exchange.ts'
import type { GatewayMapper, MapperFactory, MapperSetup } from './gateway-mapper.ts'
import { refused } from './refusal.ts'

/** Makes a {@link PcpMapper}. */
export const pcpMapper: MapperFactory = (setup) => new PcpMapper(setup)

/**
 * The Port Control Protocol (RFC 6887) at one gateway: mappings over IPv4, pinholes over IPv6. Every answer's epoch is
 * checked (§8.5).
 */
export class PcpMapper implements GatewayMapper, AnnouncementHearer {
  readonly protocol = 'pcp'
  readonly gatewayIp: string
  onReset: (() => void) | undefined
  readonly #setup: MapperSetup
  readonly #server: TransportAddress
  readonly #epoch = new EpochCheck('pcp')

  constructor(setup: MapperSetup) {
    this.#setup = setup
    this.gatewayIp = setup.gateway.ip
    this.#server = transportAddress(setup.gateway.ip, PCP_SERVER_PORT)
  }

  async prepare(signal?: AbortSignal): Promise<void> {
    const { runtime, clientIp } = this.#setup
    const answer = await askGateway(runtime, {
      ...LOOKING,
      ...this.#question(signal),
      request: encodePcpAnnounce(clientIp),
      read: readAnnouncement,
    })
    // One that knows MAP and not ANNOUNCE is there all the same.
    if (answer.version === PCP_VERSION && answer.resultCode === PCP_RESULT.unsupportedOpcode) return
    this.#accept(answer)
  }

  async map(request: MappingRequest, signal?: AbortSignal): Promise<MappingGrant> {
    const { internal, externalPort, acceptsOtherPort, lifetimeS, nonce } = request
    const asked: PcpMapRequest = {
      internal,
      nonce: nonceBytes(nonce),
      lifetimeS,
      // Any: the same number, where it is free, is what people expect to see.
      externalPort: externalPort ?? internal.port,
    }
    if (externalPort === undefined || acceptsOtherPort) return this.#grant(asked, nonce, signal)
    try {
      return await this.#grant({ ...asked, options: [{ kind: 'prefer-failure' }] }, nonce, signal)
    } catch (error) {
      if (!isUnsupportedOption(error)) throw error
      return this.#grant(asked, nonce, signal) // whoever asked looks at the port that was granted
    }
  }

  renew(grant: MappingGrant, lifetimeS: number, signal?: AbortSignal): Promise<MappingGrant> {
    const { internal, externalPort, externalIp, keep } = grant
    const nonce = keep.nonce ?? ''
    // RFC 6887 §11.2.1: the same nonce, and what was assigned as what is suggested.
    return this.#grant(
      { internal, nonce: nonceBytes(nonce), lifetimeS, externalPort, externalIp },
      nonce,
      signal,
    )
  }

  async unmap({ internal, keep }: MappingGrant, signal?: AbortSignal): Promise<void> {
    const nonce = nonceBytes(keep.nonce ?? '')
    const answer = await this.#ask({ internal, nonce, lifetimeS: 0, externalPort: 0 }, signal)
    this.#accept(answer)
  }

  hear({ bytes, from }: UdpPacket): void {
    if (from.ip !== this.gatewayIp || from.port !== PCP_SERVER_PORT) return
    const { version, opcode, resultCode, epochS } = decodePcpResponse(bytes)
    if (version !== PCP_VERSION || opcode !== PCP_OPCODE.announce || resultCode !== PCP_RESULT.success) return
    this.#observe(epochS)
  }

  close(): void {
    this.onReset = undefined
  }

  async #grant(
    request: PcpMapRequest,
    nonce: string,
    signal: AbortSignal | undefined,
  ): Promise<MappingGrant> {
    const answer = await this.#ask(request, signal)
    this.#accept(answer)
    const { mapping, lifetimeS } = answer
    if (mapping === undefined || mapping.externalPort === 0 || lifetimeS === 0) {
      const { gatewayIp } = this
      throw refused({ protocol: 'pcp', gatewayIp, resultCode: 0, meaning: 'it grants a mapping of nothing' })
    }
    return {
      protocol: 'pcp',
      gatewayIp: this.gatewayIp,
      internal: request.internal,
      externalIp: mapping.externalIp,
      externalPort: mapping.externalPort,
      lifetimeS,
      keep: { nonce },
    }
  }

  #ask(request: PcpMapRequest, signal: AbortSignal | undefined): Promise<PcpMapResponse> {
    return askGateway(this.#setup.runtime, {
      ...ASKING,
      ...this.#question(signal),
      request: encodePcpMap(request),
      read: (bytes) => readMapResponse(bytes, request),
    })
  }

  #question(signal: AbortSignal | undefined) {
    return { to: this.#server, clientIp: this.#setup.clientIp, what: 'PCP', signal }
  }

  /** @throws {ReachError} ERR_REACH_MAPPING_REFUSED */
  #accept({ version, resultCode, epochS }: PcpResponse): void {
    const { gatewayIp } = this
    if (version !== PCP_VERSION)
      throw refused({ protocol: 'pcp', gatewayIp, resultCode, meaning: `it speaks version ${version}` })
    this.#observe(epochS)
    if (resultCode !== PCP_RESULT.success)
      throw refused({ protocol: 'pcp', gatewayIp, resultCode, meaning: pcpResultMeaning(resultCode) })
  }

  #observe(epochS: number): void {
    if (this.#epoch.hasReset(epochS, this.#setup.runtime.clock.nowMs())) this.onReset?.()
  }
}

/** NAT-PMP servers answer with their own version (RFC 6887 Appendix A); answers to MAP are not for this question. */
function readAnnouncement(bytes: Uint8Array): PcpResponse | undefined {
  const answer = decodePcpResponse(bytes)
  return answer.version !== PCP_VERSION || answer.opcode === PCP_OPCODE.announce ? answer : undefined
}

/** RFC 6887 §11.4: the answer to this request has its nonce, protocol and internal port. */
function readMapResponse(bytes: Uint8Array, { internal, nonce }: PcpMapRequest): PcpMapResponse | undefined {
  const answer = decodePcpMapResponse(bytes)
  const { mapping } = answer
  if (answer.version === PCP_VERSION && answer.opcode !== PCP_OPCODE.map) return undefined
  if (mapping === undefined) return answer
  const isOurs =
    sameBytes(mapping.nonce, nonce) &&
    mapping.transport === internal.transport &&
    mapping.internalPort === internal.port
  return isOurs ? answer : undefined
}

function isUnsupportedOption(error: unknown): boolean {
  if (!ReachError.is(error, 'ERR_REACH_MAPPING_REFUSED')) return false
  return error.details.resultCode === PCP_RESULT.unsupportedOption
}

function nonceBytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
