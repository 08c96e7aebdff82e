import { violation } from './violation.ts'

/**
 * Ours: so many ids that were passed over may still be used. Some implementations draw an id in one thread and send
 * its SYN in another, so SYNs overtake each other by about as many as threads open streams at once.
 */
export const MAX_SKIPPED_IDS = 256

/** Which ids the peer has used, in bounded memory. Its ids are all odd or all even (spec.md, "StreamID Field"). */
export class PeerStreamIds {
  readonly #firstId: number
  /** The highest id seen. */
  #highest: number
  /** Ids below it that were not seen: the latest {@link MAX_SKIPPED_IDS}. */
  readonly #skipped = new Set<number>()

  /** @param firstId the peer's first: 1 or 2 */
  constructor(firstId: 1 | 2) {
    this.#firstId = firstId
    this.#highest = firstId - 2
  }

  /** True for an id on the peer's side of the numbers. */
  isPeers(id: number): boolean {
    return id % 2 === this.#firstId % 2
  }

  /** True for an id that was admitted, or is so far back that it may have been. */
  wasUsed(id: number): boolean {
    return id <= this.#highest && !this.#skipped.has(id)
  }

  /** Takes the id of a SYN. @throws {ReachError} ERR_REACH_PROTOCOL when it is not the peer's, or was used */
  admit(id: number): void {
    if (!this.isPeers(id)) throw violation('a stream with an id of our side', { streamId: id })
    if (id <= this.#highest) {
      if (!this.#skipped.delete(id)) throw violation('a stream id is used again', { streamId: id })
      return
    }
    this.#skip(id)
    this.#highest = id
  }

  #skip(id: number): void {
    const first = Math.max(this.#highest + 2, id - 2 * MAX_SKIPPED_IDS)
    for (let skipped = first; skipped < id; skipped += 2) this.#skipped.add(skipped)
    for (const oldest of this.#skipped) {
      if (this.#skipped.size <= MAX_SKIPPED_IDS) break
      this.#skipped.delete(oldest)
    }
  }
}
