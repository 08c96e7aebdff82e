import type { Ready } from './punch-peer.ts'
import type { PunchRound } from './punch-round.ts'
import type { PunchVolley } from './punch-volley.ts'

/** How far a punch is. */
export type PunchPhase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'measuring'; readonly round: PunchRound }
  /** For the peer to be ready; the controlled side, for its "go" as well. */
  | { readonly kind: 'waiting'; readonly untilMs: number }
  /** Until "go" has reached the peer. */
  | { readonly kind: 'ready'; readonly startMs: number; readonly peer: Ready }
  | { readonly kind: 'firing'; readonly endMs: number; readonly volley: PunchVolley }
  | { readonly kind: 'nominating'; readonly endMs: number }
  | { readonly kind: 'connected' }
  | { readonly kind: 'failed' }

/** When a phase ends or has something to do; undefined while it waits for inputs alone. */
export function phaseDeadlineMs(phase: PunchPhase): number | undefined {
  switch (phase.kind) {
    case 'measuring':
      return phase.round.measurement.deadlineMs
    case 'waiting':
      return phase.untilMs
    case 'ready':
      return phase.startMs
    case 'firing':
      return Math.min(phase.endMs, phase.volley.dueMs ?? Infinity)
    case 'nominating':
      return phase.endMs
    default:
      return undefined
  }
}

/** Whether something may still come of it. */
export function isUnderWay({ kind }: PunchPhase): boolean {
  return kind !== 'idle' && kind !== 'connected' && kind !== 'failed'
}
