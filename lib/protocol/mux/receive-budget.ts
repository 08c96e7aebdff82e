/** What the streams of a session may make us hold, in bytes. */
export interface ReceiveLimits {
  /** By how much all windows together may grow over their initial size. */
  readonly maxWindowGrowth: number
  /** Received and not consumed yet, of all streams together; see {@link ReceiveBudget.isTooMuch}. */
  readonly maxHeld: number
}

/**
 * The session's memory for received bytes, shared by its streams. Two sums: the growth of windows, handed out until it
 * is used up, and what is held for readers. The initial windows alone can't be refused (the peer takes them for
 * granted), so with very many streams the second sum may pass its limit: then streams that hold more than their share
 * have to go when more comes for them, and at twice the limit every stream for which something comes.
 */
export class ReceiveBudget {
  readonly #limits: ReceiveLimits
  #grown = 0
  #growers = 0
  #held = 0
  #isContended = false

  constructor(limits: ReceiveLimits) {
    this.#limits = limits
  }

  /** Bytes by which windows have grown. */
  get grown(): number {
    return this.#grown
  }

  /** Bytes received and not consumed. */
  get held(): number {
    return this.#held
  }

  /** True while a window could not grow as it should, for lack of room. */
  get isContended(): boolean {
    return this.#isContended
  }

  /** By how much each window could grow if all that ever wanted to shared equally. */
  get growthShare(): number {
    return this.#limits.maxWindowGrowth / Math.max(1, this.#growers)
  }

  /** One window more, or less (-1), that wants to grow. */
  countGrower(change: 1 | -1): void {
    this.#growers += change
  }

  /** Takes up to `wanted` bytes of growth. */
  grow(wanted: number): number {
    const granted = Math.min(wanted, this.#limits.maxWindowGrowth - this.#grown)
    if (granted < wanted) this.#isContended = true
    this.#grown += granted
    return granted
  }

  /** Gives growth back. */
  shrink(length: number): void {
    this.#grown -= length
    if (this.#grown <= this.#limits.maxWindowGrowth / 2) this.#isContended = false
  }

  hold(length: number): void {
    this.#held += length
  }

  release(length: number): void {
    this.#held -= length
  }

  /**
   * True when too much is held in all, and this stream holds more of it than an equal share. Shares alone are no bound:
   * they were larger while there were fewer streams, and streams that ended unread have none.
   */
  isTooMuch(held: number, streams: number): boolean {
    const { maxHeld } = this.#limits
    if (this.#held <= maxHeld) return false
    return this.#held > 2 * maxHeld || held > maxHeld / Math.max(1, streams)
  }
}
