import { ReachError } from '../base/errors.ts'
import type { Runtime, Timer } from '../base/runtime.ts'
import { holdMemberHome } from '../membership/hold-home.ts'
import type { MembershipEvent } from '../membership/membership-event.ts'
import type { Membership } from '../membership/membership.ts'
import { Renewal } from '../membership/renewal.ts'
import type { LocalServer } from '../net/local-socket.ts'
import { asReachError } from './peer-life.ts'
import type { PeerLife } from './peer-life.ts'

/** What keeping a home folder needs. */
export interface HomeKeepingSetup {
  readonly membership: Membership
  readonly runtime: Runtime
  readonly life: PeerLife
  readonly onEvent: (event: MembershipEvent) => void
  /** The folder can't be kept, nor followed. */
  readonly onFailed: (error: ReachError) => void
}

/** Ours: how often a process that does not keep the home itself looks what the keeper has stored. */
const FOLLOW_INTERVAL_MS = 30_000

/** Who keeps the home folder. */
type Keeping =
  | { readonly kind: 'nobody' }
  /** Another process: what it stores is read. */
  | { readonly kind: 'other'; readonly timer: Timer }
  | { readonly kind: 'us'; readonly held: LocalServer; readonly renewal: Renewal }

/** One process keeps a home folder and renews its certificate; the others follow it, and take over when it is gone. */
export class HomeKeeping {
  readonly #setup: HomeKeepingSetup
  #keeping: Keeping = { kind: 'nobody' }

  constructor(setup: HomeKeepingSetup) {
    this.#setup = setup
  }

  /** Keeps the home, or follows whoever does. @throws {ReachError} ERR_REACH_FILE */
  async start(): Promise<void> {
    const { membership, life } = this.#setup
    try {
      const held = await holdMemberHome(membership.home)
      if (life.isClosing) await held.close()
      else this.#keeping = { kind: 'us', held, renewal: this.#renewal() }
    } catch (error) {
      if (!ReachError.is(error, 'ERR_REACH_HOME_IN_USE')) throw error
      if (!life.isClosing) this.#followLater()
    }
  }

  /** Renews now rather than when it is due, where it is ours to renew. */
  renewNow(): void {
    if (this.#keeping.kind === 'us') this.#keeping.renewal.now()
  }

  async close(): Promise<void> {
    const keeping = this.#keeping
    this.#keeping = { kind: 'nobody' }
    if (keeping.kind === 'other') keeping.timer.cancel()
    if (keeping.kind !== 'us') return
    keeping.renewal.stop()
    await keeping.held.close()
  }

  #renewal(): Renewal {
    const { membership, runtime, life, onEvent } = this.#setup
    return new Renewal(membership, { runtime, onEvent }, () => membership.renew(life.signal))
  }

  #followLater(): void {
    const timer = this.#setup.runtime.clock.setTimer(FOLLOW_INTERVAL_MS, () => void this.#follow())
    this.#keeping = { kind: 'other', timer }
  }

  async #follow(): Promise<void> {
    const { membership, life, onFailed } = this.#setup
    await membership.reload().catch(() => undefined) // a file that is being changed: the next look tells
    if (life.isClosing) return
    await this.start().catch((error: unknown) => onFailed(asReachError(error)))
  }
}
