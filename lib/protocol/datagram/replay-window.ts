/** Ours: packets that may come so much later than those sent after them. IPsec's implementations use 32 to 4096. */
export const REPLAY_WINDOW = 1024

/**
 * Which packets have come, by their counters: each is taken once (as RFC 4303 §3.4.3 and RFC 6479 have it). What is so old
 * that nobody remembers is not taken.
 */
export class ReplayWindow {
  readonly #seen = new Uint8Array(REPLAY_WINDOW)
  /** One more than the highest that came. */
  #next = 0

  /** True for a counter that has not come, and is not too old. Ask before opening, as it is cheaper. */
  isNew(counter: number): boolean {
    if (counter >= this.#next) return true
    return counter >= this.#next - REPLAY_WINDOW && this.#seen[counter % REPLAY_WINDOW] === 0
  }

  /** It came, and was authentic. */
  add(counter: number): void {
    const from = Math.max(this.#next, counter - REPLAY_WINDOW + 1)
    for (let skipped = from; skipped <= counter; skipped++) this.#seen[skipped % REPLAY_WINDOW] = 0
    this.#seen[counter % REPLAY_WINDOW] = 1
    this.#next = Math.max(this.#next, counter + 1)
  }
}
