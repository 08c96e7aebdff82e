import { forSeeds } from './for-seeds.ts'
import { punch } from './punch-scene.ts'
import type { PunchResult, PunchScene, PunchSideOptions } from './punch-scene.ts'
import { SeededRandom } from './seeded-random.ts'
import type { Dependence, NatBehaviorOptions } from './virtual-nat-options.ts'

/** Seeds for each pair; the night has more (scripts/night.mjs). `usual` is what `npm test` has time for. */
export function punchSeeds(usual: number): number {
  return Number(process.env.P2P_REACH_PUNCH_SEEDS ?? usual)
}

const SHORT = { 'endpoint-independent': 'EI', 'address-dependent': 'AD', 'address-and-port-dependent': 'APD' }
const KINDS: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]
/** The nine behaviours of RFC 4787 §4.1 and §5. */
export const BEHAVIORS = KINDS.flatMap((mapping) => KINDS.map((filtering) => ({ mapping, filtering })))

export type Behavior = (typeof BEHAVIORS)[number]

export function nameOf({ mapping, filtering }: Behavior): string {
  return `${SHORT[mapping]}M/${SHORT[filtering]}F`
}

/** The network of one run: one-way delays of 5 to 150 ms, up to 5 % loss on each link, a skew of up to 500 ms. */
export function luck(seed: number): Pick<PunchScene, 'seed' | 'delayMs' | 'loss' | 'skewMs'> {
  const random = new SeededRandom(seed)
  return {
    seed,
    delayMs: random.uniform(2.5, 75),
    loss: random.uniform(0, 0.05),
    skewMs: random.uniform(0, 500),
  }
}

/** What came of one pair. Packets and times are those of the direct runs. */
export interface Cell {
  readonly direct: number
  readonly runs: number
  readonly recipe: string
  readonly packets: readonly number[]
  readonly ms: readonly number[]
  readonly sockets: number
}

export function summary(results: readonly PunchResult[]): Cell {
  const won = results.filter(({ isDirect }) => isDirect)
  const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)
  return {
    direct: won.length,
    runs: results.length,
    recipe: results[0]?.recipe ?? '',
    packets: sorted(won.map(({ packets }) => packets)),
    ms: sorted(won.map(({ ms }) => Math.round(ms))),
    sockets: Math.max(0, ...results.map(({ sockets }) => sockets)),
  }
}

/** The value that a share of the sorted values does not exceed; 0 where there is none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

/** Of all cells with one of the recipes. */
export function pooled(
  cells: Iterable<Cell>,
  recipes: readonly string[],
): Pick<Cell, 'direct' | 'runs' | 'packets' | 'ms'> {
  const chosen = [...cells].filter(({ recipe }) => recipes.includes(recipe))
  const sum = (of: (cell: Cell) => number) => chosen.reduce((total, cell) => total + of(cell), 0)
  const sorted = (of: (cell: Cell) => readonly number[]) => chosen.flatMap(of).sort((a, b) => a - b)
  return {
    direct: sum(({ direct }) => direct),
    runs: sum(({ runs }) => runs),
    packets: sorted(({ packets }) => packets),
    ms: sorted(({ ms }) => ms),
  }
}

/** How the NATs of both sides of a pair are set beyond their behaviours. */
export interface MatrixSides {
  readonly one: NatBehaviorOptions
  readonly other: NatBehaviorOptions
  /** The sides differ, so each unordered pair comes in both ways. */
  readonly isMixed?: boolean
}

/** Runs all 45 pairs, or all 81 where the sides differ, over as many seeds. */
export function matrix(seeds: number, { one, other, isMixed = false }: MatrixSides): Map<string, Cell> {
  const cells = new Map<string, Cell>()
  for (const [i, near] of BEHAVIORS.entries()) {
    for (const [j, far] of BEHAVIORS.entries()) {
      if (j < i && !isMixed) continue
      const sides = { one: { ...near, ...one }, other: { ...far, ...other } }
      cells.set(`${nameOf(near)} × ${nameOf(far)}`, runs(seeds, i * 9 + j, sides))
    }
  }
  return cells
}

/** Runs one pair over as many seeds; `variant` tells its luck from that of others. */
export function runs(
  seeds: number,
  variant: number,
  scene: { readonly one: PunchSideOptions; readonly other: PunchSideOptions } & Partial<PunchScene>,
): Cell {
  const results: PunchResult[] = []
  forSeeds(seeds, (seed) => results.push(punch({ ...luck(seed * 1000 + variant), ...scene })))
  return summary(results)
}

/** The cells as a table for docs/nat.md. */
export function table(cells: ReadonlyMap<string, Cell>): string {
  const rows = [...cells].map(([pair, cell]) => `| ${pair} | ${cell.recipe} | ${numbers(cell)} |`)
  const head = '| pair | recipe | direct | packets p50 | p95 | ms p50 | p95 |'
  return [head, '|---|---|---|---|---|---|---|', ...rows].join('\n')
}

/** `20/20 | 12 | 18 | 800 | 1400`: direct of all runs, then packets and milliseconds, median and 95th percentile. */
export function numbers({
  direct,
  runs: all,
  packets,
  ms,
}: Pick<Cell, 'direct' | 'runs' | 'packets' | 'ms'>) {
  const spread = (values: readonly number[]) => `${quantile(values, 0.5)} | ${quantile(values, 0.95)}`
  return direct === 0 ? `0/${all} | | | | ` : `${direct}/${all} | ${spread(packets)} | ${spread(ms)}`
}

/** Pairs that are direct in at least nine of ten runs. */
export function wonPairs(cells: ReadonlyMap<string, Cell>): number {
  return [...cells.values()].filter(({ direct, runs: all }) => direct >= 0.9 * all).length
}
