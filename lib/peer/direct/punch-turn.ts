import { delay } from '../../base/deadline.ts'
import type { Runtime } from '../../base/runtime.ts'
import { chooseRecipe, isStorm } from '../../protocol/punch/punch-recipe.ts'
import { natKey } from '../../protocol/punch/recipe-memory.ts'
import type { RecipeOutcome } from '../../protocol/punch/recipe-memory.ts'
import { MAX_STORM_WAIT_MS } from '../../protocol/punch/storm-budget.ts'
import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'
import type { AttemptContext } from './direct-attempt.ts'
import type { DirectTools } from './direct-tools.ts'

/** What of a search decides about its turn. */
export interface TurnScene {
  readonly tools: Pick<DirectTools, 'storms' | 'memory'> & { readonly runtime: Pick<Runtime, 'clock'> }
  readonly context: Pick<AttemptContext, 'isControlling'>
  /** Ends the search. */
  readonly signal: AbortSignal
}

/** What a punch that waits for its turn has to know. */
export interface TurnOptions {
  /** False when another way was faster. */
  readonly isNeeded: () => boolean
  /** Resolves with the first message of the peer's punch, or when the search is over. */
  readonly peerHasBegun: Promise<unknown>
  /** Tells the caller how long it has to wait for us. */
  readonly tellLater: (waitMs: number) => void
}

/** Takes what came of the recipe. */
export type NoteOutcome = (outcome: RecipeOutcome) => void

/** Ours: a storm waits for what ICE finds at once, in a LAN or over IPv6. */
const STORM_DELAY_MS = 500

/**
 * Waits until the recipe for two networks may begin; undefined: not this time. Cheap ones begin at once. Storms have one
 * turn in 20 s, a patience of their own where they were in vain, and begin when the caller does: the called side waits for
 * its first message, and has it wait where our turn comes later.
 */
export async function punchTurn(
  { tools, context, signal }: TurnScene,
  ours: NatSummary,
  theirs: NatSummary,
  { isNeeded, peerHasBegun, tellLater }: TurnOptions,
): Promise<NoteOutcome | undefined> {
  const { storms, memory, runtime } = tools
  const { clock } = runtime
  const { name } = chooseRecipe(ours.behavior, theirs.behavior, context.isControlling)
  if (name === 'none') return () => undefined // it is begun all the same, and says so in its counters
  const pair = { ours: keyOf(ours), theirs: keyOf(theirs) }
  const note = (outcome: RecipeOutcome) => memory.note(pair, name, outcome, clock.nowMs())
  if (!isStorm(name)) return isNeeded() ? note : undefined
  if (context.isControlling) {
    const { startAtOnce, notBeforeMs } = memory.advice(pair, name, clock.nowMs())
    if (notBeforeMs > clock.nowMs()) return undefined
    if (!startAtOnce) await delay(clock, STORM_DELAY_MS, signal)
  } else await peerHasBegun
  if (!isNeeded()) return undefined
  const waitMs = storms.take(clock.nowMs())
  if (waitMs > 0 && !context.isControlling) tellLater(waitMs)
  if (waitMs > MAX_STORM_WAIT_MS) return undefined
  if (waitMs > 0) await delay(clock, waitMs, signal)
  return isNeeded() ? note : undefined
}

/** Waits as long as the peer asks for, with the turn that we have; false: that is too long for this time. */
export async function awaitPeersTurn({ tools, signal }: TurnScene, waitMs: number): Promise<boolean> {
  const { storms, runtime } = tools
  const { clock } = runtime
  if (waitMs > MAX_STORM_WAIT_MS) return false
  storms.postpone(clock.nowMs(), waitMs)
  await delay(clock, waitMs, signal)
  return true
}

function keyOf({ publicIps, behavior }: NatSummary): string {
  return natKey(publicIps[0] ?? '', behavior)
}
