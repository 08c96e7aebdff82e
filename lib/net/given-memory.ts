import { getHeapStatistics } from 'node:v8'
import { scavenge } from './scavenge.ts'

/** What V8 is asked and told. */
export interface YoungMemory {
  /** It finds what is dead among the young. */
  scavenge(): void
  /** Bytes of buffers that it counts. Just after a scavenge, what that one found dead is still among them. */
  countedBytes(): number
}

/**
 * V8 takes 8 MB of buffers more than after the last mark for pressure, and marks the whole heap again
 * (`kRegularAllocationLimitGrowingStep` of V8 11.3 to 13.6). Half of that: what one scavenge found may still be counted at
 * the next.
 */
const GIVEN_BETWEEN = 4 * 1024 * 1024

/** Ours: more than one round and what else a program does; less than is pressure. */
const KEPT = GIVEN_BETWEEN + GIVEN_BETWEEN / 4

/** Ours: bytes for which V8 is left alone when most was kept; eight times what it scavenges for by itself. */
const LEFT_ALONE = 256 * 1024 * 1024

/**
 * Fresh memory that is given to somebody who may keep it, as what comes in bulk. V8 counts each buffer until it has found it
 * dead. Its own scavenges come for each 32 MB, by when it may have marked the heap for what nobody has any more. So it is
 * asked to look earlier, but not on behalf of who keeps much for longer: what survives two scavenges is old, and freed by a
 * mark only.
 */
export class GivenMemory {
  readonly #young: YoungMemory
  #untilNext = GIVEN_BETWEEN
  /** The least that was counted after a scavenge since V8 was left alone. */
  #least = Infinity

  constructor(young: YoungMemory) {
    this.#young = young
  }

  /** So many bytes were given away. */
  note(bytes: number): void {
    this.#untilNext -= bytes
    if (this.#untilNext > 0) return
    this.#young.scavenge()
    const counted = this.#young.countedBytes()
    this.#least = Math.min(this.#least, counted)
    const isKept = counted - this.#least > KEPT
    this.#untilNext = isKept ? LEFT_ALONE : GIVEN_BETWEEN
    if (isKept) this.#least = Infinity
  }
}

/** Of this thread. */
export const givenMemory = new GivenMemory({
  scavenge,
  countedBytes: () => getHeapStatistics().external_memory,
})
