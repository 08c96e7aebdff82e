/** Tells those who wait that something has changed, and how often it has. */
export class ChangeWatch {
  readonly #waiting = new Set<() => void>()
  #changes = 0

  /** Changes so far. */
  get changes(): number {
    return this.#changes
  }

  /** Counts a change, and wakes all who wait. */
  changed(): void {
    this.#changes++
    this.wake()
  }

  /** Wakes all who wait, though nothing has changed: it is over, say. */
  wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves at the next change or wake, or when the signal fires. */
  next(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }
}
