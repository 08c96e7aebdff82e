import { fractionOf } from '../base/fraction.ts'
import type { Runtime } from '../base/runtime.ts'

/** Ours: the first wait is at most a second, and none is longer than half a minute. */
const BASE_MS = 1000
const MAX_MS = 30_000
/** Ours: what held this long was a good connection: the next failure starts at the shortest wait. */
const STABLE_MS = 60_000

/**
 * How long to wait after so many failures in a row: anything from zero to a bound that doubles ("full jitter"), so that
 * a thousand members that lost the same relay don't come back together.
 * @param failures from 1 on
 * @param chance four random bytes
 */
export function fullJitterMs(failures: number, chance: Uint8Array): number {
  const bound = Math.min(MAX_MS, BASE_MS * 2 ** Math.max(0, failures - 1))
  return Math.round(bound * fractionOf(chance))
}

/** How long to wait before something that is to last is tried again. */
export class Backoff {
  readonly #runtime: Pick<Runtime, 'clock' | 'random'>
  #failures = 0
  #begunMs: number

  constructor(runtime: Pick<Runtime, 'clock' | 'random'>) {
    this.#runtime = runtime
    this.#begunMs = runtime.clock.nowMs()
  }

  /** An attempt begins. */
  begin(): void {
    this.#begunMs = this.#runtime.clock.nowMs()
  }

  /** It is over, however it went: answers how long to wait for the next one, in ms. */
  over(): number {
    const { clock, random } = this.#runtime
    this.#failures = clock.nowMs() - this.#begunMs > STABLE_MS ? 1 : this.#failures + 1
    return fullJitterMs(this.#failures, random.bytes(4))
  }
}
