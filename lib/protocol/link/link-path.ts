import type { LinkRole } from './handshake-record.ts'
import { PathLiveness } from './path-liveness.ts'
import type { LivenessOptions } from './path-liveness.ts'
import { RecordParser } from './record-parser.ts'

/** Ours: news about other paths that wait for output at most; what is not told the peer finds out by itself. */
const MAX_QUEUED = 16

/** Whether the peer has agreed that the path belongs to the session. */
export type LinkPathState =
  | { readonly kind: 'attaching'; readonly sinceMs: number; readonly deadlineMs: number }
  | { readonly kind: 'attached' }

/** What a link path is made of. */
export interface LinkPathSetup {
  readonly id: number
  readonly dialledBy: LinkRole
  readonly generation: number
  /** Counts the paths of this link on this side. */
  readonly order: number
  readonly state: LinkPathState
  readonly liveness: LivenessOptions
}

/** One path of a link, as the link sees it. */
export class LinkPath {
  readonly id: number
  readonly dialledBy: LinkRole
  readonly generation: number
  readonly order: number
  readonly parser = new RecordParser()
  readonly liveness: PathLiveness
  state: LinkPathState
  /** The offset that this path is given next. Everything from the path's start to here went over it, or is acknowledged. */
  cursor = 0
  /** The last PING that is not answered; an older one that was not is of no interest any more. */
  pongDue: number | undefined
  #queue: Uint8Array[] = []

  constructor(setup: LinkPathSetup, nowMs: number) {
    this.id = setup.id
    this.dialledBy = setup.dialledBy
    this.generation = setup.generation
    this.order = setup.order
    this.state = setup.state
    this.liveness = new PathLiveness(setup.liveness, nowMs)
  }

  get isAttached(): boolean {
    return this.state.kind === 'attached'
  }

  /** Queues an encoded record for the next output. */
  enqueue(record: Uint8Array): void {
    if (this.#queue.length < MAX_QUEUED) this.#queue.push(record)
  }

  get hasQueue(): boolean {
    return this.#queue.length > 0
  }

  /** The queued records; the list is the caller's. */
  takeQueue(): Uint8Array[] {
    if (this.#queue.length === 0) return []
    const taken = this.#queue
    this.#queue = []
    return taken
  }
}
