import { ReachError } from './errors.ts'

/** Reads big-endian fields from bytes; every overrun is ERR_REACH_DECODE and names the field. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.byteLength - this.#offset
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field))
  }

  u16(field: string): number {
    return this.#view.getUint16(this.#take(2, field))
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#take(4, field))
  }

  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field))
  }

  /** The next `length` bytes, as a view: copy what outlives the packet. */
  bytes(length: number, field: string): Uint8Array {
    const start = this.#take(length, field)
    return this.#bytes.subarray(start, start + length)
  }

  /** All that is left, as a view. */
  rest(): Uint8Array {
    return this.bytes(this.remaining, 'rest')
  }

  skip(length: number, field: string): void {
    this.#take(length, field)
  }

  #take(length: number, field: string): number {
    if (!Number.isInteger(length) || length < 0 || length > this.remaining) {
      throw new ReachError('ERR_REACH_DECODE', `${field} needs ${length} bytes, ${this.remaining} left`, {
        details: { field, needed: length, remaining: this.remaining, offset: this.#offset },
      })
    }
    const start = this.#offset
    this.#offset += length
    return start
  }
}
