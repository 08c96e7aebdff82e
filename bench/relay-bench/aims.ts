import { median } from '../support/statistics.ts'
import type { Contender } from './contenders.ts'
import type { FigureName, Figures } from './figures.ts'
import { usable } from './figures.ts'

export type Results = ReadonlyMap<Contender, readonly Figures[]>

/** A ratio to another contender in the same round, or a figure by itself. */
interface Aim {
  readonly text: string
  readonly of: Contender
  readonly to?: Contender
  readonly key: FigureName
  readonly holds: (value: number) => boolean
  readonly digits: number
}

const AIMS: readonly Aim[] = [
  ...(['mbPerS1', 'mbPerS16'] as const).flatMap((key): Aim[] => {
    const streams = key === 'mbPerS1' ? '1 stream' : '16 streams'
    const atLeast = (least: number) => (value: number) => value >= least
    return [
      {
        text: `library through the relay ≥ 1.0 × TLS through HAProxy, ${streams}`,
        ...{ of: 'library', to: 'tls-haproxy', key, holds: atLeast(1), digits: 2 },
      },
      {
        text: `expose and connect ≥ 1.3 × two ssh, ${streams}`,
        ...{ of: 'cli', to: 'ssh', key, holds: atLeast(1.3), digits: 2 },
      },
    ]
  }),
  {
    text: 'ping-pong of the library ≤ 1.15 × through HAProxy, p50',
    ...{ of: 'library', to: 'tls-haproxy', key: 'pingP50Us', holds: (value) => value <= 1.15, digits: 2 },
  },
  {
    text: 'stream opens/s on one session ≥ 50,000',
    ...{ of: 'library', key: 'opensPerS256', holds: (value) => value >= 50_000, digits: 0 },
  },
]

/** The median over the rounds of the figure, or of its ratio to the other contender in the same round. */
export function ratio(results: Results, of: Contender, to: Contender | undefined, key: FigureName): number {
  const values = ratios(results, of, to, key)
  return median(values)
}

function ratios(results: Results, of: Contender, to: Contender | undefined, key: FigureName): number[] {
  const all = results.get(of) ?? []
  if (to === undefined) return usable(all).map((one) => one[key])
  const base = results.get(to) ?? []
  const pairs = all.flatMap((one, i) => {
    const other = base[i]
    const foreign = Math.max(one.foreign, other?.foreign ?? NaN)
    return other === undefined ? [] : [{ ...one, foreign, [key]: one[key] / other[key] }]
  })
  return usable(pairs).map((one) => one[key])
}

/** One line for each aim whose contenders took part. */
export function aimLines(results: Results): readonly string[] {
  return AIMS.flatMap(({ text, of, to, key, holds, digits }) => {
    const values = ratios(results, of, to, key)
    if (values.length === 0) return []
    const value = median(values)
    const range = `${Math.min(...values).toFixed(digits)}..${Math.max(...values).toFixed(digits)}`
    return [`${holds(value) ? 'holds ' : 'MISSED'}  ${value.toFixed(digits)} (${range})  ${text}`]
  })
}
