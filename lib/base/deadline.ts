import { ReachError } from './errors.ts'
import type { Clock } from './runtime.ts'

/** An AbortSignal that also fires after a time; dispose it, or its timer lives on. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
}

/**
 * A signal that fires with ERR_REACH_TIMEOUT after `timeoutMs` of the given clock, or when `parent` does, with its
 * reason. Use with `using`, so that the timer is gone when the block ends.
 */
export function deadlineSignal(clock: Clock, timeoutMs: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController()
  const timer = clock.setTimer(timeoutMs, () => {
    controller.abort(
      new ReachError('ERR_REACH_TIMEOUT', `no answer within ${timeoutMs} ms`, { details: { timeoutMs } }),
    )
  })
  const onParentAbort = () => {
    timer.cancel()
    controller.abort(parent?.reason)
  }
  if (parent?.aborted === true) onParentAbort()
  else parent?.addEventListener('abort', onParentAbort, { once: true })
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      timer.cancel()
      parent?.removeEventListener('abort', onParentAbort)
    },
  }
}

/** Resolves after `delayMs` of the given clock; rejects with the signal's reason when that fires first. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason)
      return
    }
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Settles like `work`, but not later than the signal fires: then it rejects with the signal's reason. */
export function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    // Listened to in any case: what fails after the signal is nobody's unhandled rejection.
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
