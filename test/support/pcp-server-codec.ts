import { ByteReader } from '../../lib/base/byte-reader.ts'
import { ByteWriter } from '../../lib/base/byte-writer.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { bytesToIp, transportAddress } from '../../lib/base/transport-address.ts'
import { pcpAddressBytes } from '../../lib/protocol/port-mapping/pcp-address.ts'

/** A PCP request as a server reads it (RFC 6887 §7.1, §11.1). */
export interface PcpRequestRead {
  readonly opcode: number
  readonly lifetimeS: number
  readonly clientIp: string
  /** MAP alone. */
  readonly map:
    | {
        readonly nonce: Uint8Array
        readonly internal: TransportAddress
        readonly externalPort: number
        readonly prefersFailure: boolean
      }
    | undefined
}

/** What a server answers to MAP. */
export interface PcpMapAnswer {
  readonly resultCode: number
  readonly lifetimeS: number
  readonly epochS: number
  readonly nonce: Uint8Array
  readonly internal: TransportAddress
  readonly externalPort: number
  readonly externalIp: string
}

const MAP = 1
const PREFER_FAILURE = 2

/** Undefined for another version of the protocol. */
export function decodePcpRequest(bytes: Uint8Array): PcpRequestRead | undefined {
  const reader = new ByteReader(bytes)
  if (reader.u8('version') !== 2) return undefined
  const opcode = reader.u8('opcode')
  reader.skip(2, 'reserved')
  const lifetimeS = reader.u32('lifetime')
  const clientIp = bytesToIp(reader.bytes(16, 'client'))
  if (opcode !== MAP) return { opcode, lifetimeS, clientIp, map: undefined }
  const nonce = Uint8Array.from(reader.bytes(12, 'nonce'))
  const transport = reader.u8('protocol') === 6 ? 'tcp' : 'udp'
  reader.skip(3, 'reserved')
  const internal = transportAddress(clientIp, reader.u16('internal port'), transport)
  const externalPort = reader.u16('external port')
  reader.skip(16, 'external address')
  const prefersFailure = reader.remaining > 0 && reader.u8('option') === PREFER_FAILURE
  return { opcode, lifetimeS, clientIp, map: { nonce, internal, externalPort, prefersFailure } }
}

/** RFC 6887 §7.2, for any opcode. */
export function encodePcpHeader(
  opcode: number,
  resultCode: number,
  lifetimeS: number,
  epochS: number,
): ByteWriter {
  return new ByteWriter(60)
    .u8(2)
    .u8(0x80 | opcode)
    .u8(0)
    .u8(resultCode)
    .u32(lifetimeS)
    .u32(epochS)
    .zeros(12)
}

/** RFC 6887 §11.1. */
export function encodePcpMapResponse(answer: PcpMapAnswer): Uint8Array {
  const { resultCode, lifetimeS, epochS, nonce, internal, externalPort, externalIp } = answer
  return encodePcpHeader(MAP, resultCode, lifetimeS, epochS)
    .bytes(nonce)
    .u8(internal.transport === 'tcp' ? 6 : 17)
    .zeros(3)
    .u16(internal.port)
    .u16(externalPort)
    .bytes(pcpAddressBytes(externalIp))
    .finish()
}
