import type { NatBehavior } from '../../base/nat-behavior.ts'
import type { RecipeName } from './punch-recipe.ts'
import { isStorm } from './punch-recipe.ts'

/** Which two NATs a punch was between: keys that `natKey` makes, or any other words for them. */
export interface NatPair {
  readonly ours: string
  readonly theirs: string
}

/** What came of a recipe. */
export type RecipeOutcome = 'direct' | 'failed'

/** When a recipe should be tried. */
export interface RecipeAdvice {
  /** It is worth beginning without waiting for cheaper ways to fail. */
  readonly startAtOnce: boolean
  /** Not before this time; the present where nothing speaks against it. */
  readonly notBeforeMs: number
}

/** Ours: pairs that are remembered; a busy peer meets fewer NATs than that between two restarts. */
export const MAX_REMEMBERED_PAIRS = 256
/** Ours: after one storm in vain a person may try once more; after some, only a change of networks will help. */
const FIRST_BACKOFF_MS = 60_000
const MAX_BACKOFF_MS = 3_600_000

interface Memory {
  hasWorked: boolean
  /** In a row, since it last worked. */
  failures: number
  failedMs: number
}

/** What worked between our NAT and a peer's, and what did not: decides the order of recipes and how often storms are tried. */
export class RecipeMemory {
  /** The pair that was met last is the last. */
  readonly #pairs = new Map<string, Map<RecipeName, Memory>>()

  /** Pairs that are remembered. */
  get size(): number {
    return this.#pairs.size
  }

  /** Takes what came of a recipe; the pair that was met longest ago is forgotten for a new one. */
  note(pair: NatPair, recipe: RecipeName, outcome: RecipeOutcome, nowMs: number): void {
    const memories = this.#touch(pair)
    const { hasWorked = false, failures = 0 } = memories.get(recipe) ?? {}
    const isDirect = outcome === 'direct'
    memories.set(recipe, {
      hasWorked: hasWorked || isDirect,
      failures: isDirect ? 0 : failures + 1,
      failedMs: nowMs,
    })
  }

  /** Whether and when to try a recipe. Storms wait for cheaper ways, unless they have worked and not failed since. */
  advice(pair: NatPair, recipe: RecipeName, nowMs: number): RecipeAdvice {
    const memory = this.#pairs.get(keyOf(pair))?.get(recipe)
    if (!isStorm(recipe)) return { startAtOnce: true, notBeforeMs: nowMs }
    if (memory === undefined) return { startAtOnce: false, notBeforeMs: nowMs }
    const { hasWorked, failures, failedMs } = memory
    if (failures === 0) return { startAtOnce: hasWorked, notBeforeMs: nowMs }
    const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1))
    return { startAtOnce: false, notBeforeMs: Math.max(nowMs, failedMs + backoffMs) }
  }

  /** The recipes, those first that worked for the pair, those last that only failed; otherwise as they came. */
  order(pair: NatPair, recipes: readonly RecipeName[]): readonly RecipeName[] {
    const memories = this.#pairs.get(keyOf(pair))
    const rank = (recipe: RecipeName) => {
      const memory = memories?.get(recipe)
      if (memory === undefined) return 1
      return memory.hasWorked && memory.failures === 0 ? 0 : 1 + memory.failures
    }
    return [...recipes].sort((a, b) => rank(a) - rank(b))
  }

  #touch(pair: NatPair): Map<RecipeName, Memory> {
    const key = keyOf(pair)
    const memories = this.#pairs.get(key) ?? new Map<RecipeName, Memory>()
    this.#pairs.delete(key)
    this.#pairs.set(key, memories)
    const [oldest] = this.#pairs.keys()
    if (this.#pairs.size > MAX_REMEMBERED_PAIRS && oldest !== undefined) this.#pairs.delete(oldest)
    return memories
  }
}

/** A word for a NAT: its public address, for what another one taught counts for nothing, and how it behaves. */
export function natKey(publicIp: string, { mapping, filtering, portAllocation }: NatBehavior): string {
  return [publicIp, mapping, filtering, portAllocation].join(' ')
}

function keyOf({ ours, theirs }: NatPair): string {
  return JSON.stringify([ours, theirs])
}
