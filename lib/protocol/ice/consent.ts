import type { CandidatePair } from './candidate-pair.ts'

/** RFC 7675 §5.1: consent is over this long after it was last given. */
export const CONSENT_TIMEOUT_MS = 30_000
/** RFC 7675 §5.1: checks go out every 5 s, each gap drawn from 0.8 to 1.2 times that. */
export const CONSENT_INTERVAL_MS = 5000

/** Whether the peer still wants our packets on one pair (RFC 7675). */
export class Consent {
  readonly pair: CandidatePair
  #givenMs: number
  #checkMs: number

  /** @param chance 0 to 1, drawn for each gap */
  constructor(pair: CandidatePair, nowMs: number, chance: number) {
    this.pair = pair
    this.#givenMs = nowMs
    this.#checkMs = nowMs + gapMs(chance)
  }

  get deadlineMs(): number {
    return Math.min(this.#checkMs, this.#givenMs + CONSENT_TIMEOUT_MS)
  }

  renew(nowMs: number): void {
    this.#givenMs = nowMs
  }

  /** What is due: a check to send, or the end. */
  due(nowMs: number, chance: number): 'check' | 'lost' | undefined {
    if (nowMs >= this.#givenMs + CONSENT_TIMEOUT_MS) return 'lost'
    if (nowMs < this.#checkMs) return undefined
    this.#checkMs = nowMs + gapMs(chance)
    return 'check'
  }
}

function gapMs(chance: number): number {
  return CONSENT_INTERVAL_MS * (0.8 + 0.4 * chance)
}
