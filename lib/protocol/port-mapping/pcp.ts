import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { ipToBytes } from '../../base/transport-address.ts'
import { ReachError } from '../../base/errors.ts'

/** RFC 6887 §19.1: where PCP and NAT-PMP servers listen. */
export const PCP_SERVER_PORT = 5351
/** RFC 6887 §7: the protocol's version, and the bit that marks a response. */
export const PCP_VERSION = 2
const RESPONSE_BIT = 0x80
/** RFC 6887 §14.1. */
const ANNOUNCE_OPCODE = 0
/** RFC 6887 §7.1, §7.2: header of a request and of a response. */
const HEADER_LENGTH = 24
/** RFC 6887 §7: no PCP message is longer. */
const MAX_LENGTH = 1100

/** RFC 6887 §7.4. Codes beyond these stay numbers. */
export const PCP_RESULT = { success: 0, unsupportedVersion: 1, notAuthorized: 2 } as const

/** The header that all PCP responses share (RFC 6887 §7.2). */
export interface PcpResponse {
  /** The server's own version; 0 is NAT-PMP refusing PCP (RFC 6887 Appendix A). */
  readonly version: number
  readonly opcode: number
  readonly resultCode: number
  readonly lifetimeS: number
  /** Seconds since the server lost its state. */
  readonly epochS: number
}

/**
 * ANNOUNCE (RFC 6887 §14.1): asks whether a PCP server is there, and changes nothing.
 * version 2 · opcode 0 · 2 B reserved · 4 B lifetime 0 · 16 B our address, IPv4 as ::ffff:a.b.c.d
 */
export function encodePcpAnnounce(clientIp: string): Uint8Array {
  const writer = new ByteWriter(HEADER_LENGTH).u8(PCP_VERSION).u8(ANNOUNCE_OPCODE).zeros(6)
  const ip = ipToBytes(clientIp.split('%')[0] ?? clientIp)
  if (ip.length === 4) writer.zeros(10).u16(0xffff)
  return writer.bytes(ip).finish()
}

/**
 * Decodes the header of a response: version · R + opcode · reserved · result · 4 B lifetime · 4 B epoch · 12 B reserved.
 * NAT-PMP servers answer PCP requests with 8 bytes of their own: version 0, result 1. Longer is allowed.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function decodePcpResponse(bytes: Uint8Array): PcpResponse {
  if (bytes.length > MAX_LENGTH)
    throw new ReachError('ERR_REACH_DECODE', `${bytes.length} bytes are too long for PCP`)
  const reader = new ByteReader(bytes)
  const version = reader.u8('version')
  const opcode = reader.u8('opcode')
  if ((opcode & RESPONSE_BIT) === 0) throw new ReachError('ERR_REACH_DECODE', 'not a PCP response')
  if (version !== PCP_VERSION) {
    const resultCode = reader.u16('result')
    return { version, opcode: opcode & ~RESPONSE_BIT, resultCode, lifetimeS: 0, epochS: reader.u32('epoch') }
  }
  reader.skip(1, 'reserved')
  const resultCode = reader.u8('result')
  const lifetimeS = reader.u32('lifetime')
  const epochS = reader.u32('epoch')
  reader.skip(12, 'reserved')
  return { version, opcode: opcode & ~RESPONSE_BIT, resultCode, lifetimeS, epochS }
}
