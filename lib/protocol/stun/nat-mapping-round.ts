import type { TransportAddress } from '../../base/transport-address.ts'
import { sameAddress } from '../../base/transport-address.ts'
import { mappedAddressOf } from './message.ts'
import type { Observation } from './nat-inference.ts'
import type { NatSurvey, Question } from './nat-survey.ts'

/** Ours: gaps before each retransmission while the round trip is unknown; the last shot leaves after 2.8 s. */
const FIRST_GAPS_MS = [100, 150, 250, 300, 400, 500, 500, 600] as const
const FIRST_MAX_SHOTS = FIRST_GAPS_MS.length + 1
/** Ours: a lost packet is sent again after two round trips, but no sooner than this. */
const RETRY_FLOOR_MS = 60

/** The gap to the next try for a question that is asked until answered. */
export function retryGapMs(shot: number, rttMs: number | undefined): number {
  if (rttMs === undefined) return FIRST_GAPS_MS[Math.min(shot, FIRST_GAPS_MS.length) - 1] ?? 600
  return Math.max(RETRY_FLOOR_MS, 2 * rttMs) * Math.min(1 + shot / 4, 2)
}

/**
 * Asks several destinations from one socket how they see it, and the first again at the end: if that answer differs,
 * the NAT changed its mind in between (rebinding, reboot, another uplink), and the round proves nothing.
 */
export class MappingRound {
  readonly socket: number
  readonly #survey: NatSurvey
  readonly #questions: Question[] = []
  #recheck: Question | undefined

  constructor(survey: NatSurvey) {
    this.#survey = survey
    this.socket = survey.openSocket()
  }

  /** Asks a destination once; the same destination again is the same question. */
  ask(to: TransportAddress, nowMs: number): Question {
    const known = this.questionTo(to)
    if (known !== undefined) return known
    const question = this.#survey.ask(
      { socket: this.socket, to, maxShots: FIRST_MAX_SHOTS, gapMs: retryGapMs },
      nowMs,
    )
    this.#questions.push(question)
    return question
  }

  questionTo(to: TransportAddress): Question | undefined {
    return this.#questions.find((question) => sameAddress(question.options.to, to))
  }

  get questions(): readonly Question[] {
    return this.#questions
  }

  get observations(): readonly Observation[] {
    return this.#questions.flatMap((question) => {
      const mapped = mappedBy(question)
      return mapped === undefined ? [] : [{ to: question.options.to, mapped }]
    })
  }

  /** Asks `to` once more; call when everything else is answered. */
  startRecheck(to: TransportAddress, nowMs: number): void {
    this.#recheck ??= this.#survey.ask(
      { socket: this.socket, to, maxShots: FIRST_MAX_SHOTS, gapMs: retryGapMs },
      nowMs,
    )
  }

  get isRechecking(): boolean {
    return this.#recheck !== undefined
  }

  /** `steady` and `drifted` are answers of the recheck; `open` means not yet, or never, answered. */
  recheckOutcome(nowMs: number): 'open' | 'steady' | 'drifted' | 'unanswered' {
    if (this.#recheck === undefined) return 'open'
    const before = this.questionTo(this.#recheck.options.to)
    const first = before === undefined ? undefined : mappedBy(before)
    const again = mappedBy(this.#recheck)
    if (first !== undefined && again !== undefined) return sameAddress(first, again) ? 'steady' : 'drifted'
    return this.#survey.isHopeless(this.#recheck, nowMs) ? 'unanswered' : 'open'
  }
}

/** The public address that a question's answer reports. */
export function mappedBy(question: Question): TransportAddress | undefined {
  const message = question.answer?.message
  return message?.class === 'success' ? mappedAddressOf(message) : undefined
}
