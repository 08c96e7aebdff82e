import type { PredictedOutcome } from '../../protocol/ice/pair-prediction.ts'
import { predictPair } from '../../protocol/ice/pair-prediction.ts'
import type { TriedSummary } from '../../protocol/signaling/direct-message.ts'
import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'

/** How it stands with direct paths to one peer: what `ping` says when a connection stays relayed. */
export interface DirectReport {
  /**
   * `trying`: an attempt is under way. `direct`: there is a direct path. `relayed`: all that was tried has failed, and is
   * tried again later. `unsupported`: the peer takes no part.
   */
  readonly state: 'trying' | 'direct' | 'relayed' | 'unsupported'
  /** Attempts so far, the one under way included. */
  readonly attempts: number
  /** Our network over IPv4 as measured; undefined while it is not known. */
  readonly ours: NatSummary | undefined
  /** The peer's, as it says. */
  readonly theirs: NatSummary | undefined
  /** What is to be expected of the two; undefined while either is not known. */
  readonly prediction: PredictedOutcome | undefined
  /** What we have tried in the last attempt that is over. */
  readonly tried: TriedSummary | undefined
  /** What the peer has tried, as it says. */
  readonly triedByPeer: TriedSummary | undefined
  /** When it will be tried again, in ms from now; undefined: when something changes. */
  readonly retryInMs: number | undefined
}

/** Expectation for two networks, from both sides' measurements. */
export function predictionOf(
  ours: NatSummary | undefined,
  theirs: NatSummary | undefined,
): PredictedOutcome | undefined {
  if (ours === undefined || theirs === undefined) return undefined
  return predictPair(ours, theirs)
}
