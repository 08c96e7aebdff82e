import { ReachError } from '../base/errors.ts'
import type { Clock, Timer } from '../base/runtime.ts'
import type { LinkEnd } from '../protocol/link/link-effect.ts'

/** Ours: how long a session that is closed waits for its last bytes to be acknowledged. */
export const CLOSE_TIMEOUT_MS = 10_000

/** Where a session is in its life. */
type LifeState =
  | { readonly kind: 'going' }
  /** It will not go on, and this is why. */
  | { readonly kind: 'ending'; readonly why: ReachError }
  /** With the reason unless both sides had taken leave. */
  | { readonly kind: 'over'; readonly error: ReachError | undefined }

/** How far a session has come, from its beginning to its end, and who is told. */
export class SessionLife {
  /** Resolves when it is over; with the reason unless both sides had taken leave. Never rejects. */
  readonly closed: Promise<ReachError | undefined>
  /** Resolves when both sides have it; with the reason when it ended before. Never rejects. */
  readonly established: Promise<ReachError | undefined>
  readonly #clock: Clock
  #state: LifeState = { kind: 'going' }
  #closeTimer: Timer | undefined
  #settle: (error: ReachError | undefined) => void = () => undefined
  #establish: (error: ReachError | undefined) => void = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.closed = new Promise((resolve) => (this.#settle = resolve))
    this.established = new Promise((resolve) => (this.#establish = resolve))
  }

  get isOver(): boolean {
    return this.#state.kind === 'over'
  }

  /** Why it ends, or ended; undefined while it goes on, and when both sides took leave. */
  get why(): ReachError | undefined {
    if (this.#state.kind === 'going') return undefined
    return this.#state.kind === 'ending' ? this.#state.why : this.#state.error
  }

  /** @throws {ReachError} why it is over, if it is */
  checkOpen(): void {
    if (this.#state.kind === 'over') throw this.#state.error ?? sessionOver()
  }

  /** Both sides have it. */
  begun(): void {
    this.#establish(undefined)
  }

  /** Something that will end it. What came first is the reason. */
  blame(error: ReachError): void {
    if (this.#state.kind === 'going') this.#state = { kind: 'ending', why: error }
  }

  /** It is ended on purpose: that is the reason, whatever was before. */
  giveUp(error: ReachError): void {
    if (this.#state.kind !== 'over') this.#state = { kind: 'ending', why: error }
  }

  /** It takes leave: what has not gone after so long is given up. Takes the place of an earlier time. */
  leaveWithin(timeoutMs: number, giveUp: () => void): void {
    this.#closeTimer?.cancel()
    this.#closeTimer = this.#clock.setTimer(timeoutMs, giveUp)
  }

  /** The same, with the usual time, unless there is one already. */
  leaveInTime(giveUp: () => void): void {
    if (this.#closeTimer === undefined) this.leaveWithin(CLOSE_TIMEOUT_MS, giveUp)
  }

  /** The link has ended, and the session with it; whoever waits is not told yet. */
  end(end: LinkEnd): void {
    this.#state = { kind: 'over', error: this.why ?? errorOf(end) }
    this.#closeTimer?.cancel()
  }

  /** All that belongs to it has ended: tells who waits. */
  settle(): void {
    this.#settle(this.why)
    this.#establish(this.why ?? sessionOver())
  }
}

/** What streams fail with that were still open when both sides took leave. */
export function sessionOver(): ReachError {
  return new ReachError('ERR_REACH_SESSION_LOST', 'the session is over')
}

function errorOf(end: LinkEnd): ReachError | undefined {
  if (end.kind === 'finished') return undefined
  if (end.kind === 'failed') return end.error
  if (end.by === 'us') return new ReachError('ERR_REACH_ABORTED', 'the session was ended')
  return new ReachError('ERR_REACH_SESSION_LOST', 'the peer ended the session', { details: { ...end.close } })
}
