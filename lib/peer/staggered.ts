import type { Clock } from '../base/runtime.ts'
import { climb } from '../ways/climb.ts'

/** How a second way is tried behind a first one. */
export interface StaggeredOptions<T> {
  readonly clock: Clock
  /** The second begins this long after the first, or as soon as that has failed. */
  readonly headStartMs: number
  readonly signal: AbortSignal
  /** For a result that comes although the other way has won. */
  readonly discard: (surplus: T) => void
  /** Of two failures, the one to tell. */
  readonly moreTelling: (one: unknown, other: unknown) => unknown
}

type Way<T> = (signal: AbortSignal) => Promise<T>

/**
 * Whichever of two ways succeeds first; the other is aborted. The winner's signal does not fire: what it began may listen
 * to it for a while yet.
 * @throws when both have failed; the signal's reason
 */
export async function staggered<T>(first: Way<T>, second: Way<T>, options: StaggeredOptions<T>): Promise<T> {
  const { clock, headStartMs, signal, discard, moreTelling } = options
  const outcome = await climb({
    ...{ clock, signal, discard, rungs: [first, second], delayMs: headStartMs },
    attempt: (way, { signal: during }) => way(during),
  })
  if (outcome.kind === 'up') return outcome.value
  signal.throwIfAborted()
  throw outcome.failures.reduce<unknown>((told, { error }) => moreTelling(told, error), undefined)
}
