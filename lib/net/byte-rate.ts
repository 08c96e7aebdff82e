/** Ours: a limit is felt as a steady rate, and still allows reads large enough to be cheap. */
const BURST_S = 0.1

/**
 * A token bucket of bytes that may go into debt: what was read can't be unread, so it is counted afterwards and the
 * next read waits until the debt is paid. In the long run no more than the rate passes.
 */
export class ByteRate {
  /** Bytes that may pass at once after a rest. */
  readonly burstBytes: number
  readonly #bytesPerS: number
  #balance: number
  #updatedAtMs: number

  /** @throws {RangeError} unless `bytesPerS` is a positive number */
  constructor(bytesPerS: number, nowMs: number) {
    if (!(bytesPerS > 0)) throw new RangeError(`a rate can't be ${bytesPerS} bytes/s`)
    this.#bytesPerS = bytesPerS
    this.burstBytes = bytesPerS * BURST_S
    this.#balance = this.burstBytes
    this.#updatedAtMs = nowMs
  }

  /** Counts bytes that passed. */
  spend(bytes: number, nowMs: number): void {
    this.#refill(nowMs)
    this.#balance -= bytes
  }

  /** Milliseconds until more may pass; 0 when it may now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs)
    return this.#balance >= 0 ? 0 : (-this.#balance / this.#bytesPerS) * 1000
  }

  #refill(nowMs: number): void {
    const elapsedS = Math.max(0, nowMs - this.#updatedAtMs) / 1000
    this.#balance = Math.min(this.burstBytes, this.#balance + elapsedS * this.#bytesPerS)
    this.#updatedAtMs = nowMs
  }
}
