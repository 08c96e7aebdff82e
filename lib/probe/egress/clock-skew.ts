import type { Fact } from '../../base/fact.ts'
import { measured, unknown } from '../../base/fact.ts'
import { printable } from '../../net/outward/printable.ts'

/** A server's clock as one HTTP answer showed it, and ours beside it. */
export interface DateSample {
  /** Who answered, for the evidence. */
  readonly source: string
  /** The Date header as it came. */
  readonly date: string
  /** This host's calendar time when the head of the answer was in. */
  readonly receivedWallMs: number
  /** From request to head: the server wrote its Date some time within. */
  readonly rttMs: number
}

/** RFC 9110 §5.6.7: Date counts whole seconds; and servers write it once a second rather than for each answer. */
const DATE_RESOLUTION_MS = 1000

/** RFC 9110 §5.6.7, IMF-fixdate: the only form that servers may send. `Date.parse` alone takes far more. */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/

interface Skew {
  readonly source: string
  readonly skewMs: number
  readonly errorMs: number
}

/**
 * This host's clock minus those of servers: positive when ours is ahead, 0 when it may be right within what a Date
 * header can show, the median of several. Unknown without a readable Date, and when most servers contradict the median.
 */
export function clockSkew(samples: readonly DateSample[]): Fact<number> {
  const skews = samples.flatMap((sample) => skewOf(sample) ?? [])
  const unread = samples.filter((sample) => skewOf(sample) === undefined)
  const evidence = [
    ...skews.map(({ source, skewMs, errorMs }) => `${source}: ${signed(skewMs)} ±${Math.round(errorMs)} ms`),
    ...unread.map(({ source, date }) => `${source}: no readable Date (${JSON.stringify(printable(date))})`),
  ]
  if (skews.length === 0) return unknown(...evidence, 'no server showed its clock')
  const medianMs = median(skews.map((skew) => skew.skewMs))
  const agreeing = skews.filter((skew) => Math.abs(skew.skewMs - medianMs) <= skew.errorMs)
  if (agreeing.length * 2 <= skews.length)
    return unknown(...evidence, 'the servers’ clocks contradict each other')
  const errorMs = Math.max(...agreeing.map((skew) => skew.errorMs))
  return measured(Math.abs(medianMs) <= errorMs ? 0 : Math.round(medianMs), ...evidence)
}

function skewOf({ source, date, receivedWallMs, rttMs }: DateSample): Skew | undefined {
  const theirsMs = IMF_FIXDATE.test(date) ? Date.parse(date) : Number.NaN
  if (Number.isNaN(theirsMs)) return undefined
  // The best guess for both: the middle of the round trip, the middle of the second.
  const skewMs = receivedWallMs - rttMs / 2 - (theirsMs + DATE_RESOLUTION_MS / 2)
  return { source, skewMs, errorMs: rttMs / 2 + DATE_RESOLUTION_MS }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
}

function signed(ms: number): string {
  return ms > 0 ? `+${Math.round(ms)}` : String(Math.round(ms))
}
