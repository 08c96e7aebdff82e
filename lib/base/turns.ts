import { ReachError } from './errors.ts'

/** Works of one owner, one after the other. Once it is closed, the last has ended and none begins any more. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #isClosed = false

  /**
   * Runs a work when those before it have ended, however they ended.
   * @throws {ReachError} ERR_REACH_ABORTED when it is closed
   * @throws what the work throws
   */
  take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError())
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined) // whoever asked hears of it
    return result
  }

  /** Resolves when everything that was taken has ended. Never rejects. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
  }
}

function closedError(): ReachError {
  return new ReachError('ERR_REACH_ABORTED', 'it is closed: nothing is changed any more')
}
