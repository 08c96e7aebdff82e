import type { Writable } from 'node:stream'
import { DATAGRAM_HEADER_LENGTH, MAX_DATAGRAM_LENGTH } from './datagram-reader.ts'

/** Ours: what waits while the path is slower than the sender; beyond, the oldest goes, for news is worth more. */
const MAX_QUEUED_BYTES = 64 * 1024

/** Sends datagrams over a stream, and drops the oldest ones when they come faster than it takes them. */
export class DatagramSender {
  readonly #stream: Writable
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #dropped = 0
  #isWaiting = false

  constructor(stream: Writable) {
    this.#stream = stream
  }

  /** Datagrams that were dropped so far. */
  get dropped(): number {
    return this.#dropped
  }

  /** Takes a datagram. @throws {RangeError} for more than {@link MAX_DATAGRAM_LENGTH} bytes */
  send(bytes: Uint8Array): void {
    if (bytes.length > MAX_DATAGRAM_LENGTH) {
      throw new RangeError(`a datagram has at most ${MAX_DATAGRAM_LENGTH} bytes, not ${bytes.length}`)
    }
    const framed = new Uint8Array(DATAGRAM_HEADER_LENGTH + bytes.length)
    framed[0] = bytes.length >> 8
    framed[1] = bytes.length & 0xff
    framed.set(bytes, DATAGRAM_HEADER_LENGTH)
    this.#queue.push(framed)
    this.#queuedBytes += framed.length
    this.#flush()
    while (this.#queuedBytes > MAX_QUEUED_BYTES) {
      this.#queuedBytes -= this.#queue.shift()?.length ?? 0
      this.#dropped++
    }
  }

  #flush(): void {
    if (this.#isWaiting || this.#queue.length === 0 || this.#stream.destroyed) return
    const batch = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    // One write is under way at a time: what comes meanwhile waits here, where it can still be dropped.
    this.#isWaiting = true
    this.#stream.write(batch.length === 1 ? batch[0] : Buffer.concat(batch), () => {
      this.#isWaiting = false
      this.#flush()
    })
  }
}
