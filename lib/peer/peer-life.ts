import { setMaxListeners } from 'node:events'
import { ClosingStack } from '../base/closing-stack.ts'
import { ReachError } from '../base/errors.ts'

/** From the opening of a peer to its end: what has to be closed then, and who is told. */
export class PeerLife {
  /** Resolves when the peer is closed; with the reason when it could not go on. Never rejects. */
  readonly closed: Promise<ReachError | undefined>
  /** Closed at the end, the last first. */
  readonly resources = new ClosingStack()
  /** What writes into the home folder: closed after everything else, so that nothing writes into it any more. */
  readonly writers = new ClosingStack()
  readonly #stop = new AbortController()
  #settle: (error: ReachError | undefined) => void = () => undefined
  #closing: Promise<void> | undefined

  constructor() {
    this.closed = new Promise((resolve) => (this.#settle = resolve))
    // Every handshake and dial under way listens to it: that is no leak.
    setMaxListeners(0, this.#stop.signal)
  }

  /** Fires when everything is closed. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** True from the beginning of its end on. */
  get isClosing(): boolean {
    return this.#closing !== undefined
  }

  /** @throws {ReachError} ERR_REACH_ABORTED when it is closed, or just being */
  checkOpen(): void {
    if (this.isClosing) throw new ReachError('ERR_REACH_ABORTED', 'this peer is closed')
  }

  /** Closes everything. Idempotent. @param cut what has to happen before, because nothing can go on */
  end(error?: ReachError, cut?: (error: ReachError) => Promise<void>): Promise<void> {
    return (this.#closing ??= (async () => {
      try {
        if (error !== undefined) await cut?.(error)
        await this.resources.close()
      } finally {
        this.#stop.abort(error ?? new ReachError('ERR_REACH_ABORTED', 'this peer is closed'))
        await this.writers.close()
        this.#settle(error)
      }
    })())
  }
}

/** What failed, as one of our errors. */
export function asReachError(error: unknown): ReachError {
  return ReachError.is(error) ? error : new ReachError('ERR_REACH_SESSION_LOST', 'failed', { cause: error })
}
