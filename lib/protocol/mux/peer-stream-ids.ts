import { violation } from './violation.ts'

/**
 * Ours: how far back an id that was passed over may still be used at least, in ids of the peer. Some implementations draw an id in one thread
 * and send its SYN in another, so SYNs overtake each other by about as many as threads open streams at once.
 */
export const REORDERED_IDS = 4096

const BITS = 32
/** One more, since the newest word is not full. */
const WORDS = REORDERED_IDS / BITS + 1

/** Which ids the peer has used, in bounded memory and time. Its ids are all odd or all even (spec.md, "StreamID Field"). */
export class PeerStreamIds {
  readonly #parity: 0 | 1
  /** How many ids there were, up to the highest that was seen. */
  #count = 0
  /** A bit for each of the last ids, in a ring of words; a word is cleared when the first of its ids is reached. */
  readonly #seen = new Uint32Array(WORDS)

  /** @param firstId the peer's first: 1 or 2 */
  constructor(firstId: 1 | 2) {
    this.#parity = firstId === 1 ? 1 : 0
  }

  /** True for an id on the peer's side of the numbers. */
  isPeers(id: number): boolean {
    return id % 2 === this.#parity && id > 0
  }

  /** True for an id that was admitted, or is so far back that it may have been. */
  wasUsed(id: number): boolean {
    const index = this.#indexOf(id)
    if (index >= this.#count) return false
    return isTooFarBack(index, this.#count) || this.#isSeen(index)
  }

  /** Takes the id of a SYN. @throws {ReachError} ERR_REACH_PROTOCOL when it is not the peer's, or was used */
  admit(id: number): void {
    if (!this.isPeers(id)) throw violation('a stream with an id of our side', { streamId: id })
    if (this.wasUsed(id)) throw violation('a stream id is used again', { streamId: id })
    const index = this.#indexOf(id)
    if (index >= this.#count) this.#advance(index)
    const at = wordOf(index) % WORDS
    this.#seen[at] = (this.#seen[at] ?? 0) | (1 << (index % BITS))
  }

  /** 0 for the first id, 1 for the second. */
  #indexOf(id: number): number {
    return (id + this.#parity) / 2 - 1
  }

  #isSeen(index: number): boolean {
    return ((this.#seen[wordOf(index) % WORDS] ?? 0) & (1 << (index % BITS))) !== 0
  }

  /** Words that are reached now held ids long past. A leap clears at most all of them. */
  #advance(index: number): void {
    const last = wordOf(index)
    for (let word = Math.max(wordOf(this.#count - 1) + 1, last - WORDS + 1); word <= last; word++) {
      this.#seen[word % WORDS] = 0
    }
    this.#count = index + 1
  }
}

function wordOf(index: number): number {
  return Math.floor(index / BITS)
}

function isTooFarBack(index: number, count: number): boolean {
  return wordOf(index) <= wordOf(count - 1) - WORDS
}
