import { ReachError } from '../../base/errors.ts'
import { sameBytes } from '../../base/same-bytes.ts'
import { GenerationWindow } from './generation-window.ts'
import { LINK_VERSION, SESSION_ID_LENGTH, writeAccept, writeAttach } from './handshake-record.ts'
import type { AttachRequest, LinkRole } from './handshake-record.ts'
import { LinkCore } from './link-core.ts'
import type { LinkEffect, LinkEnd } from './link-effect.ts'
import { LinkInput } from './link-input.ts'
import { MAX_PATHS } from './link-options.ts'
import type { LinkSetup } from './link-options.ts'
import { LinkOutput } from './link-output.ts'
import type { OutputScope } from './link-output.ts'
import type { LinkPath } from './link-path.ts'
import type { KnownRefusal } from './refusal.ts'
import { FIRST_CALLER_CODE } from './session-record.ts'
import type { Close } from './session-record.ts'

const NO_CHUNKS: readonly Uint8Array[] = []

/**
 * One byte stream in each direction between two peers, over paths that come and go. It outlives them: what the peer did
 * not acknowledge is kept, and sent again over the next path, so that no byte is lost, repeated or out of order.
 *
 * No `Machine<Input, Effect>`, though it keeps its contract of time: `write` must answer whether it takes more, and
 * output is pulled by the path that has room for it. As effects, output would wait in a queue with nothing to bound it,
 * on a path that may be given up the next moment.
 *
 * Contract: after each call drain `poll()`, pull each path that takes bytes until it gives nothing, and arm one timer
 * at `deadlineMs`.
 */
export class Link {
  readonly #core: LinkCore
  readonly #input: LinkInput
  readonly #output: LinkOutput
  readonly #seen = new GenerationWindow()
  #generation = 0

  constructor(setup: LinkSetup, nowMs: number) {
    if (setup.sessionId.length !== SESSION_ID_LENGTH) throw new RangeError('a session id has 16 bytes')
    this.#core = new LinkCore(setup, nowMs)
    this.#input = new LinkInput(this.#core)
    this.#output = new LinkOutput(this.#core.sending, this.#core.receiving, this.#core.writer)
  }

  get sessionId(): Uint8Array {
    return this.#core.setup.sessionId
  }

  get role(): LinkRole {
    return this.#core.setup.role
  }

  get peerKey(): Uint8Array {
    return this.#core.setup.peerKey
  }

  /** How it ended; undefined while it has not. */
  get end(): LinkEnd | undefined {
    return this.#core.state.kind === 'ended' ? this.#core.state.end : undefined
  }

  /** The path that carries what we send; undefined while none does. */
  get activePath(): number | undefined {
    return this.#core.paths.active?.id
  }

  /** The peer has all bytes before this offset of what we write; chunks that end there were released. */
  get acknowledged(): number {
    return this.#core.sending.acked
  }

  /** Bytes held for replay, and how many may be; chunks count a little more than their length. */
  get replay(): { readonly held: number; readonly capacity: number } {
    return { held: this.#core.sending.cost, capacity: this.#core.capacity.bytes }
  }

  /** A path's smoothed round trip in ms; undefined before it was measured, or when the path is unknown. */
  rttMs(path: number): number | undefined {
    return this.#core.paths.get(path)?.liveness.rttMs
  }

  /** A path's shortest round trip in ms: without its queues. Undefined as `rttMs` is. */
  minRttMs(path: number): number | undefined {
    return this.#core.paths.get(path)?.liveness.minRttMs
  }

  /** The way of a path bears little silence: pings over it come at least that often, in ms. */
  speakEvery(path: number, ms: number): void {
    this.#core.paths.get(path)?.liveness.speakEvery(ms)
  }

  /** True while `write` may be called. */
  get canWrite(): boolean {
    return this.#core.state.kind !== 'ended' && this.#core.sending.canWrite
  }

  /** True when `poll` would give something. */
  get hasEffects(): boolean {
    return this.#core.hasEffects
  }

  /** The next effect; undefined once drained. */
  poll(): LinkEffect | undefined {
    return this.#core.poll()
  }

  /**
   * A path that we dialled is up: asks the peer to take it for this session.
   * @param path a number that no other path of this link has, nor had lately
   * @param peerKey as authenticated on this path
   * @returns why not; the link is as it was then, and the path is of no use to it
   */
  dial(path: number, peerKey: Uint8Array, nowMs: number): KnownRefusal | undefined {
    const refusal = this.#refusalOfPath(peerKey, this.#core.paths.size < MAX_PATHS)
    if (refusal !== undefined) return refusal
    const isAlone = this.#core.paths.size === 0
    const deadlineMs = nowMs + this.#core.options.attachTimeoutMs
    const generation = ++this.#generation
    const added = this.#core.add(
      path,
      this.role,
      generation,
      { kind: 'attaching', sinceMs: nowMs, deadlineMs },
      nowMs,
    )
    writeAttach(this.#core.writer, {
      version: LINK_VERSION,
      mayCreate: !this.#core.isEstablished,
      senderRole: this.role,
      isAlone,
      sessionId: this.sessionId,
      generation,
      received: this.#core.receiving.received,
      resumeTimeMs: this.#core.options.resumeTimeMs,
    })
    added.enqueue(this.#core.writer.take())
    // Nothing can have been received yet, so the stream may follow its ATTACH without waiting for the answer.
    if (!this.#core.isEstablished && this.#core.paths.active === undefined) this.#core.paths.activate(added)
    return undefined
  }

  /**
   * A path that the peer dialled asks for this session.
   * @param request as AttachReader gave it; what followed it goes to `receive`
   * @param peerKey as authenticated on this path
   * @returns why not; the link is as it was then. Send it (LinkRegistry has the bytes) and close the path
   */
  accept(path: number, request: AttachRequest, peerKey: Uint8Array, nowMs: number): KnownRefusal | undefined {
    this.handleTimeout(nowMs)
    // A peer that has no other path left makes room: the old ones go when it is accepted.
    const hasRoom = request.isAlone || this.#core.paths.size < MAX_PATHS
    const refusal = this.#refusalOfPath(peerKey, hasRoom) ?? this.#refusalOfRequest(request)
    if (refusal !== undefined) return refusal
    const dialler = this.role === 'initiator' ? 'responder' : 'initiator'
    const isAlone = this.#core.paths.size === 0
    const added = this.#core.add(path, dialler, request.generation, { kind: 'attached' }, nowMs)
    this.#core.limitResumeTime(request.resumeTimeMs)
    this.#core.acknowledge(request.received, added, nowMs)
    writeAccept(this.#core.writer, {
      version: LINK_VERSION,
      isAlone,
      received: this.#core.receiving.received,
      resumeTimeMs: this.#core.options.resumeTimeMs,
    })
    added.enqueue(this.#core.writer.take())
    this.#core.receiving.told()
    this.#core.attach(added, request.isAlone, nowMs)
    this.#core.afterInput()
    return undefined
  }

  /**
   * Bytes came in over a path, or those of them from `start` up to `end`. They are the link's from now on: `data` effects
   * are views of them. What breaks the protocol ends the link (or only the path, before it is attached).
   */
  receive(path: number, bytes: Uint8Array, nowMs: number, start = 0, end = bytes.length): void {
    this.#input.receive(path, bytes, nowMs, start, end)
    this.#core.afterInput()
  }

  /**
   * Takes chunks of the stream, all of them and by reference: don't overwrite them, as they may be sent again until
   * they are acknowledged. MAX_WRITE_LENGTH bytes at most. A small view of a large block keeps the whole block in memory
   * that long; only the view is counted.
   * @returns false when it takes no more for now; `writable` says when it does again
   * @throws {RangeError} when `canWrite` is false, or for too many bytes
   */
  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#core.state.kind === 'ended') throw new RangeError('write after the end of the link')
    return this.#core.sending.write(chunks)
  }

  /** Our direction ends here; the peer's goes on. When both have ended and are acknowledged, the link is finished. */
  finish(): void {
    if (this.#core.state.kind !== 'ended') this.#core.sending.end()
  }

  /** Ends the link at once, and tells the peer why. What is not acknowledged may be lost. */
  close(close: Close): void {
    if (!Number.isInteger(close.code) || close.code < FIRST_CALLER_CODE || close.code > 0xffff) {
      throw new RangeError(`close code ${close.code} is not from ${FIRST_CALLER_CODE} to 65535`)
    }
    if (this.#core.state.kind !== 'ended') this.#core.finish({ kind: 'closed', by: 'us', close }, close)
  }

  /** Ends the link at once and says nothing: as if this process had died. */
  abort(): void {
    const close = { code: FIRST_CALLER_CODE, reason: 'aborted' }
    if (this.#core.state.kind !== 'ended') this.#core.finish({ kind: 'closed', by: 'us', close }, undefined)
  }

  /** A path is closed or broken. Harmless for one that is not known. */
  pathLost(path: number, nowMs: number): void {
    const lost = this.#core.paths.get(path)
    if (lost !== undefined) this.#core.lose(lost, { kind: 'lost' }, nowMs)
  }

  /** Gives a path up, and tells the peer over the others. What was under way on it is sent again elsewhere. */
  detach(path: number, nowMs: number): void {
    const detached = this.#core.paths.get(path)
    if (detached !== undefined) this.#core.lose(detached, { kind: 'detached' }, nowMs)
  }

  /** Asks whether all paths still answer, now rather than at their time: the network has changed, say. */
  probe(): void {
    for (const path of this.#core.paths.attached()) path.liveness.wantPing()
  }

  /**
   * Sends over this path from now on; the former one stays on standby, and what is under way there still counts.
   * @returns false when the path is not attached
   */
  activate(path: number): boolean {
    const chosen = this.#core.paths.get(path)
    if (chosen?.isAttached !== true) return false
    if (this.#core.paths.active !== chosen) this.#core.activate(chosen)
    return true
  }

  /** True when `pull` would give something for a path. */
  hasOutput(path: number, nowMs: number): boolean {
    const to = this.#core.paths.get(path)
    return to !== undefined && this.#output.has(to, this.#scopeOf(to), nowMs)
  }

  /**
   * The next bytes for a path: up to one DATA record, as chunks for one write. Call it when the path takes bytes, and
   * write what it gives in order; a call that gives nothing means that there is nothing now.
   */
  pull(path: number, nowMs: number): readonly Uint8Array[] {
    const to = this.#core.paths.get(path)
    if (to === undefined) return NO_CHUNKS
    const chunks = this.#output.next(to, this.#scopeOf(to), nowMs)
    if (this.#core.sending.takeDrained()) this.#core.tell({ kind: 'writable' })
    return chunks
  }

  /** When `handleTimeout` is due, in monotonic ms. */
  get deadlineMs(): number | undefined {
    if (this.#core.state.kind === 'ended') return undefined
    let earliest = this.#core.state.kind === 'waiting' ? this.#core.state.untilMs : Infinity
    for (const path of this.#core.paths.all()) {
      const { state } = path
      const due = state.kind === 'attaching' ? state.deadlineMs : path.liveness.deadlineMs(this.#isBusy(path))
      earliest = Math.min(earliest, due)
    }
    const ackDueMs = this.#core.state.kind === 'open' ? this.#core.receiving.deadlineMs : undefined
    earliest = Math.min(earliest, ackDueMs ?? Infinity, this.#core.capacity.deadlineMs ?? Infinity)
    return earliest === Infinity ? undefined : earliest
  }

  /** The deadline may have passed. What is due is in the next `pull`. */
  handleTimeout(nowMs: number): void {
    if (this.#core.state.kind === 'waiting' && nowMs >= this.#core.state.untilMs) {
      return this.#core.fail(
        new ReachError('ERR_REACH_SESSION_LOST', 'no path to the peer came up in time', {
          details: { resumeTimeMs: this.#core.resumeTimeMs },
        }),
        undefined,
      )
    }
    if (this.#core.state.kind === 'ended') return
    for (const path of this.#core.paths.all()) {
      if (path.state.kind === 'attached') {
        if (!path.liveness.check(this.#isBusy(path), nowMs)) this.#core.lose(path, { kind: 'silent' }, nowMs)
      } else if (nowMs >= path.state.deadlineMs) {
        this.#core.lose(path, { kind: 'attach-timeout' }, nowMs)
      }
    }
    this.#core.receiving.handleTimeout(nowMs)
    this.#core.capacity.handleTimeout(nowMs, this.#core.sending.cost)
  }

  #scopeOf(path: LinkPath): OutputScope {
    const { paths, peerActive } = this.#core
    return {
      carriesData: paths.active === path,
      carriesAcks: path.isAttached && (peerActive ?? paths.active) === path,
    }
  }

  #isBusy(path: LinkPath): boolean {
    return path === this.#core.paths.active && this.#core.sending.isBusy
  }

  #refusalOfPath(peerKey: Uint8Array, hasRoom: boolean): KnownRefusal | undefined {
    if (!sameBytes(peerKey, this.peerKey)) return 'key-mismatch'
    if (this.#core.state.kind === 'ended') return refusalOfEnd(this.#core.state.end)
    return hasRoom ? undefined : 'too-many-paths'
  }

  #refusalOfRequest(request: AttachRequest): KnownRefusal | undefined {
    if (request.version !== LINK_VERSION) return 'version'
    if (!this.#seen.admit(request.generation)) return 'generation-stale'
    if (request.received > this.#core.sending.sentTo) return 'offset-future'
    // With other paths attached the peer may have acknowledged more over them after it wrote this.
    const isOld = request.received < this.#core.sending.acked && this.#core.state.kind === 'waiting'
    return isOld ? 'offset-dropped' : undefined
  }
}

function refusalOfEnd(end: LinkEnd): KnownRefusal {
  if (end.kind === 'finished') return 'session-finished'
  const isExpired = end.kind === 'failed' && end.error.code === 'ERR_REACH_SESSION_LOST'
  return isExpired ? 'session-expired' : 'session-closed'
}
