import { Fifo } from '../../base/fifo.ts'

/** Where a stream stands in a {@link ControlQueue}, which alone writes it. */
export type ControlState =
  | 'none'
  | 'due'
  /** It owes nothing any more; its place goes when its turn comes, or when too many are left like that. */
  | 'left'

/** Ours: fewer places than this that streams have left are not worth looking for. */
const MIN_LEFT = 64

/**
 * The streams that owe their peer a word, in the order in which they began to. No Set: each time that one loses its last member,
 * V8 looks whether to mark the heap (docs/architecture.md).
 */
export class ControlQueue<Stream extends { control: ControlState }> {
  #streams = new Fifo<Stream>()
  #size = 0

  /** Those that owe something. */
  get size(): number {
    return this.#size
  }

  /** It owes something; it keeps its place when it has one. */
  add(stream: Stream): void {
    if (stream.control === 'due') return
    if (stream.control === 'none') this.#streams.push(stream)
    stream.control = 'due'
    this.#size++
  }

  /** It owes nothing any more; harmless when it did not. */
  remove(stream: Stream): void {
    if (stream.control !== 'due') return
    stream.control = 'left'
    this.#size--
    const left = this.#streams.length - this.#size
    if (left >= MIN_LEFT && left > this.#size) this.#compact()
  }

  /** Takes out the first; undefined when there is none. */
  shift(): Stream | undefined {
    for (let stream = this.#streams.shift(); stream !== undefined; stream = this.#streams.shift()) {
      const isDue = stream.control === 'due'
      stream.control = 'none'
      if (!isDue) continue
      this.#size--
      return stream
    }
    return undefined
  }

  /** A peer that opens and resets streams while it does not read must not make us keep them. */
  #compact(): void {
    const due = new Fifo<Stream>()
    for (let stream = this.#streams.shift(); stream !== undefined; stream = this.#streams.shift()) {
      if (stream.control === 'due') due.push(stream)
      else stream.control = 'none'
    }
    this.#streams = due
  }
}
