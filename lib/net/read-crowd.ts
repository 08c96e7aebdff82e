import type { Clock } from '../base/runtime.ts'

/** Somebody who reads, and may be asked to wait with the next read. */
export interface WaitingReader {
  /** The wait is over. Does nothing for who does not wait any more. */
  readOn(): void
}

/**
 * Ours: a connection has two directions, and one that is alone must never wait. So many that are ready at once mean that bytes
 * wait for this process, and not this process for bytes.
 */
const CROWD = 4

/** Ours: the shortest that a timer takes. Some 100 KiB to 1 MiB come meanwhile, where reading is what takes the time. */
const PAUSE_MS = 1

/**
 * All who read much in this process. When several are ready in one turn of the event loop, each does well to wait a moment
 * before it reads on: its bytes gather in the kernel, and one large read is cheaper than many small ones. A connection that
 * is alone never waits.
 */
export class ReadCrowd {
  readonly #clock: Clock
  #waiting: WaitingReader[] = []
  #last: WaitingReader | undefined
  /** How many have read in this turn of the event loop, and in the last one in which anybody did. */
  #count = 0
  #countBefore = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes that somebody has read much. True: it has to wait, and `readOn()` follows. */
  mustWait(reader: WaitingReader): boolean {
    // Who is read from several times in one turn is so without a break.
    if (reader !== this.#last) this.#noteNext(reader)
    if (Math.max(this.#count, this.#countBefore) < CROWD) return false
    if (this.#waiting.push(reader) === 1) this.#clock.setTimer(PAUSE_MS, this.#onPauseOver)
    return true
  }

  #noteNext(reader: WaitingReader): void {
    this.#last = reader
    if (this.#count++ === 0) setImmediate(this.#onTurnOver)
  }

  readonly #onTurnOver = (): void => {
    this.#last = undefined
    this.#countBefore = this.#count
    this.#count = 0
  }

  readonly #onPauseOver = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    for (const reader of waiting) reader.readOn()
  }
}
