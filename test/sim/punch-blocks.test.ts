import test from 'ava'
import { BLOCK_BUDGETS, assertBudgets } from './punch-budget.ts'
import { matrix, pooled, punchSeeds, runs, wonPairs } from './punch-matrix.ts'
import type { NatBehaviorOptions } from './virtual-nat-options.ts'

const SEEDS = punchSeeds(3)

function block(size: number, sharesPorts: false | 'per-destination'): NatBehaviorOptions {
  return { ports: { kind: 'block', size, base: 20_000 }, sharesPorts }
}

for (const [size, share] of [
  [512, 0.9],
  [1024, 0.9],
  // 10 s of 200 packets a second are too few for the five strictest pairs: about one in five of these meets.
  [4096, 0],
] as const) {
  test(`all 45 pairs in blocks of ${size} ports, ${SEEDS} seeds each`, (t) => {
    const side = block(size, 'per-destination')
    const cells = matrix(SEEDS, { one: side, other: side })
    assertBudgets(t, cells, BLOCK_BUDGETS)
    const both = pooled(cells.values(), ['block-search'])
    t.is(both.runs, 5 * SEEDS)
    t.true(both.direct >= share * both.runs)
    t.true(wonPairs(cells) >= 40)
  })
}

const STRICTEST = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
} as const

for (const size of [512, 1024]) {
  test(`both in blocks of ${size} ports, the strictest pair, ${SEEDS * 10} seeds: nine of ten`, (t) => {
    const side = { ...STRICTEST, ...block(size, 'per-destination') }
    const cell = runs(SEEDS * 10, size, { one: side, other: side })
    assertBudgets(t, new Map([[`APDM/APDF × APDM/APDF, ${size}`, cell]]))
    t.true(cell.direct >= 0.9 * cell.runs)
  })

  test(`a carrier that never shares a port: ${size} are used up, and half of them have met by then, ${SEEDS * 5} seeds`, (t) => {
    const side = { ...STRICTEST, ...block(size, false) }
    const cell = runs(SEEDS * 5, size, { one: side, other: side })
    assertBudgets(t, new Map([[`APDM/APDF × APDM/APDF, ${size}, not shared`, cell]]))
    t.true(cell.direct > 0 && cell.direct < cell.runs)
  })
}
