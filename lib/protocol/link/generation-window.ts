/** Ours: attempts that overtake each other on different paths are at most this far apart. */
export const GENERATION_WINDOW = 32

/**
 * Which attempts of a peer were seen. Attempts over different paths may arrive in another order than they were made,
 * so it is a window and not a highest number; each is let in once.
 */
export class GenerationWindow {
  #highest = 0
  /** Bit n: `#highest - n` was seen. */
  #seen = 0

  /** True the first time; false for a repetition, for 0, and for what is older than the window. */
  admit(generation: number): boolean {
    if (generation <= 0) return false
    const age = this.#highest - generation
    if (age >= GENERATION_WINDOW) return false
    if (age < 0) {
      this.#seen = -age >= GENERATION_WINDOW ? 1 : (this.#seen << -age) | 1
      this.#highest = generation
      return true
    }
    const bit = 1 << age
    if ((this.#seen & bit) !== 0) return false
    this.#seen |= bit
    return true
  }
}
