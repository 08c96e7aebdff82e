import { ByteReader } from '../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../lib/base/byte-writer.ts'
import type { Transport, TransportAddress } from '../../lib/base/transport-address.ts'
import { ipToBytes, sameAddress, transportAddress } from '../../lib/base/transport-address.ts'
import { decodePcpRequest, encodePcpHeader, encodePcpMapResponse } from './pcp-server-codec.ts'

/** What a {@link FakeMappingServer} does; tests change it as they go. */
export interface FakeServerBehavior {
  pcp: boolean
  natPmp: boolean
  /** What it calls its outer address. */
  externalIp: string
  /** Result codes instead of mappings; 0: none. */
  pcpResult: number
  natPmpResult: number
  /** Swallows requests, as if they were lost, until it has swallowed so many. */
  losses: number
  delayMs: number
  /** The port that answers come from. */
  answersFromPort: number
  /** Heeds PREFER_FAILURE (RFC 6887 §13.2), which miniupnpd does not. */
  heedsPreferFailure: boolean
  /** Refuses other nonces (RFC 6887 §11.3), which miniupnpd does not. */
  checksNonce: boolean
  /** Changes answers on their way. */
  spoil: (answer: Uint8Array) => Uint8Array
  /** Grants at most this. */
  maxLifetimeS: number
}

/** A mapping at the server. */
export interface FakeMapping {
  readonly internal: TransportAddress
  readonly externalPort: number
  readonly expiresAtMs: number
  /** Undefined: made over NAT-PMP. */
  readonly nonce: string | undefined
}

/** An answer that is due after a while. */
export interface FakeAnswer {
  readonly bytes: Uint8Array
  readonly delayMs: number
  readonly fromPort: number
}

const PORT = 5351
const NAT_PMP_UNSUPPORTED_VERSION = 1
const PCP = {
  unsupportedOpcode: 4,
  cannotProvideExternal: 11,
  notAuthorized: 2,
  addressMismatch: 12,
} as const

/**
 * A gateway's server for PCP and NAT-PMP with one table for both, as real ones have; it knows no socket. For what
 * miniupnpd can't be made to do.
 */
export class FakeMappingServer {
  readonly ip: string
  readonly behavior: FakeServerBehavior
  /** What came in, as `pcp-announce`, `pcp-map`, `pcp-unmap`, `nat-pmp-address`, `nat-pmp-map`, `nat-pmp-unmap`. */
  readonly heard: string[] = []
  readonly #nowMs: () => number
  #mappings: FakeMapping[] = []
  #epochStartMs: number

  constructor(ip: string, nowMs: () => number, behavior: Partial<FakeServerBehavior> = {}) {
    this.ip = ip
    this.#nowMs = nowMs
    // It has been up for an hour.
    this.#epochStartMs = nowMs() - 3_600_000
    this.behavior = {
      pcp: true,
      natPmp: true,
      externalIp: ip.includes(':') ? '2001:db8::1' : '203.0.113.50',
      pcpResult: 0,
      natPmpResult: 0,
      losses: 0,
      delayMs: 1,
      answersFromPort: PORT,
      heedsPreferFailure: false,
      checksNonce: true,
      spoil: (answer) => answer,
      maxLifetimeS: 86_400,
      ...behavior,
    }
  }

  /** Those that have not expired. */
  get mappings(): readonly FakeMapping[] {
    return this.#mappings.filter(({ expiresAtMs }) => expiresAtMs > this.#nowMs())
  }

  /** Somebody else's mapping takes a port. */
  occupy(externalPort: number, transport: Transport = 'tcp', internalIp = '192.168.1.99'): void {
    const internal = transportAddress(internalIp, 1, transport)
    this.#mappings.push({ internal, externalPort, expiresAtMs: Infinity, nonce: 'somebody else' })
  }

  /** Loses its state; answers what it announces to the group then (RFC 6887 §14.1.2, RFC 6886 §3.2.1). */
  restart(): readonly Uint8Array[] {
    this.#mappings = []
    this.#epochStartMs = this.#nowMs()
    return this.announcements()
  }

  /** What it announces at any time. */
  announcements(): readonly Uint8Array[] {
    const { pcp, natPmp } = this.behavior
    return [
      ...(natPmp && !this.ip.includes(':') ? [this.#natPmpAddress(0)] : []),
      ...(pcp ? [encodePcpHeader(0, 0, 0, this.#epochS).finish()] : []),
    ]
  }

  /** Its answers to a packet. */
  receive(bytes: Uint8Array, from: TransportAddress): readonly FakeAnswer[] {
    const { behavior } = this
    const answer = bytes[0] === 0 ? this.#answerNatPmp(bytes, from) : this.#answerPcp(bytes, from)
    if (answer === undefined) return []
    if (behavior.losses > 0) {
      behavior.losses--
      return []
    }
    const { delayMs, answersFromPort } = behavior
    return [{ bytes: behavior.spoil(answer), delayMs, fromPort: answersFromPort }]
  }

  get #epochS(): number {
    return Math.floor((this.#nowMs() - this.#epochStartMs) / 1_000)
  }

  #answerPcp(bytes: Uint8Array, from: TransportAddress): Uint8Array | undefined {
    const { pcp, natPmp, pcpResult, checksNonce } = this.behavior
    const request = decodePcpRequest(bytes)
    if (request === undefined) return undefined
    this.heard.push(
      request.map === undefined ? 'pcp-announce' : request.lifetimeS === 0 ? 'pcp-unmap' : 'pcp-map',
    )
    if (!pcp) return natPmp ? this.#natPmpVersionError() : undefined
    const epochS = this.#epochS
    if (request.map === undefined) return encodePcpHeader(request.opcode, 0, 0, epochS).finish()
    const { nonce, internal, externalPort, prefersFailure } = request.map
    const refuse = (resultCode: number) =>
      encodePcpMapResponse({
        ...{ resultCode, lifetimeS: 30, epochS, nonce, internal, externalPort },
        externalIp: this.behavior.externalIp,
      })
    if (pcpResult !== 0) return refuse(pcpResult)
    if (request.clientIp !== from.ip.replace(/%.*/u, '')) return refuse(PCP.addressMismatch)
    const hex = Buffer.from(nonce).toString('hex')
    const own = this.#find(internal)
    if (checksNonce && own?.nonce !== undefined && own.nonce !== hex) return refuse(PCP.notAuthorized)
    if (request.lifetimeS === 0) {
      this.#drop(internal)
      return encodePcpMapResponse({
        ...{ resultCode: 0, lifetimeS: 0, epochS, nonce, internal, externalPort: 0 },
        externalIp: this.behavior.externalIp,
      })
    }
    const granted = own?.externalPort ?? this.#freePort(externalPort, internal)
    if (prefersFailure && this.behavior.heedsPreferFailure && granted !== externalPort)
      return refuse(PCP.cannotProvideExternal)
    const lifetimeS = this.#keep(internal, granted, request.lifetimeS, hex)
    const externalIp = internal.family === 'ipv6' ? internal.ip : this.behavior.externalIp
    return encodePcpMapResponse({
      ...{ resultCode: 0, lifetimeS, epochS, nonce, internal, externalPort: granted, externalIp },
    })
  }

  #answerNatPmp(bytes: Uint8Array, from: TransportAddress): Uint8Array | undefined {
    const { natPmp, natPmpResult } = this.behavior
    const reader = new ByteReader(bytes)
    reader.skip(1, 'version')
    const opcode = reader.u8('opcode')
    if (opcode === 0) {
      this.heard.push('nat-pmp-address')
      return natPmp ? this.#natPmpAddress(natPmpResult) : undefined
    }
    reader.skip(2, 'reserved')
    const internal = transportAddress(from.ip, reader.u16('internal'), opcode === 2 ? 'tcp' : 'udp')
    const wanted = reader.u16('external')
    const lifetimeS = reader.u32('lifetime')
    this.heard.push(lifetimeS === 0 ? 'nat-pmp-unmap' : 'nat-pmp-map')
    if (!natPmp) return undefined
    let port = 0
    let grantedS = 0
    if (natPmpResult === 0 && lifetimeS === 0) this.#drop(internal)
    else if (natPmpResult === 0) {
      port = this.#find(internal)?.externalPort ?? this.#freePort(wanted, internal)
      grantedS = this.#keep(internal, port, lifetimeS, undefined)
    }
    return new ByteWriter(16)
      .u8(0)
      .u8(0x80 | opcode)
      .u16(natPmpResult)
      .u32(this.#epochS)
      .u16(internal.port)
      .u16(port)
      .u32(grantedS)
      .finish()
  }

  #natPmpAddress(resultCode: number): Uint8Array {
    const header = new ByteWriter(12).u8(0).u8(0x80).u16(resultCode).u32(this.#epochS)
    return header.bytes(ipToBytes(this.behavior.externalIp)).finish()
  }

  /** RFC 6886 §3.5. */
  #natPmpVersionError(): Uint8Array {
    return new ByteWriter(8).u8(0).u8(0x80).u16(NAT_PMP_UNSUPPORTED_VERSION).u32(this.#epochS).finish()
  }

  #find(internal: TransportAddress): FakeMapping | undefined {
    return this.mappings.find((mapping) => sameAddress(mapping.internal, internal))
  }

  #freePort(wanted: number, { transport }: TransportAddress): number {
    const taken = new Set(
      this.mappings.filter(({ internal }) => internal.transport === transport).map((one) => one.externalPort),
    )
    let port = wanted === 0 ? 40_000 : wanted
    while (taken.has(port)) port++
    return port
  }

  #keep(
    internal: TransportAddress,
    externalPort: number,
    wantedS: number,
    nonce: string | undefined,
  ): number {
    const lifetimeS = Math.min(wantedS, this.behavior.maxLifetimeS)
    this.#drop(internal)
    this.#mappings.push({ internal, externalPort, expiresAtMs: this.#nowMs() + lifetimeS * 1_000, nonce })
    return lifetimeS
  }

  #drop(internal: TransportAddress): void {
    this.#mappings = this.#mappings.filter((mapping) => !sameAddress(mapping.internal, internal))
  }
}
