import type { Runtime, Timer } from '../base/runtime.ts'
import type { ControlLink, Membership } from '../membership/membership.ts'

/** What a search for better ways is made of. */
export interface WayImproverSetup {
  readonly membership: Membership
  readonly runtime: Runtime
  /** HOST:PORT. */
  readonly relay: string
  /** The connection in use; undefined while there is none. */
  readonly current: () => ControlLink | undefined
  /** A connection over a better way than the one in use; whoever takes it closes it. */
  readonly onBetter: (better: ControlLink) => void
  /** Ends what is under way. */
  readonly signal: AbortSignal
}

/**
 * Ours: pauses before a better way than the one in use is tried: the first soon, as the network may only have been slow when
 * the ways were raced; the others long, as networks change their rules seldom.
 */
export const IMPROVE_PAUSES_MS = [25_000, 60_000, 5 * 60_000] as const

/** Tries better ways to a relay than the one that is in use: now and then, and when somebody thinks that it may help. */
export class WayImprover {
  readonly #setup: WayImproverSetup
  #timer: Timer | undefined
  #looks = 0
  #isLooking = false

  constructor(setup: WayImproverSetup) {
    this.#setup = setup
  }

  /** A connection is in use from now on. */
  start(): void {
    this.#looks = 0
    this.#later()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** Looks now. Never rejects. */
  async look(): Promise<void> {
    const { current, signal } = this.#setup
    const control = current()
    if (control === undefined || this.#isLooking) return
    this.#isLooking = true
    const better = await this.#betterThan(control).catch(() => undefined) // the next look may find one
    this.#isLooking = false
    const isSame = current() === control && !signal.aborted
    if (better?.welcome.mustRenew === false && isSame) this.#setup.onBetter(better)
    else better?.client.close()
    if (isSame) this.#later()
  }

  #betterThan({ client }: ControlLink): Promise<ControlLink | undefined> {
    const { membership, relay, signal } = this.#setup
    return membership.connectBetter(relay, client.via.way, signal)
  }

  #later(): void {
    this.#timer?.cancel()
    const pauseMs = IMPROVE_PAUSES_MS[Math.min(this.#looks++, IMPROVE_PAUSES_MS.length - 1)] ?? 0
    this.#timer = this.#setup.runtime.clock.setTimer(pauseMs, () => void this.look())
  }
}
