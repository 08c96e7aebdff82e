/** Ours: below this, dead entries at the front are not worth a copy. */
const MIN_COMPACTED = 64

/** First in, first out, without moving what waits: `Array.shift` does, once the array is long. */
export class EventQueue<Item> {
  #items: Item[] = []
  #next = 0

  get length(): number {
    return this.#items.length - this.#next
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  /** Takes the oldest; undefined when there is none. */
  shift(): Item | undefined {
    const item = this.#items[this.#next]
    if (item === undefined) return undefined
    this.#next++
    if (this.#next === this.#items.length) this.clear()
    else if (this.#next >= MIN_COMPACTED && this.#next * 2 >= this.#items.length) this.#compact()
    return item
  }

  clear(): void {
    if (this.#items.length > 0) this.#items = []
    this.#next = 0
  }

  /** A queue that is never empty must not grow for ever. */
  #compact(): void {
    this.#items = this.#items.slice(this.#next)
    this.#next = 0
  }
}
