import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../base/runtime.ts'

/** Node's limit: a longer setTimeout fires after 1 ms instead (2^31 − 1 ms, 24.8 days). */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** The clock of this process: monotonic time from `performance`, calendar time from `Date`. */
export const nodeClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer,
}

function setTimer(delayMs: number, callback: () => void): Timer {
  if (Number.isNaN(delayMs)) throw new RangeError('a timer needs a delay in milliseconds, not NaN')
  // Rounded up, so that a deadline has passed on the monotonic clock, too, when its timer fires.
  let restMs = Math.max(0, Math.ceil(delayMs))
  let timeout: NodeJS.Timeout
  const arm = () => {
    const stepMs = Math.min(restMs, MAX_TIMER_MS)
    restMs -= stepMs
    timeout = setTimeout(() => (restMs > 0 ? arm() : callback()), stepMs)
  }
  arm()
  return { cancel: () => clearTimeout(timeout) }
}
