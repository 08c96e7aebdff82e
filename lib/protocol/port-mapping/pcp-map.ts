import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { ReachError } from '../../base/errors.ts'
import type { Transport, TransportAddress } from '../../base/transport-address.ts'
import { bytesToIp } from '../../base/transport-address.ts'
import {
  PCP_HEADER_LENGTH,
  PCP_OPCODE,
  PCP_VERSION,
  decodePcpResponse,
  writePcpRequestHeader,
} from './pcp.ts'
import type { PcpResponse } from './pcp.ts'
import { anyAddressLike, pcpAddressBytes } from './pcp-address.ts'
import type { PcpOption } from './pcp-option.ts'
import { readPcpOptions, writePcpOption } from './pcp-option.ts'
import { PCP_RESULT } from './pcp-result.ts'

/** RFC 6887 §11.1. */
export const PCP_NONCE_LENGTH = 12
/** IANA's numbers of the transport protocols. */
const PROTOCOL_NUMBER = { udp: 17, tcp: 6 } as const

/** A MAP request (RFC 6887 §11.1). */
export interface PcpMapRequest {
  /** Where the gateway shall send what comes; its IP is the client's address of the header. */
  readonly internal: TransportAddress
  /** Says whose the mapping is. */
  readonly nonce: Uint8Array
  /** 0 removes the mapping. */
  readonly lifetimeS: number
  /** 0: any. */
  readonly externalPort: number
  /** Undefined: any. */
  readonly externalIp?: string | undefined
  readonly options?: readonly PcpOption[]
}

/** A PEER request (RFC 6887 §12.1): what a mapping is, and how long it lives, that an outgoing flow makes. */
export interface PcpPeerRequest extends PcpMapRequest {
  readonly remote: TransportAddress
}

/** What the answer to a MAP or PEER says. On a failure, the fields below are those of the request. */
export interface PcpMapResponse extends PcpResponse {
  readonly mapping:
    | {
        readonly nonce: Uint8Array
        readonly transport: Transport
        readonly internalPort: number
        readonly externalPort: number
        readonly externalIp: string
        /** PEER alone. */
        readonly remote: { readonly ip: string; readonly port: number } | undefined
        readonly options: readonly PcpOption[]
      }
    /** A failure that says no more than its header: NAT-PMP servers, and some that can't read the request. */
    | undefined
}

/** 12 B nonce · protocol · 3 B reserved · 2 B internal port · 2 B suggested port · 16 B suggested address · options. */
export function encodePcpMap(request: PcpMapRequest): Uint8Array {
  const writer = new ByteWriter(PCP_HEADER_LENGTH + 64)
  writeMapping(writer, PCP_OPCODE.map, request)
  for (const option of request.options ?? []) writePcpOption(writer, option)
  return writer.finish()
}

/** As MAP, then before the options 2 B remote port · 2 B reserved · 16 B remote address. */
export function encodePcpPeer(request: PcpPeerRequest): Uint8Array {
  const writer = new ByteWriter(PCP_HEADER_LENGTH + 64)
  writeMapping(writer, PCP_OPCODE.peer, request)
  writer.u16(request.remote.port).u16(0).bytes(pcpAddressBytes(request.remote.ip))
  for (const option of request.options ?? []) writePcpOption(writer, option)
  return writer.finish()
}

function writeMapping(writer: ByteWriter, opcode: number, request: PcpMapRequest): void {
  const { internal, nonce, lifetimeS, externalPort, externalIp = anyAddressLike(internal.ip) } = request
  if (nonce.length !== PCP_NONCE_LENGTH) throw new RangeError(`a nonce has ${PCP_NONCE_LENGTH} bytes`)
  writePcpRequestHeader(writer, opcode, lifetimeS, internal.ip)
  writer.bytes(nonce).u8(PROTOCOL_NUMBER[internal.transport]).zeros(3)
  writer.u16(internal.port).u16(externalPort).bytes(pcpAddressBytes(externalIp))
}

/**
 * Decodes the answer to a MAP or PEER; another opcode is refused.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodePcpMapResponse(bytes: Uint8Array): PcpMapResponse {
  const header = decodePcpResponse(bytes)
  const isFailure = header.resultCode !== PCP_RESULT.success
  if (header.version !== PCP_VERSION) return { ...header, mapping: undefined }
  if (header.opcode !== PCP_OPCODE.map && header.opcode !== PCP_OPCODE.peer)
    throw new ReachError('ERR_REACH_DECODE', `opcode ${header.opcode} is neither MAP nor PEER`)
  if (isFailure && bytes.length === PCP_HEADER_LENGTH) return { ...header, mapping: undefined }
  const reader = new ByteReader(bytes)
  reader.skip(PCP_HEADER_LENGTH, 'header')
  const nonce = Uint8Array.from(reader.bytes(PCP_NONCE_LENGTH, 'nonce'))
  const transport = transportOf(reader.u8('protocol'))
  reader.skip(3, 'reserved')
  const internalPort = reader.u16('internal port')
  const externalPort = reader.u16('external port')
  const externalIp = bytesToIp(reader.bytes(16, 'external address'))
  const remote = header.opcode === PCP_OPCODE.peer ? readRemote(reader) : undefined
  const options = readPcpOptions(reader)
  return {
    ...header,
    mapping: { nonce, transport, internalPort, externalPort, externalIp, remote, options },
  }
}

function readRemote(reader: ByteReader): { readonly ip: string; readonly port: number } {
  const port = reader.u16('remote port')
  reader.skip(2, 'reserved')
  return { ip: bytesToIp(reader.bytes(16, 'remote address')), port }
}

function transportOf(protocol: number): Transport {
  if (protocol === PROTOCOL_NUMBER.udp) return 'udp'
  if (protocol === PROTOCOL_NUMBER.tcp) return 'tcp'
  throw new ReachError('ERR_REACH_DECODE', `protocol ${protocol} is neither UDP nor TCP`)
}
