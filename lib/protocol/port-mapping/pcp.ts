import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { ReachError } from '../../base/errors.ts'
import { pcpAddressBytes } from './pcp-address.ts'

/** RFC 6887 §19.1: where PCP and NAT-PMP servers listen, and where clients hear their announcements. */
export const PCP_SERVER_PORT = 5351
export const PCP_CLIENT_PORT = 5350
/** RFC 6887 §14.1.2: to whom servers announce that they have lost their state. */
export const PCP_ANNOUNCE_GROUP = { ipv4: '224.0.0.1', ipv6: 'ff02::1' } as const
/** RFC 6887 §7: the protocol's version, and the bit that marks a response. */
export const PCP_VERSION = 2
const RESPONSE_BIT = 0x80
/** RFC 6887 §19.2. */
export const PCP_OPCODE = { announce: 0, map: 1, peer: 2 } as const
/** RFC 6887 §7.1, §7.2: header of a request and of a response. */
export const PCP_HEADER_LENGTH = 24
/** RFC 6887 §7: no PCP message is longer. */
const MAX_LENGTH = 1100

/** The header that all PCP responses share (RFC 6887 §7.2). */
export interface PcpResponse {
  /** The server's own version; 0 is NAT-PMP refusing PCP (RFC 6887 Appendix A). */
  readonly version: number
  readonly opcode: number
  readonly resultCode: number
  /** Of the mapping; on a failure, how long to wait before asking the same again. */
  readonly lifetimeS: number
  /** Seconds since the server lost its state. */
  readonly epochS: number
}

/** version 2 · opcode · 2 B reserved · 4 B lifetime · 16 B our address, IPv4 as ::ffff:a.b.c.d (RFC 6887 §7.1) */
export function writePcpRequestHeader(
  writer: ByteWriter,
  opcode: number,
  lifetimeS: number,
  clientIp: string,
): void {
  writer.u8(PCP_VERSION).u8(opcode).zeros(2).u32(lifetimeS).bytes(pcpAddressBytes(clientIp))
}

/** ANNOUNCE (RFC 6887 §14.1): asks whether a PCP server is there, and changes nothing. The header alone. */
export function encodePcpAnnounce(clientIp: string): Uint8Array {
  const writer = new ByteWriter(PCP_HEADER_LENGTH)
  writePcpRequestHeader(writer, PCP_OPCODE.announce, 0, clientIp)
  return writer.finish()
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
