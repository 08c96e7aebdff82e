import type { StreamContent } from './open-header.ts'

/**
 * One stream of a mux session, from its user's side. After each call, and after each bunch of calls at once, pull the
 * session's output. When the stream is over (events `closed`, `reset`, `ended`), all calls do nothing.
 */
export interface MuxStream {
  readonly id: number
  /** True when we opened it. */
  readonly isOurs: boolean
  /** What it leads to; undefined on a session without OPEN. */
  readonly service: string | undefined
  readonly carries: StreamContent
  /** The other side has accepted it (ours), or we have. */
  readonly isAccepted: boolean
  /** No more events but `data` that is to be consumed, and no more output will come of it. */
  readonly isOver: boolean
  /** Bytes that wait to be sent. */
  readonly queuedLength: number
  /** Bytes received and not consumed. */
  readonly heldLength: number
  /** How much the peer may have under way towards us, in bytes; grows by itself. */
  readonly receiveWindow: number

  /** Takes a stream that the peer opened. @throws {RangeError} for one of ours */
  accept(): void
  /**
   * Takes bytes by reference, all of them: don't change them any more.
   * @returns false when it would rather not take more for now; event `writable` says when it does
   * @throws {RangeError} after `end`, or before `accept`
   */
  write(chunk: Uint8Array): boolean
  /** Our direction ends behind what was written; the peer's goes on. Harmless when repeated. */
  end(): void
  /**
   * Tears both directions down; what waits to be sent is dropped. On a stream that was not accepted: refuses it. On one
   * that is over it gives back the memory of what was not consumed; so call it, whenever its user is done with it.
   * @param code of RESET_REASONS, or from FIRST_CALLER_RESET to 2^32 - 1
   */
  reset(code: number): void
  /**
   * The user has read so many of the received bytes: the peer may send as many again.
   * @throws {RangeError} when there are not so many
   */
  consume(length: number, nowMs: number): void
}
