import { ChangeWatch } from './change-watch.ts'
import type { PathState } from './session-paths.ts'

/** Tells whoever wants to know which path carries what we send, from now until the session is over. */
export class ActivePathFeed {
  readonly #watch = new ChangeWatch()
  #isOver = false

  /** Another path carries it. */
  changed(): void {
    this.#watch.changed()
  }

  /** Nothing more will be told. */
  end(): void {
    this.#isOver = true
    this.#watch.wake()
  }

  /** Each path that becomes the active one, from the current one on. @param current the active path, if there is one */
  async *follow(current: () => PathState | undefined, signal?: AbortSignal): AsyncGenerator<PathState> {
    for (let told = 0; ;) {
      signal?.throwIfAborted()
      const path = current()
      if (path !== undefined && this.#watch.changes > told) {
        told = this.#watch.changes
        yield path
      } else if (!this.#isOver) await this.#watch.next(signal)
      else return
    }
  }
}
