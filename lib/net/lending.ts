import type { Duplex } from 'node:stream'

/** Who takes what a {@link LendingStream} emits, and does not need it for long. */
export interface Borrower {
  /** Its listener for `data`. While others listen as well, what is emitted is everybody's for good. */
  readonly listener: (bytes: Buffer) => void
  /**
   * Asked after some chunks were emitted, in the same turn of the event loop, perhaps more than once.
   * @returns true when it needs none of them any more: their memory is written to again
   */
  giveBack(): boolean
}

/** Under this name a stream has what {@link LendingStream} says. */
export const LEND_TO = Symbol('lendTo')

/** A stream that reads into the same memory again, when told that nobody needs what it has emitted. */
export interface LendingStream {
  /** From now on, asks after what it emits at once. What has to wait in the stream is the reader's for good. */
  [LEND_TO](borrower: Borrower): void
}

export function isLending(stream: Duplex): stream is Duplex & LendingStream {
  return LEND_TO in stream
}
