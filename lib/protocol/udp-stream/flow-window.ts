import { violation } from './stream-frame.ts'

/**
 * Ours: how much may be sent beyond what the reader has taken, in each direction. Twice the window of udx itself (4 MiB),
 * because credit waits behind data that go the other way. It is held in memory only where a reader stops.
 */
export const STREAM_WINDOW_BYTES = 8 << 20

/** Ours: credit is told in steps, a few for each window. */
const CREDIT_STEP_BYTES = STREAM_WINDOW_BYTES / 8

/** What may still be sent. Both ends begin with {@link STREAM_WINDOW_BYTES}. */
export class SendCredit {
  #left = STREAM_WINDOW_BYTES

  get left(): number {
    return this.#left
  }

  spend(bytes: number): void {
    this.#left -= bytes
  }

  /** @throws {ReachError} ERR_REACH_DECODE for more than a window in all */
  add(bytes: number): void {
    this.#left += bytes
    if (this.#left > STREAM_WINDOW_BYTES) throw violation('more credit than was spent')
  }
}

/** What the other end may still send, and when it is to be told of more. */
export class ReceiveCredit {
  #room = STREAM_WINDOW_BYTES
  #taken = 0

  /** @throws {ReachError} ERR_REACH_DECODE for data beyond the credit: a stopped reader's memory is bounded */
  receive(bytes: number): void {
    this.#room -= bytes
    if (this.#room < 0) throw violation('more data than it had credit for')
  }

  /** The reader took bytes. Answers how much credit to send now; mostly none. */
  take(bytes: number): number {
    this.#taken += bytes
    if (this.#taken < CREDIT_STEP_BYTES) return 0
    const credit = this.#taken
    this.#taken = 0
    this.#room += credit
    return credit
  }
}
