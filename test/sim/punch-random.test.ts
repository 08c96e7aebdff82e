import test from 'ava'
import { assertBudgets } from './punch-budget.ts'
import { matrix, punchSeeds, runs, wonPairs } from './punch-matrix.ts'
import { LINUX_NAT_WITHOUT_FILTER } from './virtual-nat-options.ts'

const SEEDS = punchSeeds(20)

test(`40 of 45 pairs are direct where ports are random over the whole range, ${SEEDS} seeds each`, (t) => {
  const random = { ports: { kind: 'random' } } as const
  const cells = matrix(SEEDS, { one: random, other: random })
  assertBudgets(t, cells)
  t.is(wonPairs(cells), 40)
})

test(`plain Linux routers without a filter, which an early packet poisons: 99 %, ${SEEDS * 10} seeds`, (t) => {
  const cell = runs(SEEDS * 10, 0, { one: LINUX_NAT_WITHOUT_FILTER, other: LINUX_NAT_WITHOUT_FILTER })
  assertBudgets(t, new Map([['Linux × Linux', cell]]))
})
