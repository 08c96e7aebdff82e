import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'

/** Flow 0 is the carrier itself: no stream has that id. */
export const CARRIER_FLOW = 0

/** What sides tell each other of a carrier: `type u8 · id u32 · padding`. A ping is answered by a pong with its id. */
export interface CarrierProbe {
  readonly type: 'ping' | 'pong'
  readonly id: number
}

const PING = 1
const PONG = 2
/** Without padding. */
export const PROBE_LENGTH = 5

/** @param length with padding, at least {@link PROBE_LENGTH} */
export function encodeProbe({ type, id }: CarrierProbe, length = PROBE_LENGTH): Uint8Array {
  const writer = new ByteWriter(length).u8(type === 'ping' ? PING : PONG).u32(id)
  return writer.zeros(length - PROBE_LENGTH).finish()
}

/** Undefined for what is not known: of a later version. */
export function decodeProbe(bytes: Uint8Array): CarrierProbe | undefined {
  if (bytes.length < PROBE_LENGTH) return undefined
  const reader = new ByteReader(bytes)
  const type = reader.u8('type')
  const id = reader.u32('id')
  if (type === PING) return { type: 'ping', id }
  return type === PONG ? { type: 'pong', id } : undefined
}
