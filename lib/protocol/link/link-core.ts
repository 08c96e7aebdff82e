import { ReachError } from '../../base/errors.ts'
import { Fifo } from '../../base/fifo.ts'
import type { LinkRole } from './handshake-record.ts'
import type { LinkEffect, LinkEnd, PathEnd } from './link-effect.ts'
import { linkDefaults } from './link-options.ts'
import type { LinkOptions, LinkSetup } from './link-options.ts'
import { LinkPath } from './link-path.ts'
import type { LinkPathState } from './link-path.ts'
import { LinkPaths } from './link-paths.ts'
import { ReceiveHalf } from './receive-half.ts'
import { RecordWriter } from './record-writer.ts'
import { ReplayCapacity } from './replay-capacity.ts'
import { SendHalf } from './send-half.ts'
import { CLOSE_CODES, writeAck, writeClose, writeGone } from './session-record.ts'
import type { Close } from './session-record.ts'

/** Ours: what a path without a measured round trip is taken for, in ms. */
const UNKNOWN_RTT_MS = 100

const NOTHING = new Uint8Array(0)

/** Where a link is in its life. */
export type LinkState =
  /** At least one path is attached. */
  | { readonly kind: 'open' }
  /** No path is attached. */
  | { readonly kind: 'waiting'; readonly untilMs: number }
  | { readonly kind: 'ended'; readonly end: LinkEnd }

/**
 * What the parts of a link share: its state, its paths and both directions, and the steps that change them together.
 * Only files of this folder use it; `Link` is what others hold.
 */
export class LinkCore {
  readonly setup: LinkSetup
  readonly options: LinkOptions
  readonly capacity: ReplayCapacity
  readonly sending: SendHalf
  readonly receiving = new ReceiveHalf()
  readonly paths = new LinkPaths()
  readonly writer = new RecordWriter()
  state: LinkState
  /** The peer knows the session: it accepted a path, or created the session on our word. */
  isEstablished: boolean
  /** Where the peer's bytes come in, hence where acknowledgements go: that path works. */
  peerActive: LinkPath | undefined
  #resumeTimeMs: number
  #orders = 0
  readonly #effects = new Fifo<LinkEffect>()

  constructor(setup: LinkSetup, nowMs: number) {
    this.setup = setup
    this.options = { ...linkDefaults, ...setup.options }
    this.#resumeTimeMs = this.options.resumeTimeMs
    this.capacity = new ReplayCapacity(setup.budget, nowMs, this.options.maxCapacity)
    this.sending = new SendHalf(this.capacity)
    this.isEstablished = setup.role === 'responder'
    const firstWaitMs = Math.max(this.#resumeTimeMs, this.options.attachTimeoutMs)
    this.state = { kind: 'waiting', untilMs: nowMs + firstWaitMs }
  }

  /** Queues an effect. */
  tell(effect: LinkEffect): void {
    this.#effects.push(effect)
  }

  get hasEffects(): boolean {
    return this.#effects.length > 0
  }

  /** The next effect; undefined once drained. */
  poll(): LinkEffect | undefined {
    return this.#effects.shift()
  }

  /** For how long the session is kept without a path, in ms. */
  get resumeTimeMs(): number {
    return this.#resumeTimeMs
  }

  /** The shorter of both sides' resume times counts. */
  limitResumeTime(peerMs: number): void {
    this.#resumeTimeMs = Math.min(this.#resumeTimeMs, peerMs)
  }

  /** @throws {RangeError} when a path has that id */
  add(id: number, dialledBy: LinkRole, generation: number, state: LinkPathState, nowMs: number): LinkPath {
    const { liveness } = this.options
    const path = new LinkPath({ id, dialledBy, generation, order: ++this.#orders, state, liveness }, nowMs)
    this.paths.add(path)
    return path
  }

  /** Both sides know the path now. */
  attach(path: LinkPath, isPeerAlone: boolean, nowMs: number): void {
    path.state = { kind: 'attached' }
    this.state = { kind: 'open' }
    this.isEstablished = true
    this.tell({ kind: 'attached', path: path.id })
    if (this.paths.active === path) this.tell({ kind: 'active', path: path.id })
    if (isPeerAlone) for (const other of this.paths.olderThan(path)) this.lose(other, { kind: 'gone' }, nowMs)
    if (this.paths.active?.isAttached !== true) this.activate(path)
  }

  /** What we send goes over this path from now on. */
  activate(path: LinkPath): void {
    this.paths.activate(path)
    // The PONG says what the peer has: an acknowledgement may have been lost with another path.
    path.liveness.wantPing()
    this.tell({ kind: 'active', path: path.id })
  }

  /** A path is of no use any more: closes it, goes on over the best other one, or waits for a new one. */
  lose(path: LinkPath, why: PathEnd, nowMs: number): void {
    const wasActive = this.paths.active === path
    if (!this.paths.remove(path)) return
    if (this.peerActive === path) this.peerActive = undefined
    this.tell({ kind: 'close-path', path: path.id, why, lastBytes: NOTHING })
    const standby = this.paths.best()
    if (standby !== undefined) {
      this.#tellGone(path)
      if (wasActive) this.activate(standby)
    } else {
      this.#awaitPath(nowMs)
    }
  }

  /** Both directions ended and are acknowledged. */
  get isFinished(): boolean {
    return this.sending.isDone && this.receiving.isDone
  }

  /** The peer has everything before an offset. @throws {ReachError} ERR_REACH_PROTOCOL beyond what was sent */
  acknowledge(offset: number, from: LinkPath, nowMs: number): void {
    this.sending.acknowledge(offset, from.liveness.minRttMs ?? UNKNOWN_RTT_MS, nowMs)
  }

  /** What any input may have made possible. */
  afterInput(): void {
    if (this.state.kind === 'ended') return
    if (this.isFinished) {
      return this.finish({ kind: 'finished' }, { code: CLOSE_CODES.finished, reason: '' })
    }
    if (this.sending.takeDrained()) this.tell({ kind: 'writable' })
  }

  /** @param lastWord what attached paths are told; undefined for nothing */
  fail(error: ReachError, lastWord: Close | undefined): void {
    this.finish({ kind: 'failed', error }, lastWord)
  }

  /** The link is over: closes all paths and lets go of everything. */
  finish(end: LinkEnd, lastWord: Close | undefined): void {
    this.state = { kind: 'ended', end }
    for (const path of this.paths.all()) {
      this.paths.remove(path)
      const lastBytes = path.isAttached && lastWord !== undefined ? this.#lastBytes(lastWord) : NOTHING
      this.tell({ kind: 'close-path', path: path.id, why: { kind: 'ended' }, lastBytes })
    }
    this.peerActive = undefined
    this.sending.release()
    this.tell({ kind: 'ended', end })
  }

  #awaitPath(nowMs: number): void {
    if (this.state.kind === 'open') this.state = { kind: 'waiting', untilMs: nowMs + this.#resumeTimeMs }
    else if (this.state.kind === 'ended' || this.paths.size > 0) return
    this.tell({ kind: 'path-needed', untilMs: this.state.untilMs })
  }

  #tellGone(path: LinkPath): void {
    if (!path.isAttached) return
    const { generation } = path
    writeGone(this.writer, { kind: 'path', byInitiator: path.dialledBy === 'initiator', generation })
    const record = this.writer.take()
    for (const other of this.paths.attached()) other.enqueue(record)
  }

  /** What the peer must know at last: how much arrived, and why it is over. */
  #lastBytes(close: Close): Uint8Array {
    writeAck(this.writer, this.receiving.received)
    writeClose(this.writer, close)
    return this.writer.take()
  }
}
