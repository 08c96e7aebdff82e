import type { CandidatePair } from './candidate-pair.ts'
import type { Checklist } from './checklist.ts'
import { Consent } from './consent.ts'

/**
 * Ours: a better pair that is being checked gets this long after the first that works. Pairs of one LAN answer within
 * it; a NAT's private addresses, which strangers pair with in vain, must not keep a working path waiting.
 */
const BETTER_PAIR_WAIT_MS = 200

/** Which pair is used: chosen by regular nomination (RFC 8445 §8.1.1), kept by consent (RFC 7675). */
export class PairSelection {
  readonly #chance: () => number
  #consent: Consent | undefined
  #waitUntilMs: number | undefined

  /** @param chance draws a number from 0 to 1 */
  constructor(chance: () => number) {
    this.#chance = chance
  }

  /** The pair in use. */
  get current(): CandidatePair | undefined {
    return this.#consent?.pair
  }

  get deadlineMs(): number | undefined {
    return this.#consent?.deadlineMs ?? this.#waitUntilMs
  }

  /**
   * The pair that a controlling agent should nominate now. While one is in use there is none: another takes a restart
   * (RFC 8445 §8.1.1).
   */
  candidate(checklist: Checklist, nowMs: number): CandidatePair | undefined {
    if (this.#consent !== undefined) return undefined
    const { pairs } = checklist
    const best = pairs.find(({ state }) => state === 'succeeded')
    if (best === undefined) return undefined
    this.#waitUntilMs ??= nowMs + BETTER_PAIR_WAIT_MS
    const isBestOfAll = pairs.every(({ state, priority }) => state === 'failed' || priority <= best.priority)
    if (!isBestOfAll && nowMs < this.#waitUntilMs) return undefined
    this.#waitUntilMs = undefined
    return best
  }

  /** Takes the best pair that is nominated and works into use; answers it when that is news. */
  select(checklist: Checklist, nowMs: number): CandidatePair | undefined {
    const best = checklist.pairs.find((pair) => pair.nominated && pair.state === 'succeeded')
    if (best === undefined || best === this.current) return undefined
    this.#consent = new Consent(best, nowMs, this.#chance())
    return best
  }

  /** The peer answered on a pair. */
  renew(pair: CandidatePair, nowMs: number): void {
    if (this.current === pair) this.#consent?.renew(nowMs)
  }

  /** What consent demands now. */
  consentDue(nowMs: number): 'check' | 'lost' | undefined {
    return this.#consent?.due(nowMs, this.#chance())
  }

  /** Gives the pair in use up. */
  clear(): void {
    this.#consent = undefined
    this.#waitUntilMs = undefined
  }
}
