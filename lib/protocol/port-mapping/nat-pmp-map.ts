import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { ReachError } from '../../base/errors.ts'
import type { Transport } from '../../base/transport-address.ts'
import { NAT_PMP_RESULT } from './nat-pmp.ts'

const VERSION = 0
const RESPONSE_BIT = 0x80
/** RFC 6886 §3.3. */
const MAP_OPCODE = { udp: 1, tcp: 2 } as const
/** RFC 6886 §3.5: version · opcode · result · epoch. */
const FAILURE_LENGTH = 8

/** Asks for a mapping (RFC 6886 §3.3), or removes it (§3.4). */
export interface NatPmpMapRequest {
  readonly transport: Transport
  readonly internalPort: number
  /** 0: any; also when a mapping is removed. */
  readonly externalPort: number
  /** 0 removes the mapping. */
  readonly lifetimeS: number
}

/** What the gateway answers. */
export interface NatPmpMapResponse {
  readonly transport: Transport
  readonly resultCode: number
  /** Seconds since the gateway lost its state. */
  readonly epochS: number
  /** Absent in a failure that ends after the epoch. */
  readonly mapping:
    { readonly internalPort: number; readonly externalPort: number; readonly lifetimeS: number } | undefined
}

/** version 0 · opcode 1 (UDP) or 2 (TCP) · 2 B reserved · 2 B internal port · 2 B suggested port · 4 B lifetime */
export function encodeNatPmpMap(request: NatPmpMapRequest): Uint8Array {
  return new ByteWriter(12)
    .u8(VERSION)
    .u8(MAP_OPCODE[request.transport])
    .zeros(2)
    .u16(request.internalPort)
    .u16(request.externalPort)
    .u32(request.lifetimeS)
    .finish()
}

/**
 * version 0 · opcode 129 or 130 · 2 B result · 4 B epoch · 2 B internal port · 2 B external port · 4 B lifetime. Longer is
 * allowed and ignored.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeNatPmpMap(bytes: Uint8Array): NatPmpMapResponse {
  const reader = new ByteReader(bytes)
  const version = reader.u8('version')
  const transport = transportOf(reader.u8('opcode'))
  if (version !== VERSION || transport === undefined)
    throw new ReachError('ERR_REACH_DECODE', 'no answer to a NAT-PMP mapping request')
  const resultCode = reader.u16('result')
  const epochS = reader.u32('epoch')
  if (resultCode !== NAT_PMP_RESULT.success && bytes.length === FAILURE_LENGTH)
    return { transport, resultCode, epochS, mapping: undefined }
  const mapping = {
    internalPort: reader.u16('internal port'),
    externalPort: reader.u16('external port'),
    lifetimeS: reader.u32('lifetime'),
  }
  return { transport, resultCode, epochS, mapping }
}

function transportOf(opcode: number): Transport | undefined {
  if (opcode === (MAP_OPCODE.udp | RESPONSE_BIT)) return 'udp'
  return opcode === (MAP_OPCODE.tcp | RESPONSE_BIT) ? 'tcp' : undefined
}
