/** A span for people, in its two largest units. */
export function formatSpan(spanMs: number): string {
  const minutes = Math.round(spanMs / 60_000)
  if (spanMs < 60_000) return `${Math.round(spanMs / 1000)} s`
  const days = Math.floor(minutes / 1440)
  const hours = Math.floor((minutes % 1440) / 60)
  const parts = [
    ...(days > 0 ? [`${days} d`] : []),
    ...(hours > 0 ? [`${hours} h`] : []),
    ...(minutes % 60 > 0 && days === 0 ? [`${minutes % 60} min`] : []),
  ]
  return parts.join(' ')
}
