/** Counts what sources hold at the same time, and gives no more than a limit in all and to each. */
export class SourceQuota {
  readonly #max: number
  readonly #maxPerSource: number
  readonly #bySource = new Map<string, number>()
  #size = 0

  constructor(max: number, maxPerSource: number) {
    this.#max = max
    this.#maxPerSource = maxPerSource
  }

  /** How many are held now, in all. */
  get size(): number {
    return this.#size
  }

  get isFull(): boolean {
    return this.#size >= this.#max
  }

  isFullFor(source: string): boolean {
    return (this.#bySource.get(source) ?? 0) >= this.#maxPerSource
  }

  /** Takes one; answers what gives it back, harmless when repeated. Undefined when there is none left. */
  take(source: string): (() => void) | undefined {
    if (this.isFull || this.isFullFor(source)) return undefined
    this.#size++
    this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#giveBack(source)
    }
  }

  #giveBack(source: string): void {
    this.#size--
    const left = (this.#bySource.get(source) ?? 1) - 1
    if (left === 0) this.#bySource.delete(source)
    else this.#bySource.set(source, left)
  }
}
