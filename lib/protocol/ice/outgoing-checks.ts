import type { TransportAddress } from '../../base/transport-address.ts'
import { sameAddress } from '../../base/transport-address.ts'
import type { DecodedStunMessage } from '../stun/message.ts'
import { MAX_LOCAL_PREFERENCE, candidatePriority } from './candidate.ts'
import type { AgreedRole } from './agreed-role.ts'
import type { CandidatePair } from './candidate-pair.ts'
import { CheckTransactions, MIN_CHECK_RTO_MS } from './check-transactions.ts'
import type { CheckTransaction, DueTransaction } from './check-transactions.ts'
import type { CheckKeys } from './connectivity-check.ts'
import { encodeCheck, readCheckAnswer } from './connectivity-check.ts'
import { CONSENT_TIMEOUT_MS } from './consent.ts'
import type { IceAgentOptions, IceCounters, IceEffect } from './ice-agent-options.ts'

/** What came of a check of ours. */
export interface CheckOutcome {
  readonly transaction: CheckTransaction
  readonly kind: 'success' | 'role-conflict' | 'error'
}

/** The checks that an agent sends, and what answers them (RFC 8445 §7.2). */
export class OutgoingChecks {
  /** Both sides' keys, once the peer's are known; without, nothing is sent. */
  keys: CheckKeys | undefined
  readonly #options: Required<IceAgentOptions>
  readonly #role: AgreedRole
  readonly #counters: IceCounters
  readonly #emit: (effect: IceEffect) => void
  readonly #transactions = new CheckTransactions()
  #left: number
  #nextMs = -Infinity

  constructor(
    options: Required<IceAgentOptions>,
    role: AgreedRole,
    counters: IceCounters,
    emit: (effect: IceEffect) => void,
  ) {
    this.#options = options
    this.#role = role
    this.#counters = counters
    this.#emit = emit
    this.#left = options.maxChecks
  }

  get isUsedUp(): boolean {
    return this.#left <= 0
  }

  /** When the next repetition is due. */
  get nextDueMs(): number | undefined {
    return this.#transactions.nextDueMs
  }

  /** When a new check may go out; undefined while none may. */
  get nextStartMs(): number | undefined {
    return this.keys === undefined || this.isUsedUp ? undefined : this.#nextMs
  }

  has(pair: CandidatePair, purpose: CheckTransaction['purpose']): boolean {
    return this.#transactions.has(pair, purpose)
  }

  /** A check that counts: one each Ta (RFC 8445 §6.1.4.2). */
  startPaced(pair: CandidatePair, inProgressCount: number, nowMs: number): void {
    this.#left--
    this.#nextMs = nowMs + this.#options.paceMs
    this.start(pair, 'check', inProgressCount, nowMs)
  }

  start(
    pair: CandidatePair,
    purpose: CheckTransaction['purpose'],
    inProgressCount: number,
    nowMs: number,
  ): void {
    if (this.keys === undefined) return
    const role = this.#role.current
    const id = this.#options.randomBytes(12)
    const bytes = encodeCheck(this.keys, {
      transactionId: id,
      role,
      tieBreaker: this.#role.tieBreaker,
      priority: candidatePriority('prflx', localPreference(pair)),
      useCandidate: purpose === 'nomination' && role === 'controlling',
    })
    const paced = this.#options.paceMs * inProgressCount
    const rtoMs = purpose === 'consent' ? CONSENT_TIMEOUT_MS : Math.max(MIN_CHECK_RTO_MS, paced)
    const transaction = { id, pair, purpose, bytes, rtoMs, sentMs: nowMs }
    this.#transactions.add(transaction)
    this.#send(transaction)
  }

  /** Repeats what is due; answers the checks that are over. */
  repeat(nowMs: number): readonly CheckTransaction[] {
    const due: readonly DueTransaction[] = this.#transactions.takeDue(nowMs)
    for (const { transaction, isOver } of due) if (!isOver) this.#send(transaction)
    return due.filter(({ isOver }) => isOver).map(({ transaction }) => transaction)
  }

  /** What a response means (RFC 8445 §7.2.5); undefined when the peer did not make it, or nobody asked. */
  answered(message: DecodedStunMessage, socket: number, from: TransportAddress): CheckOutcome | undefined {
    const transaction = this.#transactions.find(message.transactionId)
    if (transaction === undefined || this.keys === undefined) return undefined
    const answer = readCheckAnswer(message, this.keys.remoteKey)
    if (answer === undefined) return undefined
    this.#transactions.finish(transaction)
    const { pair } = transaction
    // RFC 8445 §7.2.5.2.1: an answer comes from where the check went, to where it came from.
    const isSymmetric = socket === pair.local.socket && sameAddress(from, pair.remote.address)
    return { transaction, kind: isSymmetric ? answer.kind : 'error' }
  }

  /** Repeats the checks of a pair no more; they may still be answered. */
  cancel(pair: CandidatePair): void {
    this.#transactions.cancel(pair)
  }

  /** Forgets the checks of a pair that is over. */
  drop(pair: CandidatePair): void {
    this.#transactions.drop(pair)
  }

  /** Forgets everything but the pace. */
  clear(): void {
    this.keys = undefined
    this.#transactions.clear()
    this.#left = this.#options.maxChecks
  }

  #send({ pair, bytes }: Pick<CheckTransaction, 'pair' | 'bytes'>): void {
    this.#counters.checksSent++
    this.#emit({ kind: 'send', socket: pair.local.socket, bytes, to: pair.remote.address })
  }
}

/** That of the local candidate, which its priority holds (RFC 8445 §5.1.2.1). */
function localPreference(pair: CandidatePair): number {
  return Math.min(MAX_LOCAL_PREFERENCE, (pair.local.priority >>> 8) & 0xffff)
}
