/** Ours: to networks on the way a storm looks like a flood; so does one after the other. */
export const STORM_INTERVAL_MS = 20_000
/** Ours: who would wait longer for a turn tries again later, and keeps nobody waiting behind it. */
export const MAX_STORM_WAIT_MS = STORM_INTERVAL_MS

/** Lets one punch storm of a host begin in 20 s, whoever it is for; all punches of the host share it. */
export class StormBudget {
  #nextMs = -Infinity

  /** Takes the next turn: how long to wait for it. More than {@link MAX_STORM_WAIT_MS}: nothing was taken. */
  take(nowMs: number): number {
    const waitMs = Math.max(0, this.#nextMs - nowMs)
    if (waitMs <= MAX_STORM_WAIT_MS) this.#nextMs = nowMs + waitMs + STORM_INTERVAL_MS
    return waitMs
  }

  /** A turn that was taken is used only so much later, as the peer can't sooner: others come after that. */
  postpone(nowMs: number, waitMs: number): void {
    this.#nextMs = Math.max(this.#nextMs, nowMs + waitMs + STORM_INTERVAL_MS)
  }
}
