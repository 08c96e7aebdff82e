/** Writes big-endian fields into a buffer that grows; `finish()` gives the bytes written. */
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
    this.#view.setUint8(this.#room(1), value)
    return this
  }

  u16(value: number): this {
    this.#view.setUint16(this.#room(2), value)
    return this
  }

  u32(value: number): this {
    this.#view.setUint32(this.#room(4), value)
    return this
  }

  u64(value: bigint): this {
    this.#view.setBigUint64(this.#room(8), value)
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
    if (offset < 0 || offset + 2 > this.#length) throw new RangeError(`offset ${offset} is not written yet`)
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
