import { ByteReader } from '../../base/byte-reader.ts'
import { ReachError } from '../../base/errors.ts'
import { bytesToIp } from '../../base/transport-address.ts'

const VERSION = 0
const EXTERNAL_ADDRESS_OPCODE = 0
const RESPONSE_BIT = 0x80

/** RFC 6886 §3.5. Codes beyond these stay numbers. */
export const NAT_PMP_RESULT = {
  success: 0,
  unsupportedVersion: 1,
  notAuthorized: 2,
  networkFailure: 3,
  outOfResources: 4,
  unsupportedOpcode: 5,
} as const

/** What the codes mean, for people; index is the code. */
const MEANINGS = [
  'success',
  'it does not speak this version of NAT-PMP',
  'not allowed by its settings',
  'its own way out is down',
  'it has no room for more mappings',
  'it does not know this kind of request',
] as const

/** What a result means, for people. */
export function natPmpResultMeaning(resultCode: number): string {
  return MEANINGS[resultCode] ?? `result ${resultCode}`
}

/** RFC 6886 §3.2: what the gateway says of its own public side. */
export interface NatPmpExternalAddress {
  readonly resultCode: number
  /** Seconds since the gateway lost its state. */
  readonly epochS: number
  /** Absent when the result is no success. */
  readonly externalIp: string | undefined
}

/** Asks for the external address (RFC 6886 §3.2): version 0 · opcode 0. Changes nothing at the gateway. */
export function encodeNatPmpExternalAddressRequest(): Uint8Array {
  return Uint8Array.of(VERSION, EXTERNAL_ADDRESS_OPCODE)
}

/**
 * version 0 · opcode 128 · 2 B result · 4 B epoch · 4 B external IPv4. Longer is allowed and ignored; a failure may end
 * after the epoch.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodeNatPmpExternalAddress(bytes: Uint8Array): NatPmpExternalAddress {
  const reader = new ByteReader(bytes)
  const version = reader.u8('version')
  const opcode = reader.u8('opcode')
  if (version !== VERSION || opcode !== (EXTERNAL_ADDRESS_OPCODE | RESPONSE_BIT)) {
    throw new ReachError(
      'ERR_REACH_DECODE',
      `version ${version}, opcode ${opcode} is no NAT-PMP external address`,
    )
  }
  const resultCode = reader.u16('result')
  const epochS = reader.u32('epoch')
  if (resultCode !== NAT_PMP_RESULT.success) return { resultCode, epochS, externalIp: undefined }
  return { resultCode, epochS, externalIp: bytesToIp(reader.bytes(4, 'external address')) }
}
