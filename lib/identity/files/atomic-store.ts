import { ReachError } from '../../base/errors.ts'
import { writeFileAtomically } from './atomic-file.ts'
import { readTextFile } from './read-file.ts'

/** How a state is kept in a file. */
export interface AtomicStoreOptions<State> {
  readonly path: string
  /** The state of a file that is not there yet. */
  readonly initial: State
  readonly format: (state: State) => string
  /** @throws {ReachError} ERR_REACH_DECODE when the text is damaged */
  readonly parse: (text: string) => State
}

/** What a transaction does: the next state, and what the caller is told once it is on the disk. */
export interface Transition<State, Result> {
  readonly state: State
  readonly result: Result
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/**
 * A state in memory and in one file, changed by transactions. A transaction is a pure function from state to state; its
 * caller hears of it only when the file holds it, and a crash leaves all of it or nothing. Transactions that arrive
 * while the disk is busy go into the next write together. The state is never changed in place.
 */
export class AtomicStore<State> {
  readonly #options: AtomicStoreOptions<State>
  /** On the disk. */
  #durable: State
  /** With all transactions that are not on the disk yet. */
  #latest: State
  #waiting: Waiting[] = []
  #isWriting = false
  #isClosed = false
  /** Settles when the last write has; never rejects. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(options: AtomicStoreOptions<State>, state: State) {
    this.#options = options
    this.#durable = state
    this.#latest = state
  }

  /** @throws {ReachError} ERR_REACH_FILE, ERR_REACH_HOME_DAMAGED */
  static async open<State>(options: AtomicStoreOptions<State>): Promise<AtomicStore<State>> {
    const text = await readTextFile(options.path)
    if (text === undefined) return new AtomicStore(options, options.initial)
    try {
      return new AtomicStore(options, options.parse(text))
    } catch (error) {
      throw damaged(options.path, error)
    }
  }

  /** What is on the disk. */
  get state(): State {
    return this.#durable
  }

  /**
   * Runs one transaction. What it throws is thrown on, and nothing changes.
   * @throws {ReachError} ERR_REACH_FILE when the disk refuses: then nothing has changed, either; ERR_REACH_ABORTED when it
   * is closed
   */
  async commit<Result>(transaction: (state: State) => Transition<State, Result>): Promise<Result> {
    if (this.#isClosed) throw new ReachError('ERR_REACH_ABORTED', `${this.#options.path} is closed`)
    const { state, result } = transaction(this.#latest)
    this.#latest = state
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (!this.#isWriting) this.#writing = this.#write()
    })
    return result
  }

  /** Resolves when nothing is on its way to the disk any more, whether it was taken or refused; nothing follows. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#writing
  }

  async #write(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      const state = this.#latest
      this.#waiting = []
      try {
        await writeFileAtomically(this.#options.path, this.#options.format(state))
        this.#durable = state
        for (const { resolve } of batch) resolve()
      } catch (error) {
        // Later ones were built on what failed, so they fail with it.
        const failed = [...batch, ...this.#waiting]
        this.#waiting = []
        this.#latest = this.#durable
        for (const { reject } of failed) reject(error)
      }
    }
    this.#isWriting = false
  }
}

/** ERR_REACH_HOME_DAMAGED for a file that does not hold what it should. */
export function damaged(path: string, cause: unknown): ReachError {
  const said = cause instanceof Error ? cause.message : String(cause)
  return new ReachError('ERR_REACH_HOME_DAMAGED', `${path} is damaged: ${said}`, {
    cause,
    hint: 'restore it from a backup; it is not overwritten',
    details: { path },
  })
}
