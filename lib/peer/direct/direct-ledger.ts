import type { TriedSummary } from '../../protocol/signaling/direct-message.ts'
import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'
import type { DirectReport } from './direct-report.ts'
import { predictionOf } from './direct-report.ts'

/** Everything that is known of direct paths to one peer, kept for whoever asks why there is none. */
export class DirectLedger {
  readonly #hasDirectPath: () => boolean
  readonly #onReport: (report: DirectReport) => void
  #state: 'trying' | 'over' | 'unsupported' = 'trying'
  #attempts = 0
  #ours: NatSummary | undefined
  #theirs: NatSummary | undefined
  #tried: TriedSummary | undefined
  #triedByPeer: TriedSummary | undefined
  #retryInMs: number | undefined

  constructor(hasDirectPath: () => boolean, onReport: (report: DirectReport) => void) {
    this.#hasDirectPath = hasDirectPath
    this.#onReport = onReport
  }

  get report(): DirectReport {
    return {
      state: this.#reportedState(),
      attempts: this.#attempts,
      ours: this.#ours,
      theirs: this.#theirs,
      prediction: predictionOf(this.#ours, this.#theirs),
      tried: this.#tried,
      triedByPeer: this.#triedByPeer,
      retryInMs: this.#retryInMs,
    }
  }

  began(attempt: number): void {
    this.#state = 'trying'
    this.#attempts = attempt
    this.#retryInMs = undefined
  }

  measured(ours: NatSummary): void {
    this.#ours = ours
  }

  heard(theirs: NatSummary): void {
    this.#theirs = theirs
  }

  peerIsOver(tried: TriedSummary): void {
    this.#triedByPeer = tried
    if (this.#state === 'over') this.#onReport(this.report)
  }

  isOver(tried: TriedSummary, retryInMs: number | undefined): void {
    this.#state = 'over'
    this.#tried = tried
    this.#retryInMs = retryInMs
    this.#onReport(this.report)
  }

  unsupported(): void {
    this.#state = 'unsupported'
    this.#onReport(this.report)
  }

  #reportedState(): DirectReport['state'] {
    if (this.#hasDirectPath()) return 'direct'
    return this.#state === 'over' ? 'relayed' : this.#state
  }
}
