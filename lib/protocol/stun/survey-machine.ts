import type { Machine } from '../../base/machine.ts'
import type { AddressFamily } from '../../base/transport-address.ts'
import type { UdpEffect, UdpInput } from './nat-survey.ts'
import { NatSurvey } from './nat-survey.ts'

/** `news`: something became known. `done`: nothing more will; close the sockets. */
export type SurveyEffect = UdpEffect | { readonly kind: 'news' } | { readonly kind: 'done' }

export interface SurveyOptions {
  readonly family: AddressFamily
  /** 12 random bytes each time (RFC 8489 §5). */
  readonly newTransactionId: () => Uint8Array
  /** The machine ends with what it knows after this time. */
  readonly budgetMs: number
}

/** The common frame of all machines that ask STUN questions: start, time budget, drain, end. */
export abstract class SurveyMachine implements Machine<UdpInput, SurveyEffect> {
  protected readonly survey: NatSurvey
  protected readonly newTransactionId: () => Uint8Array
  readonly #budgetMs: number
  readonly #news: SurveyEffect[] = []
  #startMs: number | undefined
  #isDone = false
  #lastMs = 0

  constructor(options: SurveyOptions) {
    this.survey = new NatSurvey(options.family, options.newTransactionId)
    this.newTransactionId = options.newTransactionId
    this.#budgetMs = options.budgetMs
  }

  get isDone(): boolean {
    return this.#isDone
  }

  handle(input: UdpInput, nowMs: number): void {
    if (this.#isDone) return
    if (input.kind === 'start' && this.#startMs === undefined) {
      this.#startMs = nowMs
      this.begin(nowMs)
    }
    this.survey.handle(input, nowMs)
    this.handleTimeout(nowMs)
  }

  handleTimeout(nowMs: number): void {
    if (this.#isDone || this.#startMs === undefined) return
    this.#lastMs = nowMs
    this.survey.fire(nowMs)
    if (this.isFinished(nowMs) || nowMs >= this.#startMs + this.#budgetMs) {
      this.#isDone = true
      this.#news.push({ kind: 'done' })
      return
    }
    // What isFinished asked just now is sent in the same turn.
    this.survey.fire(nowMs)
  }

  get deadlineMs(): number | undefined {
    if (this.#isDone || this.#startMs === undefined) return undefined
    let next = this.#startMs + this.#budgetMs
    const shotMs = this.survey.nextShotMs
    if (shotMs !== undefined && shotMs < next) next = shotMs
    for (const time of this.lookTimes(this.#lastMs)) {
      // What lies behind has been looked at; a timer for it would fire for ever.
      if (time !== undefined && time > this.#lastMs && time < next) next = time
    }
    return next
  }

  poll(): SurveyEffect | undefined {
    return this.survey.poll() ?? this.#news.shift()
  }

  /** Asks the first questions. */
  protected abstract begin(nowMs: number): void

  /** Draws conclusions, asks what follows from them, and says whether all is known. Called after every event. */
  protected abstract isFinished(nowMs: number): boolean

  /** Times after `afterMs` at which time alone may change what {@link isFinished} answers; earlier ones are ignored. */
  protected abstract lookTimes(afterMs: number): readonly (number | undefined)[]

  protected publishNews(): void {
    this.#news.push({ kind: 'news' })
  }
}
