import type { DiagnoseReport, PairPrediction, PredictedResult, VerdictClass } from '../../lib/index.ts'
import { isAnythingReachable } from '../../lib/index.ts'
import type { Tone } from './fact-line.ts'

export interface VerdictWords {
  readonly title: string
  readonly tone: 'good' | 'fair' | 'bad'
}

const VERDICTS: Readonly<Record<VerdictClass, VerdictWords>> = {
  open: { title: 'Open', tone: 'good' },
  easy: { title: 'Easy', tone: 'good' },
  hard: { title: 'Hard', tone: 'fair' },
  blocked: { title: 'Blocked', tone: 'bad' },
  offline: { title: 'Offline', tone: 'bad' },
}

/** The one word for a verdict's class. */
export function verdictWords(verdict: VerdictClass): VerdictWords {
  return VERDICTS[verdict]
}

/** What to say when the report has no remedy. */
export function noRemedyWords(verdict: VerdictClass): string {
  return verdict === 'open' || verdict === 'easy'
    ? 'Nothing: this network is good for direct connections as it is.'
    : 'Nothing that this diagnosis knows of.'
}

export interface ResultWords {
  readonly words: string
  readonly tone: Tone
}

const RESULTS: Readonly<Record<PredictedResult, ResultWords>> = {
  direct: { words: 'direct', tone: 'good' },
  'direct-birthday': { words: 'direct, after a search', tone: 'fair' },
  relay: { words: 'only by relay', tone: 'bad' },
}

/** How a connection would go, in words. */
export function resultWords(prediction: PairPrediction): ResultWords {
  return RESULTS[prediction.result]
}

/** What the short names in {@link PairPrediction.peerNat} stand for. */
export const SHORT_NAMES: readonly (readonly [name: string, meaning: string])[] = [
  ['EIM', 'one public port for every destination'],
  ['APDM', 'another public port for each destination'],
  ['EIF', 'anybody can answer'],
  ['ADF', 'only addresses that were sent to can answer'],
  ['APDF', 'only addresses and ports that were sent to can answer'],
]

/** Predictions mean nothing while no server was reached at all. */
export function meaningfulPredictions(report: DiagnoseReport): readonly PairPrediction[] {
  return isAnythingReachable(report) ? report.prediction : []
}

/** Instead of predictions where there are none. */
export const NO_PREDICTIONS = 'Nothing can be said about peers while this host reaches no server.'

/** Predictions that follow each other and come out alike, for the same reason. */
export interface PredictionGroup {
  readonly first: PairPrediction
  readonly peers: readonly PairPrediction[]
}

/** Joins neighbours that say the same, so that the reason is read once. */
export function groupPredictions(predictions: readonly PairPrediction[]): readonly PredictionGroup[] {
  const groups: { first: PairPrediction; peers: PairPrediction[] }[] = []
  for (const one of predictions) {
    const last = groups.at(-1)
    const { first } = last ?? {}
    const isAlike =
      first?.result === one.result && first.why === one.why && first.confidence === one.confidence
    if (last !== undefined && isAlike) last.peers.push(one)
    else groups.push({ first: one, peers: [one] })
  }
  return groups
}
