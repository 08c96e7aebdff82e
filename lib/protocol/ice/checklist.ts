import type { Candidate, LocalCandidate } from './candidate.ts'
import { candidatePair, canPair, pairKey, pairPriority } from './candidate-pair.ts'
import type { CandidatePair, IceRole } from './candidate-pair.ts'

/** RFC 8445 §6.1.2.5: the recommended limit. */
export const MAX_PAIRS = 100

/** The pairs of one stream, best first, and which of them is checked next (RFC 8445 §6.1.2, RFC 8838 §10-12). */
export class Checklist {
  readonly #pairs = new Map<string, CandidatePair>()
  /** Pairs whose peer has just been heard: they go first (RFC 8445 §6.1.4.1). */
  readonly #triggered: CandidatePair[] = []
  readonly #maxPairs: number

  constructor(maxPairs = MAX_PAIRS) {
    this.#maxPairs = maxPairs
  }

  /** All pairs, best first. */
  get pairs(): readonly CandidatePair[] {
    return [...this.#pairs.values()].sort(byPriority)
  }

  /** True while a pair may still succeed without another candidate. */
  get isActive(): boolean {
    for (const { state } of this.#pairs.values()) {
      if (state !== 'succeeded' && state !== 'failed') return true
    }
    return false
  }

  get inProgressCount(): number {
    let count = 0
    for (const { state } of this.#pairs.values()) if (state === 'in-progress') count++
    return count
  }

  /** The pair that sends from this socket to this address. */
  find(socket: number, remote: Candidate['address']): CandidatePair | undefined {
    return this.#pairs.get(pairKey(socket, remote))
  }

  /**
   * Adds a pair, unless the two don't fit, one with the same base and remote is there (pruning, RFC 8445 §6.1.2.4), or
   * the list is full of better ones. A full list gives up its worst pair that has not been checked.
   */
  add(role: IceRole, local: LocalCandidate, remote: Candidate): CandidatePair | undefined {
    if (!canPair(local, remote)) return undefined
    const pair = candidatePair(role, local, remote)
    if (this.#pairs.has(pair.key)) return undefined
    if (this.#pairs.size >= this.#maxPairs && !this.#makeRoom(pair.priority)) return undefined
    pair.state = this.#startsWaiting(pair) ? 'waiting' : 'frozen'
    this.#pairs.set(pair.key, pair)
    return pair
  }

  /** Puts a pair to the front: its peer has sent us a check (RFC 8445 §7.3.1.4). */
  trigger(pair: CandidatePair): void {
    if (this.#triggered.includes(pair)) return
    pair.state = 'waiting'
    this.#triggered.push(pair)
  }

  /** The pair to check now; it becomes In-Progress. Undefined when none is due. */
  next(): CandidatePair | undefined {
    const pair = this.#triggered.shift() ?? this.#best('waiting') ?? this.#bestThawable()
    if (pair !== undefined) pair.state = 'in-progress'
    return pair
  }

  /** True when {@link next} would answer a pair. */
  get hasNext(): boolean {
    return (
      this.#triggered.length > 0 || this.#best('waiting') !== undefined || this.#bestThawable() !== undefined
    )
  }

  /** A check of the pair went through: those like it may go on (RFC 8445 §7.2.5.3.3). */
  succeed(pair: CandidatePair): void {
    pair.state = 'succeeded'
    // The answer to a check that another was to take the place of.
    this.#forgetTriggered(pair)
    for (const other of this.#pairs.values()) {
      if (other.state === 'frozen' && other.foundation === pair.foundation) other.state = 'waiting'
    }
  }

  /** A check of the pair failed for good. */
  fail(pair: CandidatePair): void {
    pair.state = 'failed'
  }

  /** Takes the pairs of a socket that is closed out of the list. */
  removeSocket(socket: number): readonly CandidatePair[] {
    const gone = [...this.#pairs.values()].filter(({ local }) => local.socket === socket)
    for (const pair of gone) {
      this.#pairs.delete(pair.key)
      this.#forgetTriggered(pair)
    }
    return gone
  }

  /** New priorities after a repaired role conflict (RFC 8445 §7.3.1.1). */
  changeRole(role: IceRole): void {
    for (const pair of this.#pairs.values()) {
      pair.priority = pairPriority(role, pair.local.priority, pair.remote.priority)
    }
  }

  #forgetTriggered(pair: CandidatePair): void {
    const index = this.#triggered.indexOf(pair)
    if (index >= 0) this.#triggered.splice(index, 1)
  }

  #startsWaiting(pair: CandidatePair): boolean {
    const alike = [...this.#pairs.values()].filter(({ foundation }) => foundation === pair.foundation)
    return alike.every(({ state }) => state === 'failed') || alike.some(({ state }) => state === 'succeeded')
  }

  #makeRoom(priority: bigint): boolean {
    const worst = this.pairs.findLast(
      ({ state }) => state === 'frozen' || state === 'waiting' || state === 'failed',
    )
    if (worst === undefined || worst.priority >= priority || this.#triggered.includes(worst)) return false
    return this.#pairs.delete(worst.key)
  }

  /** RFC 8445 §6.1.4.2: a Frozen pair goes on when none of its kind is Waiting or In-Progress. */
  #bestThawable(): CandidatePair | undefined {
    const busy = new Set<string>()
    for (const { state, foundation } of this.#pairs.values()) {
      if (state === 'waiting' || state === 'in-progress') busy.add(foundation)
    }
    return this.#best('frozen', busy)
  }

  #best(state: CandidatePair['state'], except?: ReadonlySet<string>): CandidatePair | undefined {
    let best: CandidatePair | undefined
    for (const pair of this.#pairs.values()) {
      if (pair.state !== state || except?.has(pair.foundation) === true) continue
      if (best === undefined || pair.priority > best.priority) best = pair
    }
    return best
  }
}

function byPriority(a: CandidatePair, b: CandidatePair): number {
  return a.priority === b.priority ? 0 : a.priority > b.priority ? -1 : 1
}
