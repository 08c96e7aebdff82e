/** Copies are cut from slabs of this size: an ArrayBuffer of its own for each would cost more than the packet's way. */
const SLAB_BYTES = 65_536
/** Larger payloads get a buffer of their own. */
const MAX_POOLED_BYTES = 4096

/** Makes private copies of payloads. No byte is handed out twice. */
export class PayloadPool {
  #slab = new Uint8Array(0)
  #used = 0

  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    // Not `slice`, which for a Buffer is no copy.
    if (length > MAX_POOLED_BYTES) return Uint8Array.from(bytes)
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES)
      this.#used = 0
    }
    const copy = this.#slab.subarray(this.#used, this.#used + length)
    this.#used += length
    copy.set(bytes)
    return copy
  }
}
