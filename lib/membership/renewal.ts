import { ReachError } from '../base/errors.ts'
import type { Runtime, Timer } from '../base/runtime.ts'
import { renewalDueMs } from '../identity/renewal-time.ts'
import type { MembershipEvent } from './membership-event.ts'
import type { Membership } from './membership.ts'

/** What a renewal needs of the world, and whom it tells. */
export interface RenewalOptions {
  readonly runtime: Runtime
  readonly onEvent?: (event: MembershipEvent) => void
}

/** Ours: a sleeping computer's timers stand still, so the calendar is looked at this often. */
const MAX_SLEEP_MS = 60_000
/** Ours: a renewal that failed is tried again this often; a third of a day's life leaves time. */
const RENEWAL_RETRY_MS = 60_000

/** Renews when it is due, by the calendar. */
export class Renewal {
  readonly #membership: Membership
  readonly #options: RenewalOptions
  readonly #renew: () => Promise<void>
  #dueMs: number
  #timer: Timer | undefined
  #isStopped = false

  constructor(membership: Membership, options: RenewalOptions, renew: () => Promise<void>) {
    this.#membership = membership
    this.#options = options
    this.#renew = renew
    this.#dueMs = this.#nextDueMs()
    this.#sleep()
  }

  now(): void {
    this.#dueMs = this.#options.runtime.clock.wallMs()
    this.#sleep()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #nextDueMs(): number {
    return renewalDueMs(this.#membership.certificate, this.#options.runtime.random.bytes(2))
  }

  #sleep(): void {
    this.#timer?.cancel()
    if (this.#isStopped) return
    const { clock } = this.#options.runtime
    const waitMs = Math.min(MAX_SLEEP_MS, Math.max(0, this.#dueMs - clock.wallMs()))
    this.#timer = clock.setTimer(waitMs, () => {
      if (clock.wallMs() < this.#dueMs) this.#sleep()
      else void this.#attempt()
    })
  }

  async #attempt(): Promise<void> {
    const { onEvent, runtime } = this.#options
    try {
      await this.#renew()
      this.#dueMs = this.#nextDueMs()
      onEvent?.({ kind: 'renewed', notAfterMs: this.#membership.certificate.notAfterMs })
    } catch (error) {
      if (this.#isStopped) return
      this.#dueMs = runtime.clock.wallMs() + RENEWAL_RETRY_MS
      if (ReachError.is(error)) onEvent?.({ kind: 'renewal-failed', error })
    }
    this.#sleep()
  }
}
