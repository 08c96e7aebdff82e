/** Who takes part in carrying bytes, in the order in which they pass. */
export const ROLES = ['dialling', 'agent-dialling', 'relay', 'agent-serving', 'serving'] as const
export type BenchRole = (typeof ROLES)[number]

/** What one round measures of one contender. MB and GB are powers of ten; what was not measured is NaN. */
export interface Figures {
  readonly mbPerS1: number
  readonly mbPerS16: number
  /** All processes together, CPU seconds for each GB. */
  readonly cpuSPerGb1: number
  readonly cpuSPerGb16: number
  readonly pingP50Us: number
  readonly pingP99Us: number
  /** Opened one after the other, 16 at a time, and (one session only) 256 at a time; each accepted. */
  readonly opensPerS1: number
  readonly opensPerS16: number
  readonly opensPerS256: number
  /** Growth of memory for each client that is connected and silent. */
  readonly relayKib: number
  readonly servingKib: number
  /** The largest part of the machine that others took in a phase, 0 to 1. */
  readonly foreign: number
  /** CPU seconds for each GB, by process, one stream. */
  readonly byRole: Readonly<Partial<Record<BenchRole, number>>>
}

/** The figures that are plain numbers. */
export type FigureName = Exclude<keyof Figures, 'byRole'>

/** How the figures are shown. */
export const COLUMNS: readonly {
  readonly key: FigureName
  readonly title: string
  readonly digits: number
}[] = [
  { key: 'mbPerS1', title: 'MB/s x1', digits: 0 },
  { key: 'mbPerS16', title: 'MB/s x16', digits: 0 },
  { key: 'cpuSPerGb1', title: 's/GB x1', digits: 2 },
  { key: 'cpuSPerGb16', title: 's/GB x16', digits: 2 },
  { key: 'pingP50Us', title: 'p50 us', digits: 0 },
  { key: 'pingP99Us', title: 'p99 us', digits: 0 },
  { key: 'opensPerS1', title: 'opens/s', digits: 0 },
  { key: 'opensPerS16', title: '16 at once', digits: 0 },
  { key: 'opensPerS256', title: '256 at once', digits: 0 },
  { key: 'relayKib', title: 'KiB/client', digits: 0 },
  { key: 'servingKib', title: 'serving', digits: 0 },
  { key: 'foreign', title: 'foreign', digits: 2 },
]

/** More of the machine in other hands than this, and a round says little. */
export const MAX_FOREIGN = 0.08
/** So many quiet rounds are enough to leave the noisy ones out. */
const ENOUGH_QUIET = 3

/** The quiet rounds; all of them when there are too few. */
export function usable(all: readonly Figures[]): readonly Figures[] {
  const quiet = all.filter(({ foreign }) => foreign <= MAX_FOREIGN)
  return quiet.length >= ENOUGH_QUIET ? quiet : all
}
