import test from 'ava'
import { assertBudgets } from './punch-budget.ts'
import { matrix, punchSeeds, wonPairs } from './punch-matrix.ts'
import type { NatBehaviorOptions } from './virtual-nat-options.ts'

const SEEDS = punchSeeds(1)

const RANDOM: NatBehaviorOptions = { ports: { kind: 'random' } }
const PRESERVING: NatBehaviorOptions = { ports: { kind: 'preserving' } }
const SEQUENTIAL: NatBehaviorOptions = { ports: { kind: 'sequential' } }
const BLOCK: NatBehaviorOptions = {
  ports: { kind: 'block', size: 512, base: 20_000 },
  sharesPorts: 'per-destination',
}

/** Both ways round, each of the 81 pairs; how many of them are won at least. */
const MIXES: readonly (readonly [string, NatBehaviorOptions, NatBehaviorOptions, number])[] = [
  // An address-dependent sequence has one next port, towards which the other side can open many.
  ['random × sequential', RANDOM, SEQUENTIAL, 75],
  ['random × preserving', RANDOM, PRESERVING, 75],
  ['random × block', RANDOM, BLOCK, 73],
  ['preserving × sequential', PRESERVING, SEQUENTIAL, 76],
  ['preserving × block', PRESERVING, BLOCK, 75],
  // The six pairs of a search among 512 ports, 98 % each.
  ['sequential × block', SEQUENTIAL, BLOCK, 75],
  ['sequential × sequential downwards', SEQUENTIAL, { ports: { kind: 'sequential', step: -1 } }, 81],
]

for (const [name, one, other, target] of MIXES) {
  test(`${name}: ${target} of 81 pairs are direct, ${SEEDS} seeds each`, (t) => {
    const cells = matrix(SEEDS, { one, other, isMixed: true })
    assertBudgets(t, cells)
    t.true(wonPairs(cells) >= target)
  })
}
