import type { Writable } from 'node:stream'
import { frameDatagram } from '../protocol/datagram/datagram-frame.ts'
import { DatagramQueue } from '../protocol/datagram/datagram-queue.ts'
import type { DatagramQueueLimits } from '../protocol/datagram/datagram-queue.ts'

/** Ours: written at once. What waits for the next write can still be dropped. */
const MAX_BATCH = 32 * 1024

/** Sends datagrams over a stream, and drops the oldest ones when they come faster than it takes them. */
export class DatagramSender {
  readonly #stream: Writable
  readonly #queue: DatagramQueue
  readonly #nowMs: () => number
  #isWaiting = false

  constructor(stream: Writable, limits: DatagramQueueLimits, nowMs: () => number) {
    this.#stream = stream
    this.#queue = new DatagramQueue(limits)
    this.#nowMs = nowMs
  }

  /** Datagrams that were dropped so far. */
  get dropped(): number {
    return this.#queue.dropped
  }

  /** Takes a copy of a datagram. @throws {RangeError} for more than UDP carries */
  send(bytes: Uint8Array): void {
    this.#queue.push(frameDatagram(bytes), this.#nowMs())
    this.#flush()
  }

  /** Nothing more comes: what waits is written now, for there is nothing newer to drop it for. */
  end(): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) return
    const rest = this.#nextBatch(Infinity)
    if (rest.length > 0) this.#stream.write(Buffer.concat(rest))
    this.#stream.end()
  }

  #flush(): void {
    if (this.#isWaiting || this.#stream.destroyed || this.#stream.writableEnded) return
    const batch = this.#nextBatch(MAX_BATCH)
    if (batch.length === 0) return
    // One write is under way at a time: what comes meanwhile waits here, where it can still be dropped.
    this.#isWaiting = true
    this.#stream.write(batch.length === 1 ? batch[0] : Buffer.concat(batch), () => {
      this.#isWaiting = false
      this.#flush()
    })
  }

  #nextBatch(maxLength: number): readonly Uint8Array[] {
    const batch: Uint8Array[] = []
    const nowMs = this.#nowMs()
    for (let length = 0; length < maxLength;) {
      const next = this.#queue.shift(nowMs)
      if (next === undefined) break
      batch.push(next)
      length += next.length
    }
    return batch
  }
}
