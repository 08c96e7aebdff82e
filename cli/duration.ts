import { ReachError } from '../lib/index.ts'

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads `90s`, `30m`, `1h`, `7d`. @throws {ReachError} ERR_REACH_USAGE */
export function parseDuration(text: string, flag: string): number {
  const match = /^([0-9]{1,6})([smhd])$/.exec(text.trim())
  const unit = UNITS_MS[match?.[2] ?? '']
  if (match !== null && unit !== undefined) return Number(match[1]) * unit
  throw new ReachError('ERR_REACH_USAGE', `--${flag} ${JSON.stringify(text)} is no span of time`, {
    hint: `write --${flag} 90s, 30m, 1h or 7d`,
  })
}
