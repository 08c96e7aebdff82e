import { MAX_OFFSET } from './offset.ts'
import { ReplayBuffer } from './replay-buffer.ts'
import type { ReplayCapacity } from './replay-capacity.ts'
import { violation } from './violation.ts'

/** Ours: one `write` takes this much at most; with it, what is held may be over the capacity by one write. */
export const MAX_WRITE_LENGTH = 256 * 1024
/**
 * Ours: bytes that were taken and not yet handed to a path at most, but for one write. One record's worth keeps a path
 * busy; more would only make an urgent stream wait behind a bulky one.
 */
export const MAX_UNSENT_LENGTH = 256 * 1024
/**
 * Ours: payload of the records that we send at most. Two of them hold what was taken and not sent, so that all of it leaves
 * in one write: with longer ones some tens of bytes were left over each time, and went in a write of their own.
 */
const MAX_RECORD_LENGTH = 192 * 1024
/** Ours: chunks in one record at most; the system's limit for one writev is 1,024. */
const MAX_CHUNKS = 512
/** Ours: an acknowledgement is asked for this often per capacity, so that it arrives before the buffer is full. */
const ACKS_PER_CAPACITY = 4
/** Ours: after "full" it is "room again" only below this part, so that both do not alternate for each byte. */
const ROOM_AGAIN = 3 / 4

/** What {@link SendHalf.collect} found. */
export interface Collected {
  readonly length: number
  readonly wantsAck: boolean
}

/** Our direction of the stream: what was taken from above, what paths were given, what the peer acknowledged. */
export class SendHalf {
  readonly #capacity: ReplayCapacity
  readonly #buffer = new ReplayBuffer()
  #sentTo = 0
  #acked = 0
  #askedAt = 0
  #finAt: number | undefined
  #isDrainAwaited = false
  /** The capacity was reached since the last acknowledgement. */
  #wasFull = false

  constructor(capacity: ReplayCapacity) {
    this.#capacity = capacity
  }

  /** The first offset that is not acknowledged. */
  get acked(): number {
    return this.#acked
  }

  /** Behind the last offset that any path was given; FIN counts as one. */
  get sentTo(): number {
    return this.#sentTo
  }

  /** Bytes held, as ReplayBuffer counts them. */
  get cost(): number {
    return this.#buffer.cost
  }

  /** Where the stream ends, once that is known. */
  get finAt(): number | undefined {
    return this.#finAt
  }

  /** All was acknowledged, the end too. */
  get isDone(): boolean {
    return this.#finAt !== undefined && this.#acked === this.#finAt + 1
  }

  /** Something was taken and is not acknowledged. */
  get isBusy(): boolean {
    return this.#acked < this.#end()
  }

  get canWrite(): boolean {
    return this.#finAt === undefined && !this.#isFull() && this.#unsent() < MAX_UNSENT_LENGTH
  }

  /**
   * Takes chunks, by reference, all of them.
   * @returns false when it takes no more now
   */
  write(chunks: readonly Uint8Array[]): boolean {
    if (!this.canWrite) throw new RangeError('write while the link takes nothing: look at canWrite')
    let length = 0
    for (const chunk of chunks) length += chunk.length
    if (length > MAX_WRITE_LENGTH) throw new RangeError(`${length} bytes in one write`)
    if (this.#buffer.end + length >= MAX_OFFSET) throw new RangeError('a stream of 2^53 bytes')
    for (const chunk of chunks) this.#buffer.append(chunk)
    this.#capacity.held(this.#buffer.cost)
    this.#wasFull ||= this.#isFull()
    this.#isDrainAwaited = !this.canWrite
    return !this.#isDrainAwaited
  }

  /** No more will be written. */
  end(): void {
    this.#finAt ??= this.#buffer.end
  }

  /** True once for each `write` that answered false, when there is room again. */
  takeDrained(): boolean {
    if (!this.#isDrainAwaited || !this.canWrite) return false
    if (this.#buffer.cost > this.#capacity.bytes * ROOM_AGAIN || this.#unsent() > MAX_UNSENT_LENGTH / 2)
      return false
    this.#isDrainAwaited = false
    return true
  }

  /** Appends the next record's payload from `cursor` on; a length of 0 means that there is none. */
  collect(cursor: number, into: Uint8Array[]): Collected {
    const length = this.#buffer.collect(cursor, MAX_RECORD_LENGTH, MAX_CHUNKS, into)
    if (length === 0) return { length, wantsAck: false }
    const end = cursor + length
    if (cursor < this.#askedAt) this.#askedAt = cursor
    const isDue = end - this.#askedAt >= this.#capacity.bytes / ACKS_PER_CAPACITY
    const wantsAck = isDue || (this.#isFull() && end === this.#buffer.end)
    if (wantsAck) this.#askedAt = end
    this.sent(end)
    return { length, wantsAck }
  }

  /** True while `collect` from there would find something. */
  hasBehind(cursor: number): boolean {
    return cursor < this.#buffer.end
  }

  /** Where FIN goes out: behind all bytes. */
  isFinNext(cursor: number): boolean {
    return this.#finAt === cursor
  }

  /** A path was given everything before an offset. */
  sent(offset: number): void {
    if (offset > this.#sentTo) this.#sentTo = offset
  }

  /**
   * The peer has everything before an offset.
   * @param rttMs the path's shortest round trip, for the size of the buffer
   * @throws {ReachError} ERR_REACH_PROTOCOL beyond what was sent
   */
  acknowledge(offset: number, rttMs: number, nowMs: number): void {
    if (offset > this.#sentTo) {
      throw violation('an acknowledgement beyond what was sent', { offset, sentTo: this.#sentTo })
    }
    if (offset <= this.#acked) return
    this.#capacity.sample({ acked: offset - this.#acked, rttMs, isLimited: this.#wasFull }, nowMs)
    this.#acked = offset
    this.#buffer.release(offset)
    this.#wasFull = this.#isFull()
  }

  /** Drops everything and gives the capacity back, for good. */
  release(): void {
    this.#finAt ??= this.#buffer.end
    this.#buffer.clear()
    this.#capacity.release()
  }

  #end(): number {
    return this.#finAt === undefined ? this.#buffer.end : this.#finAt + 1
  }

  #isFull(): boolean {
    return this.#buffer.cost >= this.#capacity.bytes
  }

  #unsent(): number {
    return Math.max(0, this.#buffer.end - this.#sentTo)
  }
}
