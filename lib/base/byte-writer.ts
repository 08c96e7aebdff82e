/**
 * Writes big-endian fields into a buffer that grows; `finish()` gives the bytes written. A number that does not fit its
 * field is a RangeError: cut off silently, it would be a wrong length on the wire.
 */
export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(capacity = 128) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    requireFit(value, 0xff)
    const start = this.#room(1)
    this.#view.setUint8(start, value)
    return this
  }

  u16(value: number): this {
    requireFit(value, 0xffff)
    const start = this.#room(2)
    this.#view.setUint16(start, value)
    return this
  }

  u32(value: number): this {
    requireFit(value, 0xffff_ffff)
    const start = this.#room(4)
    this.#view.setUint32(start, value)
    return this
  }

  u64(value: bigint): this {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${value} does not fit in 64 bits`)
    const start = this.#room(8)
    this.#view.setBigUint64(start, value)
    return this
  }

  bytes(value: Uint8Array): this {
    const start = this.#room(value.byteLength)
    this.#bytes.set(value, start)
    return this
  }

  /** `length` zero bytes. */
  zeros(length: number): this {
    const start = this.#room(length)
    this.#bytes.fill(0, start, start + length)
    return this
  }

  /** Overwrites two bytes written before, for lengths known only afterwards. */
  setU16(offset: number, value: number): this {
    if (!Number.isInteger(offset) || offset < 0 || offset + 2 > this.#length) {
      throw new RangeError(`offset ${offset} is not written yet`)
    }
    requireFit(value, 0xffff)
    this.#view.setUint16(offset, value)
    return this
  }

  /** The bytes written so far, as a view that later writes may leave behind. */
  peek(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** The bytes written. The writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.peek()
  }

  /** Makes room, and answers where it starts. It may replace `#view`: call it before, never inside, a write. */
  #room(length: number): number {
    const start = this.#length
    const end = start + length
    if (end > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.byteLength * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#length = end
    return start
  }
}

function requireFit(value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new RangeError(`${value} is not from 0 to ${max}`)
}
