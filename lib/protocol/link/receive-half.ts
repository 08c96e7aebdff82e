import { MAX_OFFSET } from './offset.ts'
import { violation } from './violation.ts'

/** Ours: an acknowledgement waits this long for company; a quarter of what people notice. */
export const ACK_DELAY_MS = 25
/** Ours: so much is acknowledged without delay even when the sender does not ask. */
export const MAX_UNACKNOWLEDGED_LENGTH = 1024 * 1024
/** Ours: an acknowledgement rides along with data that goes out anyway when it says at least this much, … */
export const PIGGYBACK_LENGTH = 16 * 1024
/** … or has waited for so long: where both sides speak in turns it seldom needs a record, hence a packet, of its own. */
const PIGGYBACK_AFTER_MS = ACK_DELAY_MS / 2

/**
 * The peer's direction of the stream. It holds nothing: bytes that continue the stream are passed on at once, bytes that
 * were received before are dropped, and bytes further ahead break the protocol, because a sender starts on each path at
 * or before what we acknowledged, and paths keep the order.
 */
export class ReceiveHalf {
  #received = 0
  #finAt: number | undefined
  #told = 0
  /** When an acknowledgement is due; -Infinity once that time has passed. */
  #ackDueMs: number | undefined

  /** The offset that is wanted next; the end counts as one. */
  get received(): number {
    return this.#received
  }

  /** The stream was received to its end. */
  get isDone(): boolean {
    return this.#finAt !== undefined && this.#received === this.#finAt + 1
  }

  /** When an acknowledgement becomes due; undefined when none is owed, and when it is due already. */
  get deadlineMs(): number | undefined {
    return this.#ackDueMs === -Infinity ? undefined : this.#ackDueMs
  }

  /** From now on an acknowledgement is due when its time has come, whoever may carry it then. */
  handleTimeout(nowMs: number): void {
    if (this.#ackDueMs !== undefined && nowMs >= this.#ackDueMs) this.#ackDueMs = -Infinity
  }

  /** @param isRiding something goes out anyway @returns true when an acknowledgement should go out now */
  shouldTell(isRiding: boolean, nowMs: number): boolean {
    if (this.#ackDueMs === undefined) return false
    if (nowMs >= this.#ackDueMs) return true
    if (!isRiding) return false
    return this.#received - this.#told >= PIGGYBACK_LENGTH || nowMs >= this.#ackDueMs - PIGGYBACK_AFTER_MS
  }

  /**
   * Takes bytes from a path.
   * @returns those that are new, a view; undefined when there are none
   * @throws {ReachError} ERR_REACH_PROTOCOL for bytes ahead of the stream or behind its end
   */
  take(offset: number, bytes: Uint8Array, wantsAck: boolean, nowMs: number): Uint8Array | undefined {
    const received = this.#received
    const end = offset + bytes.length
    if (offset > received) throw violation('bytes are missing', { offset, received })
    if (end > (this.#finAt ?? MAX_OFFSET - 1))
      throw violation('bytes behind the end', { end, finAt: this.#finAt })
    if (end > received) this.#received = end
    const isUrgent = wantsAck || this.#received - this.#told >= MAX_UNACKNOWLEDGED_LENGTH
    this.#owe(isUrgent ? nowMs : nowMs + ACK_DELAY_MS)
    if (end <= received) return undefined
    return offset === received ? bytes : bytes.subarray(received - offset)
  }

  /**
   * Takes the end of the stream.
   * @returns true the first time
   * @throws {ReachError} ERR_REACH_PROTOCOL for an end with bytes missing before it, or another end than before
   */
  finish(offset: number, nowMs: number): boolean {
    const before = this.#finAt
    if (before !== undefined && before !== offset) throw violation('a second end', { offset, finAt: before })
    if (before === undefined && offset !== this.#received) {
      throw violation('an end that is not where the bytes end', { offset, received: this.#received })
    }
    this.#finAt = offset
    this.#received = offset + 1
    this.#owe(nowMs)
    return before === undefined
  }

  /** `received` was told to the peer. */
  told(): void {
    this.#told = this.#received
    this.#ackDueMs = undefined
  }

  #owe(dueMs: number): void {
    if (this.#ackDueMs === undefined || dueMs < this.#ackDueMs) this.#ackDueMs = dueMs
  }
}
