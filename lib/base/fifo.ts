/** Ours: places that are kept for the next items. Fresh arrays for a few items each would be the most that a queue costs. */
const KEPT = 64
/** Ours: below this, empty places at the front are not worth a copy. */
const MIN_COMPACTED = 64

/** First in, first out, without moving what waits: `Array.shift` does, once the array is long. */
export class Fifo<Item> {
  #places: (Item | undefined)[] = []
  #next = 0
  #end = 0

  get length(): number {
    return this.#end - this.#next
  }

  /** The oldest; undefined when there is none. */
  get first(): Item | undefined {
    return this.#next === this.#end ? undefined : this.#places[this.#next]
  }

  push(item: Item): void {
    this.#places[this.#end++] = item
  }

  /** Takes the oldest; undefined when there is none. */
  shift(): Item | undefined {
    if (this.#next === this.#end) return undefined
    const item = this.#places[this.#next]
    this.#places[this.#next++] = undefined
    if (this.#next === this.#end) this.#rewind()
    else if (this.#next >= MIN_COMPACTED && this.#next * 2 >= this.#end) this.#compact()
    return item
  }

  /** Puts another item in the place of the oldest. There must be one. */
  replaceFirst(item: Item): void {
    if (this.#next < this.#end) this.#places[this.#next] = item
  }

  clear(): void {
    if (this.#next < this.#end) this.#places = []
    this.#rewind()
  }

  #rewind(): void {
    this.#next = 0
    this.#end = 0
    if (this.#places.length > KEPT) this.#places = []
  }

  /** A queue that is never empty must not grow for ever. */
  #compact(): void {
    this.#places = this.#places.slice(this.#next, this.#end)
    this.#end -= this.#next
    this.#next = 0
  }
}
