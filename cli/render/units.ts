/** `4 ms`, `0.4 ms`, `1.2 s`, `2 min 30 s`, `3 h`: for people, so two figures are enough. */
export function formatDuration(ms: number): string {
  const sign = ms < 0 ? '-' : ''
  const abs = Math.abs(ms)
  if (!Number.isFinite(abs)) return 'very long'
  if (abs < 10 && !Number.isInteger(abs)) return `${sign}${abs.toFixed(1)} ms`
  if (abs < 999.5) return `${sign}${Math.round(abs)} ms`
  if (abs < 9_950) return `${sign}${trimZero((abs / 1000).toFixed(1))} s`
  if (abs < 119_500) return `${sign}${Math.round(abs / 1000)} s`
  return sign + formatLong(Math.round(abs / 1000))
}

function formatLong(seconds: number): string {
  const units = [
    { name: 'd', seconds: 86_400 },
    { name: 'h', seconds: 3600 },
    { name: 'min', seconds: 60 },
    { name: 's', seconds: 1 },
  ]
  const first = units.findIndex((unit) => seconds >= unit.seconds)
  const major = units[first]
  const minor = units[first + 1]
  if (major === undefined) return '0 s'
  const whole = Math.floor(seconds / major.seconds)
  const rest = minor === undefined ? 0 : Math.floor((seconds % major.seconds) / minor.seconds)
  return rest === 0 || minor === undefined
    ? `${whole} ${major.name}`
    : `${whole} ${major.name} ${rest} ${minor.name}`
}

function trimZero(text: string): string {
  return text.replace(/\.0$/, '')
}

/** `0 %`, `0.4 %`, `12 %`. */
export function formatPercent(share: number): string {
  const percent = share * 100
  return percent > 0 && percent < 10 ? `${trimZero(percent.toFixed(1))} %` : `${Math.round(percent)} %`
}

/** `2026-11-23 21:50 UTC` of an ISO time; the text itself when it is not one. */
export function formatInstant(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?Z$/.exec(iso)
  return match === null ? iso : `${match[1] ?? ''} ${match[2] ?? ''} UTC`
}
