/** Ours: a reader this far behind loses the oldest states; the newest is what counts. */
const MAX_WAITING = 64

/** A state, and its changes for whoever follows them. */
export class StateFeed<State> {
  readonly #readers = new Set<Reader<State>>()
  readonly #onChange: ((state: State) => void) | undefined
  #state: State
  #isOver = false

  constructor(state: State, onChange?: (state: State) => void) {
    this.#state = state
    this.#onChange = onChange
  }

  get state(): State {
    return this.#state
  }

  set(state: State): void {
    if (this.#isOver) return
    this.#state = state
    for (const reader of this.#readers) reader.push(state)
    this.#onChange?.(state)
  }

  /** The state as it is, then each change, until the feed or the signal ends. */
  async *follow(signal?: AbortSignal): AsyncGenerator<State, void, undefined> {
    if (signal?.aborted === true) return
    const reader = new Reader<State>()
    const onAbort = () => reader.end()
    signal?.addEventListener('abort', onAbort, { once: true })
    reader.push(this.#state)
    if (this.#isOver) reader.end()
    else this.#readers.add(reader)
    try {
      for (;;) {
        const state = await reader.next()
        if (state === undefined) return
        yield state.value
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#readers.delete(reader)
    }
  }

  /** Sets the last state. */
  end(state: State): void {
    this.set(state)
    this.#isOver = true
    for (const reader of this.#readers) reader.end()
  }
}

class Reader<State> {
  readonly #waiting: { readonly value: State }[] = []
  #isOver = false
  #wake: (() => void) | undefined

  push(value: State): void {
    if (this.#waiting.length === MAX_WAITING) this.#waiting.shift()
    this.#waiting.push({ value })
    this.#wake?.()
  }

  end(): void {
    this.#isOver = true
    this.#wake?.()
  }

  async next(): Promise<{ readonly value: State } | undefined> {
    while (this.#waiting.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    return this.#waiting.shift()
  }
}
