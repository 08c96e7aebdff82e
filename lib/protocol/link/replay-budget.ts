/** Ours: all replay buffers of a process together: 16 links at their largest, a thousand at their smallest. */
export const DEFAULT_REPLAY_BUDGET = 256 * 1024 * 1024

/**
 * Bytes that all links of a process may hold for replay. Each takes from it as its path needs and gives back what it
 * needs no more; when it is empty a link goes on with little, slower and just as correct.
 */
export class ReplayBudget {
  #left: number

  /** @param totalBytes default {@link DEFAULT_REPLAY_BUDGET} */
  constructor(totalBytes = DEFAULT_REPLAY_BUDGET) {
    if (!Number.isSafeInteger(totalBytes) || totalBytes < 0) {
      throw new RangeError(`a budget of ${totalBytes} bytes`)
    }
    this.#left = totalBytes
  }

  /** Bytes that nobody has taken. */
  get left(): number {
    return this.#left
  }

  /** Takes up to `bytes`; answers how many were there. */
  take(bytes: number): number {
    const taken = Math.max(0, Math.min(bytes, this.#left))
    this.#left -= taken
    return taken
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#left += bytes
  }
}
