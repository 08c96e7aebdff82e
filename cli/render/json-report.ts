import type { DiagnoseReport } from '../../lib/index.ts'
import { printableJson } from './printable.ts'

export interface JsonReportOptions {
  /** Indented by two spaces, for a terminal; else one line, for programs and logs. */
  readonly pretty: boolean
}

/** Clocks say no more than a tenth of a millisecond. */
const MS_DECIMALS = 1
/** Shares and whatever else is not a time. */
const OTHER_DECIMALS = 4

/**
 * What `diagnose --json` prints: one JSON value with the report's own names, ended by a line feed. Absent fields are
 * absent, times are rounded to 0.1 ms, and characters that a terminal would act on are JSON escapes.
 */
export function renderJsonReport(report: DiagnoseReport, options: JsonReportOptions): string {
  const json = JSON.stringify(round(report, ''), undefined, options.pretty ? 2 : undefined)
  return printableJson(json) + '\n'
}

/** Rounds every number below `value`; `name` is that of the nearest field that says what it counts. */
function round(value: unknown, name: string): unknown {
  if (typeof value === 'number') return roundTo(value, isTime(name) ? MS_DECIMALS : OTHER_DECIMALS)
  if (Array.isArray(value)) return value.map((item) => round(item, name))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    // A fact's `value` is counted in what the fact's own name says: `rttMs: { value: 18.4 }`.
    Object.entries(value).map(([key, item]) => [key, round(item, key === 'value' ? name : key)]),
  )
}

function isTime(name: string): boolean {
  return name === 'ms' || name.endsWith('Ms')
}

function roundTo(value: number, decimals: number): number {
  const scale = 10 ** decimals
  return Math.round(value * scale) / scale
}
