import type { ExecutionContext } from 'ava'
import { numbers, pooled, quantile, table, wonPairs } from './punch-matrix.ts'
import type { Cell } from './punch-matrix.ts'
import type { RecipeName } from '../../lib/protocol/punch/punch-recipe.ts'

/** What 95 of 100 direct runs may take, packets of the busier side, and milliseconds from the first start. */
export interface Budget {
  readonly packets: number
  readonly ms: number
}

/** docs/nat.md has where these come from: sends, the sums of the birthday search, and 200 packets a second for 10 s. */
export const BUDGETS: Readonly<Record<RecipeName, Budget>> = {
  plain: { packets: 30, ms: 2000 },
  prediction: { packets: 160, ms: 2500 },
  'double-prediction': { packets: 160, ms: 2500 },
  birthday: { packets: 1900, ms: 10_000 },
  'block-search': { packets: 2050, ms: 11_000 },
  'sequence-search': { packets: 2050, ms: 11_000 },
}

/** Where the opening side's block is known, only that is searched. */
export const BLOCK_BUDGETS: typeof BUDGETS = { ...BUDGETS, birthday: { packets: 600, ms: 4000 } }

/** Prints the cells; then each recipe has to keep its budget, and one that is not a gamble its promise. */
export function assertBudgets(
  t: ExecutionContext,
  cells: ReadonlyMap<string, Cell>,
  budgets: typeof BUDGETS = BUDGETS,
): void {
  t.log(table(cells))
  t.log(`${wonPairs(cells)} of ${cells.size} pairs won`)
  for (const [recipe, budget] of Object.entries(budgets)) {
    const all = pooled(cells.values(), [recipe])
    if (all.runs === 0) continue
    t.log(
      `${recipe}: ${numbers(all)}, at most ${quantile(all.packets, 1)} packets, ${quantile(all.ms, 1)} ms`,
    )
    t.true(quantile(all.packets, 0.95) <= budget.packets, `${recipe}: packets`)
    t.true(quantile(all.ms, 0.95) <= budget.ms, `${recipe}: ms`)
    if (!recipe.endsWith('-search')) t.true(all.direct >= 0.99 * all.runs, `${recipe}: direct`)
  }
}
