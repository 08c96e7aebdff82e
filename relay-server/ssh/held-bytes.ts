import type { ChannelStream } from '../../lib/ssh/channel-stream.ts'

/** What of a channel is looked at. */
export interface HoldingStream extends Pick<ChannelStream, 'heldBytes'> {
  once(event: 'close', onClose: () => void): unknown
  destroy(): unknown
}

/**
 * What channels hold whose readers have stopped. ssh2 takes up to 2 MiB for each before it makes the sender wait, and that
 * can't be chosen; so their sum is bounded: those that hold most are cut.
 */
export class HeldBytes {
  readonly #max: number
  readonly #streams = new Set<HoldingStream>()

  constructor(max: number) {
    this.#max = max
  }

  /** Channels that are open. */
  get size(): number {
    return this.#streams.size
  }

  add(streams: readonly HoldingStream[]): void {
    for (const stream of streams) {
      this.#streams.add(stream)
      stream.once('close', () => this.#streams.delete(stream))
    }
  }

  /** Cuts channels until the rest holds no more than it may. */
  bound(): void {
    const holders = [...this.#streams].map((stream) => ({ stream, held: stream.heldBytes }))
    let sum = holders.reduce((all, { held }) => all + held, 0)
    if (sum <= this.#max) return
    for (const { stream, held } of holders.sort((a, b) => b.held - a.held)) {
      if (sum <= this.#max) return
      sum -= held
      stream.destroy()
    }
  }
}
