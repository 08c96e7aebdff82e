import { ReachError } from '../../base/errors.ts'

const NEWLINE = 0x0a

/** Cuts a byte stream into lines, which end in a newline. Holds at most one line. */
export class LineReader {
  readonly #maxLength: number
  #held: Uint8Array = new Uint8Array(0)

  /** @param maxLength in bytes, without the newline */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** The lines that are whole now, as UTF-8 text. @throws {ReachError} ERR_REACH_DECODE for one that is too long */
  *push(chunk: Uint8Array): Generator<string> {
    let rest: Uint8Array = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = new Uint8Array(0)
    for (let at = rest.indexOf(NEWLINE); at >= 0; at = rest.indexOf(NEWLINE)) {
      this.#check(at)
      yield Buffer.from(rest.subarray(0, at)).toString('utf8')
      rest = rest.subarray(at + 1)
    }
    this.#check(rest.length)
    this.#held = Uint8Array.from(rest)
  }

  #check(length: number): void {
    if (length > this.#maxLength)
      throw new ReachError('ERR_REACH_DECODE', `a line of ${length} bytes or more`)
  }
}
