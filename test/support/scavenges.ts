import type { PerformanceEntry } from 'node:perf_hooks'
import { PerformanceObserver, constants } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'

/** How many collections of young garbage V8 made while something was done. */
export async function scavengesDuring(action: () => unknown): Promise<number> {
  let count = 0
  const note = (entries: readonly PerformanceEntry[]) => (count += entries.filter(isScavenge).length)
  const observer = new PerformanceObserver((list) => note(list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  await action()
  for (let i = 0; i < 3; i++) await setImmediate() // they are told a turn later
  note(observer.takeRecords())
  observer.disconnect()
  return count
}

function isScavenge(entry: PerformanceEntry): boolean {
  const detail: unknown = Reflect.get(entry, 'detail')
  if (typeof detail !== 'object' || detail === null || !('kind' in detail)) return false
  return detail.kind === constants.NODE_PERFORMANCE_GC_MINOR
}
