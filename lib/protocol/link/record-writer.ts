import { copyTo, viewOf } from '../../base/byte-views.ts'
import { DATA_HEADER_LENGTH, OFFSET_LENGTH, RECORD_TYPES } from './record-type.ts'
import { lowerHalf, upperHalf } from './offset.ts'

/** Ours: bytes in front of payloads are carved out of blocks of this length: one allocation for some 300 records. */
const SLAB_LENGTH = 4 * 1024

/**
 * Writes records into blocks that are used once, from front to back: a view that was taken is never written again, so
 * a socket may keep it for as long as it likes. For headers and small records; payloads travel beside it by reference.
 */
export class RecordWriter {
  #slab = new Uint8Array(SLAB_LENGTH)
  #view = new DataView(this.#slab.buffer)
  #start = 0
  #end = 0

  /** Bytes written since the last `take`. */
  get length(): number {
    return this.#end - this.#start
  }

  /** What was written since the last `take`. */
  take(): Uint8Array {
    const taken = viewOf(this.#slab, this.#start, this.#end)
    this.#start = this.#end
    return taken
  }

  /** `type u8 · length u24` */
  header(type: number, bodyLength: number): this {
    return this.u32(type * 0x100_0000 + bodyLength)
  }

  u8(value: number): this {
    const start = this.#room(1)
    this.#view.setUint8(start, value)
    return this
  }

  u16(value: number): this {
    const start = this.#room(2)
    this.#view.setUint16(start, value)
    return this
  }

  u32(value: number): this {
    const start = this.#room(4)
    this.#view.setUint32(start, value)
    return this
  }

  offset(value: number): this {
    return this.u32(upperHalf(value)).u32(lowerHalf(value))
  }

  bytes(value: Uint8Array): this {
    const start = this.#room(value.length)
    copyTo(this.#slab, value, start)
    return this
  }

  /** What stands in front of a payload. DATA: `offset u64 · payload`, the offset of the payload's first byte. */
  dataHeader(offset: number, payloadLength: number, wantsAck: boolean): this {
    const type = wantsAck ? RECORD_TYPES.dataAck : RECORD_TYPES.data
    return this.header(type, OFFSET_LENGTH + payloadLength).offset(offset)
  }

  /** Makes room, perhaps in another block: call it before, never inside, a write. */
  #room(length: number): number {
    if (this.#end + length > this.#slab.length) this.#renew(length)
    const start = this.#end
    this.#end += length
    return start
  }

  #renew(length: number): void {
    const pending = this.take()
    const slab = new Uint8Array(Math.max(SLAB_LENGTH, pending.length + length + DATA_HEADER_LENGTH))
    slab.set(pending)
    this.#slab = slab
    this.#view = new DataView(slab.buffer)
    this.#start = 0
    this.#end = pending.length
  }
}
