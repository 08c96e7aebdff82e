import type { ByteReader } from '../../base/byte-reader.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import { ReachError } from '../../base/errors.ts'
import { bytesToIp } from '../../base/transport-address.ts'
import { pcpAddressBytes } from './pcp-address.ts'

/** RFC 6887 §13. THIRD_PARTY is here so that it is recognised and refused: this host asks for itself alone. */
export const PCP_OPTION = { thirdParty: 1, preferFailure: 2, filter: 3 } as const

/** RFC 6887 §13.3: reserved · prefix length · 2 B port · 16 B address. */
const FILTER_LENGTH = 20
const BITS_BEFORE_IPV4 = 96

/** An option of a MAP request or of its answer. */
export type PcpOption =
  /** RFC 6887 §13.2: rather no mapping than another external port. */
  | { readonly kind: 'prefer-failure' }
  /**
   * RFC 6887 §13.3: only packets from this prefix and port may come in. Port 0: any. A prefix of length 0 removes all
   * filters. Several servers accept it and let everybody in all the same.
   */
  | { readonly kind: 'filter'; readonly ip: string; readonly prefixLength: number; readonly port: number }
  /** One that a server may add and we don't know. */
  | { readonly kind: 'other'; readonly code: number; readonly data: Uint8Array }

/** Writes code · reserved · 2 B length · data · padding to 4 bytes (RFC 6887 §7.3). */
export function writePcpOption(writer: ByteWriter, option: PcpOption): void {
  switch (option.kind) {
    case 'prefer-failure':
      writer.u8(PCP_OPTION.preferFailure).u8(0).u16(0)
      return
    case 'filter': {
      const isIpv4 = !option.ip.includes(':')
      const prefixLength = option.prefixLength + (isIpv4 ? BITS_BEFORE_IPV4 : 0)
      writer.u8(PCP_OPTION.filter).u8(0).u16(FILTER_LENGTH)
      writer.u8(0).u8(prefixLength).u16(option.port).bytes(pcpAddressBytes(option.ip))
      return
    }
    case 'other':
      if (option.code === PCP_OPTION.thirdParty) throw new RangeError('THIRD_PARTY is never sent')
      writer.u8(option.code).u8(0).u16(option.data.length)
      writer.bytes(option.data).zeros(paddingAfter(option.data.length))
  }
}

/**
 * Reads all options to the end of the message.
 * @throws {ReachError} ERR_REACH_DECODE; also for THIRD_PARTY, which nobody has asked for: such a mapping is not ours
 */
export function readPcpOptions(reader: ByteReader): readonly PcpOption[] {
  const options: PcpOption[] = []
  while (reader.remaining >= 4) {
    const code = reader.u8('option code')
    reader.skip(1, 'reserved')
    const data = reader.bytes(reader.u16('option length'), 'option')
    // Padding is missing where a server forgot it at the end.
    reader.skip(Math.min(paddingAfter(data.length), reader.remaining), 'padding')
    options.push(optionOf(code, data))
  }
  return options
}

function optionOf(code: number, data: Uint8Array): PcpOption {
  switch (code) {
    case PCP_OPTION.thirdParty:
      throw new ReachError('ERR_REACH_DECODE', 'THIRD_PARTY in an answer to a request without it')
    case PCP_OPTION.preferFailure:
      return { kind: 'prefer-failure' }
    case PCP_OPTION.filter:
      return filterOf(data)
    default:
      return { kind: 'other', code, data: Uint8Array.from(data) }
  }
}

function filterOf(data: Uint8Array): PcpOption {
  if (data.length !== FILTER_LENGTH)
    throw new ReachError('ERR_REACH_DECODE', `FILTER has ${data.length} bytes, not ${FILTER_LENGTH}`)
  const ip = bytesToIp(data.subarray(4))
  const onWire = data[1] ?? 0
  // `::ffff:0:0/0` is "remove all filters" in IPv4 too, written without the 96 bits by some.
  const prefixLength = ip.includes(':') ? onWire : Math.max(0, onWire - BITS_BEFORE_IPV4)
  if (onWire > 128) throw new ReachError('ERR_REACH_DECODE', `FILTER has a prefix of ${onWire} bits`)
  return { kind: 'filter', ip, prefixLength, port: ((data[2] ?? 0) << 8) | (data[3] ?? 0) }
}

function paddingAfter(length: number): number {
  return (4 - (length % 4)) % 4
}
