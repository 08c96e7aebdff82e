import { ReachError } from '../../base/errors.ts'
import { decodeOpen, MAX_OPEN_LENGTH, OPEN_PREFIX_LENGTH, openLength } from './open-header.ts'
import type { OpenHeader } from './open-header.ts'

/** What an {@link OpenReader} has found out. */
export type OpenRead =
  | { readonly kind: 'collecting' }
  | { readonly kind: 'open'; readonly open: OpenHeader }
  | { readonly kind: 'bad' }

const COLLECTING: OpenRead = { kind: 'collecting' }
const BAD: OpenRead = { kind: 'bad' }

/**
 * Collects the OPEN of one payload after another, however they are cut. One is enough: frames don't interleave. The same
 * bytes again, as when many streams lead to one service, are not read again.
 */
export class OpenReader {
  readonly #held = new Uint8Array(MAX_OPEN_LENGTH)
  #filled = 0
  #needed = OPEN_PREFIX_LENGTH
  #read: OpenRead = COLLECTING
  /** What the first bytes held were read as, and how many they were; 0: nothing. */
  #known: OpenRead = BAD
  #knownLength = 0

  /** What is known so far. */
  get read(): OpenRead {
    return this.#read
  }

  /** The length of the OPEN that was read last. */
  get length(): number {
    return this.#filled
  }

  /** Forgets the last one. */
  restart(): void {
    this.#filled = 0
    this.#needed = OPEN_PREFIX_LENGTH
    this.#read = COLLECTING
  }

  /** Takes the next bytes of the payload. @returns how many of them belong to OPEN */
  push(bytes: Uint8Array): number {
    if (this.#filled === 0 && this.#isKnown(bytes)) {
      this.#filled = this.#knownLength
      this.#read = this.#known
      return this.#filled
    }
    this.#knownLength = 0 // it is overwritten
    let at = 0
    while (this.#read.kind === 'collecting' && at < bytes.length) {
      const taken = Math.min(this.#needed - this.#filled, bytes.length - at)
      this.#held.set(bytes.subarray(at, at + taken), this.#filled)
      this.#filled += taken
      at += taken
      if (this.#filled === this.#needed) this.#advance()
    }
    return at
  }

  #isKnown(bytes: Uint8Array): boolean {
    const length = this.#knownLength
    if (length === 0 || bytes.length < length) return false
    for (let i = 0; i < length; i++) if (bytes[i] !== this.#held[i]) return false
    return true
  }

  #learn(open: OpenHeader): void {
    this.#read = { kind: 'open', open }
    this.#known = this.#read
    this.#knownLength = this.#filled
  }

  /** The length is known, or all of it is there. */
  #advance(): void {
    try {
      const whole = this.#held.subarray(0, this.#filled)
      const length = openLength(whole)
      if (length > this.#filled) this.#needed = length
      else this.#learn(decodeOpen(whole))
    } catch (error) {
      if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
      this.#read = BAD
    }
  }
}
