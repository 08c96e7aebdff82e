import { ReachError } from '../../base/errors.ts'

/**
 * Every frame starts with these 12 bytes (hashicorp/yamux spec.md, "Framing"):
 * 1 B version · 1 B type · 2 B flags · 4 B stream id · 4 B length. Only a data frame has more bytes behind it: `length`
 * of them. In the others the length field is a number: window delta, ping value, go away code.
 */
export const FRAME_HEADER_LENGTH = 12

/** spec.md, "Version Field". */
export const FRAME_VERSION = 0

/** spec.md, "Type Field". */
export const FRAME_TYPES = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const

/** spec.md, "Flag Field": a stream begins, is acknowledged, its sender ends, it is torn down. */
export const FRAME_FLAGS = { syn: 1, ack: 2, fin: 4, rst: 8 } as const

/** spec.md, "StreamID Field": the session itself. */
export const SESSION_STREAM_ID = 0

/** spec.md, "StreamID Field": 32 bits. */
export const MAX_STREAM_ID = 0xffff_ffff

/** spec.md, "Flow Control": what each side may send on a new stream, in bytes. Both take it for granted. */
export const INITIAL_WINDOW = 256 * 1024

/** The length field of a window update has 32 bits, and other implementations count windows in such a number. */
export const MAX_WINDOW = 0xffff_ffff

/** A frame without its payload. */
export interface FrameHeader {
  /** One of {@link FRAME_TYPES}. */
  readonly type: number
  /** {@link FRAME_FLAGS}, added. */
  readonly flags: number
  readonly streamId: number
  /** Data: bytes that follow. Window update: bytes more; with RST, why. Ping: to be echoed. Go away: a code. */
  readonly length: number
}

const { syn: SYN, ack: ACK, fin: FIN, rst: RST } = FRAME_FLAGS

/**
 * Reads a header. Headers that can mean nothing are refused here; whether one fits the state of its stream is for the
 * session to say.
 * @throws {ReachError} ERR_REACH_DECODE for an unknown version, type or flag, flags that contradict each other, a stream
 * id that does not go with the type, or fewer than 12 bytes
 */
export function decodeFrameHeader(bytes: Uint8Array, at = 0): FrameHeader {
  if (bytes.length - at < FRAME_HEADER_LENGTH) throw malformed('header', bytes.length - at)
  if (bytes[at] !== FRAME_VERSION) throw malformed('version', bytes[at])
  const flags = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
  const header = { type: bytes[at + 1] ?? 0, flags, streamId: u32(bytes, at + 4), length: u32(bytes, at + 8) }
  const { type, streamId } = header
  if (type > FRAME_TYPES.goAway) throw malformed('type', type)
  if (!areFlagsAllowed(type, flags)) throw malformed('flags', flags)
  const isOfSession = type >= FRAME_TYPES.ping
  if (isOfSession !== (streamId === SESSION_STREAM_ID)) throw malformed('stream id', streamId)
  return header
}

/** Writes a header's 12 bytes. @throws {RangeError} when they do not fit in front of the end */
export function encodeFrameHeader(header: FrameHeader, into: DataView, at = 0): void {
  into.setUint32(at, header.type * 0x1_0000 + header.flags)
  into.setUint32(at + 4, header.streamId)
  into.setUint32(at + 8, header.length)
}

/**
 * Of a stream's flags SYN goes with FIN only, and RST with ACK only; the specification leaves it open, and no
 * implementation that we know sends others. A ping is a question (SYN) or an answer (ACK).
 */
function areFlagsAllowed(type: number, flags: number): boolean {
  if (type === FRAME_TYPES.ping) return flags === SYN || flags === ACK
  if (type === FRAME_TYPES.goAway) return flags === 0
  if (flags > (SYN | ACK | FIN | RST)) return false
  if ((flags & SYN) !== 0) return (flags & (ACK | RST)) === 0
  return (flags & RST) === 0 || (flags & FIN) === 0
}

function u32(bytes: Uint8Array, at: number): number {
  const upper = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const lower = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
  return upper * 0x1_0000 + lower
}

function malformed(field: string, value: number | undefined): ReachError {
  return new ReachError('ERR_REACH_DECODE', `no frame has ${field} ${value ?? 'missing'}`, {
    details: { field, value },
  })
}
