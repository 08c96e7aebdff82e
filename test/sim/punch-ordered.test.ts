import test from 'ava'
import { assertBudgets } from './punch-budget.ts'
import { matrix, punchSeeds, wonPairs } from './punch-matrix.ts'
import type { PortChoice } from './virtual-nat-options.ts'

const SEEDS = punchSeeds(4)

const ALLOCATIONS: readonly (readonly [string, PortChoice])[] = [
  ['preserved', { kind: 'preserving' }],
  ['given in sequence', { kind: 'sequential' }],
  ['given downwards, in steps of 2', { kind: 'sequential', step: -2 }],
]

for (const [name, ports] of ALLOCATIONS) {
  test(`all 45 pairs are direct where ports are ${name}, ${SEEDS} seeds each`, (t) => {
    const cells = matrix(SEEDS, { one: { ports }, other: { ports } })
    assertBudgets(t, cells)
    t.is(wonPairs(cells), 45)
  })
}
