import { Duplex } from 'node:stream'

/** Ours: what a home's modem and the kernel hold before a writer is told to wait. */
const QUEUE_LENGTH = 1024 * 1024

/** A connection whose way out is slow, and whose queue is deep: what is written last waits behind everything before it. */
export class SlowUplink extends Duplex {
  readonly #under: Duplex
  readonly #bytesPerMs: number
  readonly #queue: Uint8Array[] = []
  /** When the last byte of the queue will have left. */
  #emptyAtMs = 0

  constructor(under: Duplex, bytesPerMs: number) {
    super({ allowHalfOpen: true })
    this.#under = under
    this.#bytesPerMs = bytesPerMs
    under.on('data', (chunk: Uint8Array) => void this.push(chunk))
    under.once('end', () => void this.push(null))
    under.once('error', (error) => this.destroy(error))
  }

  override _read(): void {
    this.#under.resume()
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    const nowMs = performance.now()
    this.#emptyAtMs = Math.max(this.#emptyAtMs, nowMs) + chunk.length / this.#bytesPerMs
    this.#queue.push(chunk)
    // Timers that are due in one millisecond may fire in any order: each takes whatever is the next.
    setTimeout(() => void this.#under.write(this.#queue.shift() ?? ''), this.#emptyAtMs - nowMs)
    setTimeout(done, this.#emptyAtMs - nowMs - QUEUE_LENGTH / this.#bytesPerMs)
  }

  override _final(done: () => void): void {
    setTimeout(() => this.#under.end(done), this.#emptyAtMs - performance.now())
  }

  override _destroy(_error: Error | null, done: () => void): void {
    this.#under.destroy()
    done()
  }
}
