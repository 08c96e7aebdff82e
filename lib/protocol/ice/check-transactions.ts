import { transactionKey } from '../stun/message.ts'
import type { CandidatePair } from './candidate-pair.ts'

/** RFC 8445 §14.3: the least retransmission timeout. */
export const MIN_CHECK_RTO_MS = 500
/** RFC 8489 §6.2.1 has 7; the last wait makes 6 of them take as long as a person waits: 23.5 s. */
const MAX_SENDS = 6
/** RFC 8489 §6.2.1, Rm: the last transmission is waited for this many times the first timeout. */
const LAST_WAIT_FACTOR = 16

/** A check that is under way. */
export interface CheckTransaction {
  readonly id: Uint8Array
  readonly pair: CandidatePair
  readonly purpose: 'check' | 'nomination' | 'consent'
  readonly bytes: Uint8Array
  readonly rtoMs: number
  /** When it was sent first: what answers a repetition makes the round trip look longer, never shorter. */
  readonly sentMs: number
  sends: number
  dueMs: number
  /** Another check has taken its place: it is not repeated, and its end says nothing (RFC 8445 §7.3.1.4). */
  isCancelled: boolean
}

/** What is due of a transaction: send it again, or give it up. */
export interface DueTransaction {
  readonly transaction: CheckTransaction
  readonly isOver: boolean
}

/** The checks that wait for an answer, and their repetitions (RFC 8489 §6.2.1). */
export class CheckTransactions {
  readonly #open = new Map<string, CheckTransaction>()

  get nextDueMs(): number | undefined {
    let next: number | undefined
    for (const { dueMs } of this.#open.values()) if (next === undefined || dueMs < next) next = dueMs
    return next
  }

  add(transaction: Omit<CheckTransaction, 'sends' | 'dueMs' | 'isCancelled'>): void {
    const { id, sentMs, rtoMs } = transaction
    this.#open.set(transactionKey(id), {
      ...transaction,
      sends: 1,
      dueMs: sentMs + rtoMs,
      isCancelled: false,
    })
  }

  /** The transaction that a response belongs to; it stays until {@link finish}. */
  find(id: Uint8Array): CheckTransaction | undefined {
    return this.#open.get(transactionKey(id))
  }

  finish(transaction: CheckTransaction): void {
    this.#open.delete(transactionKey(transaction.id))
  }

  has(pair: CandidatePair, purpose: CheckTransaction['purpose']): boolean {
    return [...this.#open.values()].some((open) => open.pair === pair && open.purpose === purpose)
  }

  /** Takes what is due; those that are over are forgotten. A consent check is never repeated (RFC 7675 §5.1). */
  takeDue(nowMs: number): readonly DueTransaction[] {
    const due: DueTransaction[] = []
    for (const [key, transaction] of this.#open) {
      if (transaction.dueMs > nowMs) continue
      if (transaction.isCancelled) {
        this.#open.delete(key)
        continue
      }
      const isOver = transaction.sends >= MAX_SENDS || transaction.purpose === 'consent'
      if (isOver) this.#open.delete(key)
      else repeat(transaction, nowMs)
      due.push({ transaction, isOver })
    }
    return due
  }

  /** Stops the check of a pair; what answers it still counts, while it would have waited for that. */
  cancel(pair: CandidatePair): void {
    for (const transaction of this.#open.values()) {
      if (transaction.pair === pair && transaction.purpose === 'check') transaction.isCancelled = true
    }
  }

  /** Forgets the transactions of a pair that is over. */
  drop(pair: CandidatePair): void {
    for (const [key, transaction] of this.#open) if (transaction.pair === pair) this.#open.delete(key)
  }

  clear(): void {
    this.#open.clear()
  }
}

function repeat(transaction: CheckTransaction, nowMs: number): void {
  transaction.sends++
  const isLast = transaction.sends === MAX_SENDS
  const factor = isLast ? LAST_WAIT_FACTOR : 2 ** (transaction.sends - 1)
  transaction.dueMs = nowMs + transaction.rtoMs * factor
}
