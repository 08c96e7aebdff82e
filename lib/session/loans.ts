import type { Borrower } from '../net/lending.ts'

/** Who got a chunk: somebody who says when it is not needed any more, somebody who keeps it for good, or nobody. */
export type Recipient = Borrower | 'keeper' | 'nobody'

/** Whether somebody still needs what was received last: while somebody does, nothing may be written there. */
export class Loans {
  /** Each once. A list, for a Set that is emptied with every packet takes memory among what V8 holds to be old. */
  readonly #borrowers: Borrower[] = []
  #isKept = false

  /** More is received, in memory that nobody has a part of yet. */
  begin(): void {
    this.#isKept = false
  }

  /** A chunk of what was received was given away. */
  gave(recipient: Recipient): void {
    if (recipient === 'keeper') this.#isKept = true
    else if (recipient !== 'nobody' && !this.#borrowers.includes(recipient)) this.#borrowers.push(recipient)
  }

  /** Asks for what was lent. */
  settle(): void {
    if (this.#borrowers.length === 0) return
    for (const borrower of this.#borrowers) if (!borrower.giveBack()) this.#isKept = true
    this.#borrowers.length = 0
  }

  /** Nobody needs what was received since `begin`, as far as it was given away. */
  get areSettled(): boolean {
    return !this.#isKept && this.#borrowers.length === 0
  }
}
