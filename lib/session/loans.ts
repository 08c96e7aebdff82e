import type { Borrower } from '../net/lending.ts'

/** Who got a chunk: somebody who says when it is not needed any more, somebody who keeps it for good, or nobody. */
export type Recipient = Borrower | 'keeper' | 'nobody'

/** Whether somebody still needs what was received last: while somebody does, nothing may be written there. */
export class Loans {
  /** As they got chunks; no Set, which would have V8 look after its heap each time that it is emptied (docs/architecture.md). */
  readonly #borrowers: Borrower[] = []
  #isKept = false

  /** More is received, in memory that nobody has a part of yet. */
  begin(): void {
    this.#isKept = false
  }

  /** A chunk of what was received was given away. */
  gave(recipient: Recipient): void {
    if (recipient === 'keeper') this.#isKept = true
    else if (recipient !== 'nobody' && this.#borrowers.at(-1) !== recipient) this.#borrowers.push(recipient)
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
