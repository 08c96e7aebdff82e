/** Something that happens at a moment of virtual time. */
export interface VirtualEvent {
  /** True once it is cancelled: then it is skipped, and no time passes for it. */
  readonly isOver: boolean
  run(): void
}

/**
 * What is to happen, soonest first; of two at one moment, the one pushed first. A binary heap over flat arrays, because
 * every packet passes through it once per link.
 */
export class EventHeap {
  #times = new Float64Array(256)
  #order = new Float64Array(256)
  #events: VirtualEvent[] = []
  #pushed = 0

  get size(): number {
    return this.#events.length
  }

  /** When the next event is due; Infinity when there is none. */
  get nextMs(): number {
    return this.#events.length === 0 ? Infinity : (this.#times[0] ?? Infinity)
  }

  /** The next event. */
  peek(): VirtualEvent | undefined {
    return this.#events[0]
  }

  push(atMs: number, event: VirtualEvent): void {
    const length = this.#events.length
    if (length === this.#times.length) this.#grow()
    this.#events.push(event)
    this.#siftUp(length, atMs, this.#pushed++, event)
  }

  /** Takes the next event. */
  pop(): VirtualEvent | undefined {
    const events = this.#events
    const first = events[0]
    const last = events.pop()
    const length = events.length
    if (last !== undefined && length > 0) {
      this.#siftDown(0, this.#times[length] ?? 0, this.#order[length] ?? 0, last)
    }
    return first
  }

  /** Drops the events that are over; the others keep their order. */
  sweep(): void {
    let kept = 0
    for (let i = 0; i < this.#events.length; i++) {
      const event = this.#events[i]
      if (event === undefined || event.isOver) continue
      this.#place(kept++, this.#times[i] ?? 0, this.#order[i] ?? 0, event)
    }
    this.#events.length = kept
    for (let i = (kept >> 1) - 1; i >= 0; i--) {
      const event = this.#events[i]
      if (event !== undefined) this.#siftDown(i, this.#times[i] ?? 0, this.#order[i] ?? 0, event)
    }
  }

  #siftUp(start: number, atMs: number, order: number, event: VirtualEvent): void {
    const times = this.#times
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      const parentMs = times[parent] ?? 0
      // Pushed later means a higher order, so among equal times a new event never overtakes.
      if (parentMs <= atMs) break
      this.#move(parent, index)
      index = parent
    }
    this.#place(index, atMs, order, event)
  }

  #siftDown(start: number, atMs: number, order: number, event: VirtualEvent): void {
    const length = this.#events.length
    let index = start
    for (;;) {
      let child = 2 * index + 1
      if (child >= length) break
      if (child + 1 < length && this.#isBefore(child + 1, child)) child++
      const childMs = this.#times[child] ?? 0
      if (childMs > atMs || (childMs === atMs && (this.#order[child] ?? 0) > order)) break
      this.#move(child, index)
      index = child
    }
    this.#place(index, atMs, order, event)
  }

  #isBefore(a: number, b: number): boolean {
    const aMs = this.#times[a] ?? 0
    const bMs = this.#times[b] ?? 0
    return aMs < bMs || (aMs === bMs && (this.#order[a] ?? 0) < (this.#order[b] ?? 0))
  }

  #move(from: number, to: number): void {
    const event = this.#events[from]
    if (event !== undefined) this.#place(to, this.#times[from] ?? 0, this.#order[from] ?? 0, event)
  }

  #place(index: number, atMs: number, order: number, event: VirtualEvent): void {
    this.#times[index] = atMs
    this.#order[index] = order
    this.#events[index] = event
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2)
    times.set(this.#times)
    this.#times = times
    const order = new Float64Array(this.#order.length * 2)
    order.set(this.#order)
    this.#order = order
  }
}
