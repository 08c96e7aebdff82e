import { ReachError } from '../../base/errors.ts'
import { GenerationWindow } from './generation-window.ts'
import {
  decodeAccept,
  decodeRefuse,
  LINK_VERSION,
  SESSION_ID_LENGTH,
  writeAccept,
  writeAttach,
} from './handshake-record.ts'
import type { AttachRequest, LinkRole } from './handshake-record.ts'
import type { LinkEffect, LinkEnd, PathEnd } from './link-effect.ts'
import { linkDefaults, MAX_PATHS } from './link-options.ts'
import type { LinkOptions, LinkSetup } from './link-options.ts'
import { LinkPath } from './link-path.ts'
import type { LinkPathState } from './link-path.ts'
import { LinkPaths } from './link-paths.ts'
import { ReceiveHalf } from './receive-half.ts'
import { RECORD_TYPES } from './record-type.ts'
import type { RecordSink } from './record-parser.ts'
import { LinkOutput } from './link-output.ts'
import { RecordWriter } from './record-writer.ts'
import { isFinal } from './refusal.ts'
import type { REFUSAL_NUMBERS, Refusal } from './refusal.ts'
import { ReplayCapacity } from './replay-capacity.ts'
import { SendHalf } from './send-half.ts'
import {
  CLOSE_CODES,
  decodeAck,
  decodeClose,
  decodeFin,
  decodeGone,
  decodePing,
  FIRST_CALLER_CODE,
  writeAck,
  writeClose,
  writeGone,
} from './session-record.ts'
import type { Close } from './session-record.ts'
import { asViolation, violation } from './violation.ts'

/** Ours: what a path without a measured round trip is taken for, in ms. */
const UNKNOWN_RTT_MS = 100

const NOTHING = new Uint8Array(0)
const NO_CHUNKS: readonly Uint8Array[] = []

type State =
  | { readonly kind: 'open' }
  /** No path is attached. */
  | { readonly kind: 'waiting'; readonly untilMs: number }
  | { readonly kind: 'ended'; readonly end: LinkEnd }

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
  readonly #setup: LinkSetup
  readonly #options: LinkOptions
  readonly #capacity: ReplayCapacity
  readonly #sending: SendHalf
  readonly #receiving = new ReceiveHalf()
  readonly #paths = new LinkPaths()
  readonly #seen = new GenerationWindow()
  readonly #writer = new RecordWriter()
  readonly #output: LinkOutput
  #effects: LinkEffect[] = []
  #nextEffect = 0
  #state: State
  #generation = 0
  #orders = 0
  /** The peer knows the session: it accepted a path, or created the session on our word. */
  #isEstablished: boolean
  #resumeTimeMs: number
  /** Where the peer's bytes come in, hence where acknowledgements go: that path works. */
  #peerActive: LinkPath | undefined

  constructor(setup: LinkSetup, nowMs: number) {
    if (setup.sessionId.length !== SESSION_ID_LENGTH) throw new RangeError('a session id has 16 bytes')
    this.#setup = setup
    this.#options = { ...linkDefaults, ...setup.options }
    this.#resumeTimeMs = this.#options.resumeTimeMs
    this.#capacity = new ReplayCapacity(setup.budget, nowMs, this.#options.maxCapacity)
    this.#sending = new SendHalf(this.#capacity)
    this.#output = new LinkOutput(this.#sending, this.#receiving, this.#writer)
    this.#isEstablished = setup.role === 'responder'
    this.#state = { kind: 'waiting', untilMs: nowMs + this.#resumeTimeMs }
  }

  get sessionId(): Uint8Array {
    return this.#setup.sessionId
  }

  get role(): LinkRole {
    return this.#setup.role
  }

  get peerKey(): Uint8Array {
    return this.#setup.peerKey
  }

  /** How it ended; undefined while it has not. */
  get end(): LinkEnd | undefined {
    return this.#state.kind === 'ended' ? this.#state.end : undefined
  }

  /** The path that carries what we send; undefined while none does. */
  get activePath(): number | undefined {
    return this.#paths.active?.id
  }

  /** Bytes held for replay, and how many may be; chunks count a little more than their length. */
  get replay(): { readonly held: number; readonly capacity: number } {
    return { held: this.#sending.cost, capacity: this.#capacity.bytes }
  }

  /** A path's smoothed round trip in ms; undefined before it was measured, or when the path is unknown. */
  rttMs(path: number): number | undefined {
    return this.#paths.get(path)?.liveness.rttMs
  }

  /** True while `write` may be called. */
  get canWrite(): boolean {
    return this.#state.kind !== 'ended' && this.#sending.canWrite
  }

  /** The next effect; undefined once drained. */
  poll(): LinkEffect | undefined {
    const effect = this.#effects[this.#nextEffect]
    if (effect === undefined) {
      this.#effects = []
      this.#nextEffect = 0
    } else {
      this.#nextEffect++
    }
    return effect
  }

  /**
   * A path that we dialled is up: asks the peer to take it for this session.
   * @param path a number that no other path of this link has, nor had lately
   * @param peerKey as authenticated on this path
   * @returns why not; the link is as it was then, and the path is of no use to it
   */
  dial(path: number, peerKey: Uint8Array, nowMs: number): Refusal | undefined {
    const refusal = this.#refusalOfPath(peerKey)
    if (refusal !== undefined) return refusal
    const isAlone = this.#paths.size === 0
    const deadlineMs = nowMs + this.#options.attachTimeoutMs
    const generation = ++this.#generation
    const added = this.#add(
      path,
      this.role,
      generation,
      { kind: 'attaching', sinceMs: nowMs, deadlineMs },
      nowMs,
    )
    writeAttach(this.#writer, {
      version: LINK_VERSION,
      mayCreate: !this.#isEstablished,
      senderRole: this.role,
      isAlone,
      sessionId: this.sessionId,
      generation,
      received: this.#receiving.received,
      resumeTimeMs: this.#options.resumeTimeMs,
    })
    added.enqueue(this.#writer.take())
    // Nothing can have been received yet, so the stream may follow its ATTACH without waiting for the answer.
    if (!this.#isEstablished && this.#paths.active === undefined) this.#paths.activate(added)
    return undefined
  }

  /**
   * A path that the peer dialled asks for this session.
   * @param request as AttachReader gave it; what followed it goes to `receive`
   * @param peerKey as authenticated on this path
   * @returns why not; the link is as it was then. Send `refusalBytes` and close the path
   */
  accept(
    path: number,
    request: AttachRequest,
    peerKey: Uint8Array,
    nowMs: number,
  ): keyof typeof REFUSAL_NUMBERS | undefined {
    this.handleTimeout(nowMs)
    const refusal = this.#refusalOfPath(peerKey) ?? this.#refusalOfRequest(request)
    if (refusal !== undefined) return refusal
    const dialler = this.role === 'initiator' ? 'responder' : 'initiator'
    const isAlone = this.#paths.size === 0
    const added = this.#add(path, dialler, request.generation, { kind: 'attached' }, nowMs)
    this.#resumeTimeMs = Math.min(this.#resumeTimeMs, request.resumeTimeMs)
    this.#acknowledge(request.received, added, nowMs)
    writeAccept(this.#writer, {
      version: LINK_VERSION,
      isAlone,
      received: this.#receiving.received,
      resumeTimeMs: this.#options.resumeTimeMs,
    })
    added.enqueue(this.#writer.take())
    this.#receiving.told()
    this.#attached(added, request.isAlone, nowMs)
    this.#afterInput()
    return undefined
  }

  /**
   * Bytes came in over a path. They are the link's from now on: `data` effects are views of them.
   * What breaks the protocol ends the link (or only the path, before it is attached).
   */
  receive(path: number, bytes: Uint8Array, nowMs: number): void {
    const from = this.#paths.get(path)
    if (from === undefined || this.#state.kind === 'ended') return
    from.liveness.heard(nowMs)
    try {
      from.parser.push(bytes, this.#sinkOf(from, nowMs))
    } catch (error) {
      const broken = asViolation(error)
      if (from.isAttached) this.#fail(broken, { code: CLOSE_CODES.protocol, reason: broken.message })
      else this.#lose(from, { kind: 'violation', error: broken }, nowMs)
    }
    this.#afterInput()
  }

  /**
   * Takes chunks of the stream, all of them and by reference: don't overwrite them, as they may be sent again until
   * they are acknowledged. MAX_WRITE_LENGTH bytes at most.
   * @returns false when it takes no more for now; `writable` says when it does again
   * @throws {RangeError} when `canWrite` is false, or for too many bytes
   */
  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#state.kind === 'ended') throw new RangeError('write after the end of the link')
    return this.#sending.write(chunks)
  }

  /** Our direction ends here; the peer's goes on. When both have ended and are acknowledged, the link is finished. */
  finish(): void {
    if (this.#state.kind !== 'ended') this.#sending.end()
  }

  /** Ends the link at once, and tells the peer why. What is not acknowledged may be lost. */
  close(close: Close): void {
    if (!Number.isInteger(close.code) || close.code < FIRST_CALLER_CODE || close.code > 0xffff) {
      throw new RangeError(`close code ${close.code} is not from ${FIRST_CALLER_CODE} to 65535`)
    }
    if (this.#state.kind !== 'ended') this.#end({ kind: 'closed', by: 'us', close }, close)
  }

  /** Ends the link at once and says nothing: as if this process had died. */
  abort(): void {
    const close = { code: FIRST_CALLER_CODE, reason: 'aborted' }
    if (this.#state.kind !== 'ended') this.#end({ kind: 'closed', by: 'us', close }, undefined)
  }

  /** A path is closed or broken. Harmless for one that is not known. */
  pathLost(path: number, nowMs: number): void {
    const lost = this.#paths.get(path)
    if (lost !== undefined) this.#lose(lost, { kind: 'lost' }, nowMs)
  }

  /** Gives a path up, and tells the peer over the others. What was under way on it is sent again elsewhere. */
  detach(path: number, nowMs: number): void {
    const detached = this.#paths.get(path)
    if (detached !== undefined) this.#lose(detached, { kind: 'detached' }, nowMs)
  }

  /**
   * Sends over this path from now on; the former one stays on standby, and what is under way there still counts.
   * @returns false when the path is not attached
   */
  activate(path: number): boolean {
    const chosen = this.#paths.get(path)
    if (chosen?.isAttached !== true) return false
    if (this.#paths.active !== chosen) this.#activate(chosen)
    return true
  }

  /**
   * The next bytes for a path: up to one DATA record, as chunks for one write. Call it when the path takes bytes, and
   * write what it gives in order; a call that gives nothing means that there is nothing now.
   */
  pull(path: number, nowMs: number): readonly Uint8Array[] {
    const to = this.#paths.get(path)
    if (to === undefined) return NO_CHUNKS
    const carriesAcks = to.isAttached && (this.#peerActive ?? this.#paths.active) === to
    const chunks = this.#output.next(to, { carriesData: this.#paths.active === to, carriesAcks }, nowMs)
    if (this.#sending.takeDrained()) this.#effects.push({ kind: 'writable' })
    return chunks
  }

  /** When `handleTimeout` is due, in monotonic ms. */
  get deadlineMs(): number | undefined {
    if (this.#state.kind === 'ended') return undefined
    let earliest = this.#state.kind === 'waiting' ? this.#state.untilMs : Infinity
    for (const path of this.#paths.all()) {
      const { state } = path
      const due = state.kind === 'attaching' ? state.deadlineMs : path.liveness.deadlineMs(this.#isBusy(path))
      earliest = Math.min(earliest, due)
    }
    const ackDueMs = this.#state.kind === 'open' ? this.#receiving.deadlineMs : undefined
    earliest = Math.min(earliest, ackDueMs ?? Infinity, this.#capacity.deadlineMs ?? Infinity)
    return earliest === Infinity ? undefined : earliest
  }

  /** The deadline may have passed. What is due is in the next `pull`. */
  handleTimeout(nowMs: number): void {
    if (this.#state.kind === 'waiting' && nowMs >= this.#state.untilMs) {
      return this.#fail(
        new ReachError('ERR_REACH_SESSION_LOST', 'no path to the peer came up in time', {
          details: { resumeTimeMs: this.#resumeTimeMs },
        }),
        undefined,
      )
    }
    if (this.#state.kind === 'ended') return
    for (const path of [...this.#paths.all()]) {
      if (path.state.kind === 'attached') {
        if (!path.liveness.check(this.#isBusy(path), nowMs)) this.#lose(path, { kind: 'silent' }, nowMs)
      } else if (nowMs >= path.state.deadlineMs) {
        this.#lose(path, { kind: 'attach-timeout' }, nowMs)
      }
    }
    this.#receiving.handleTimeout(nowMs)
    this.#capacity.handleTimeout(nowMs)
  }

  #isBusy(path: LinkPath): boolean {
    return path === this.#paths.active && this.#sending.isBusy
  }

  #refusalOfPath(peerKey: Uint8Array): keyof typeof REFUSAL_NUMBERS | undefined {
    if (!sameBytes(peerKey, this.peerKey)) return 'key-mismatch'
    if (this.#state.kind === 'ended') return refusalOfEnd(this.#state.end)
    return this.#paths.size >= MAX_PATHS ? 'too-many-paths' : undefined
  }

  #refusalOfRequest(request: AttachRequest): keyof typeof REFUSAL_NUMBERS | undefined {
    if (request.version !== LINK_VERSION) return 'version'
    if (!this.#seen.admit(request.generation)) return 'generation-stale'
    if (request.received > this.#sending.sentTo) return 'offset-future'
    // With other paths attached the peer may have acknowledged more over them after it wrote this.
    const isOld = request.received < this.#sending.acked && this.#state.kind === 'waiting'
    return isOld ? 'offset-dropped' : undefined
  }

  #add(id: number, dialledBy: LinkRole, generation: number, state: LinkPathState, nowMs: number): LinkPath {
    const { liveness } = this.#options
    const path = new LinkPath({ id, dialledBy, generation, order: ++this.#orders, state, liveness }, nowMs)
    this.#paths.add(path)
    return path
  }

  /** Both sides know the path now. */
  #attached(path: LinkPath, isPeerAlone: boolean, nowMs: number): void {
    path.state = { kind: 'attached' }
    this.#state = { kind: 'open' }
    this.#isEstablished = true
    this.#effects.push({ kind: 'attached', path: path.id })
    if (isPeerAlone)
      for (const other of this.#paths.olderThan(path)) this.#lose(other, { kind: 'gone' }, nowMs)
    const active = this.#paths.active
    if (active === path) this.#effects.push({ kind: 'active', path: path.id })
    else if (active?.isAttached !== true) this.#activate(path)
  }

  #activate(path: LinkPath): void {
    this.#paths.activate(path)
    // The PONG says what the peer has: an acknowledgement may have been lost with another path.
    path.liveness.wantPing()
    this.#effects.push({ kind: 'active', path: path.id })
  }

  #lose(path: LinkPath, why: PathEnd, nowMs: number): void {
    const wasActive = this.#paths.active === path
    if (!this.#paths.remove(path)) return
    if (this.#peerActive === path) this.#peerActive = undefined
    this.#effects.push({ kind: 'close-path', path: path.id, why, lastBytes: NOTHING })
    const standby = this.#paths.best()
    if (standby !== undefined) {
      this.#tellGone(path)
      if (wasActive) this.#activate(standby)
    } else {
      this.#awaitPath(nowMs)
    }
  }

  #awaitPath(nowMs: number): void {
    if (this.#state.kind === 'open') this.#state = { kind: 'waiting', untilMs: nowMs + this.#resumeTimeMs }
    else if (this.#state.kind === 'ended' || this.#paths.size > 0) return
    this.#effects.push({ kind: 'path-needed', untilMs: this.#state.untilMs })
  }

  #tellGone(path: LinkPath): void {
    if (!path.isAttached) return
    const { generation } = path
    writeGone(this.#writer, { kind: 'path', byInitiator: path.dialledBy === 'initiator', generation })
    const record = this.#writer.take()
    for (const other of this.#paths.attached()) other.enqueue(record)
  }

  #sinkOf(from: LinkPath, nowMs: number): RecordSink {
    // A record may end the link or its path; what follows in the same chunk is then nobody's.
    const isOver = () => this.#state.kind === 'ended' || this.#paths.get(from.id) !== from
    return {
      onData: (offset, bytes, wantsAck) => {
        if (isOver()) return
        if (!from.isAttached) throw violation('data before the answer to attach', { offset })
        this.#takeData(from, offset, bytes, wantsAck, nowMs)
      },
      onControl: (type, body) => {
        if (isOver()) return
        if (from.state.kind === 'attaching') this.#handleAnswer(from, from.state.sinceMs, type, body, nowMs)
        else this.#handleControl(from, type, body, nowMs)
      },
    }
  }

  #takeData(from: LinkPath, offset: number, bytes: Uint8Array, wantsAck: boolean, nowMs: number): void {
    const news = this.#receiving.take(offset, bytes, wantsAck, nowMs)
    if (this.#peerActive !== from) {
      this.#peerActive = from
      this.#effects.push({ kind: 'peer-active', path: from.id })
    }
    if (news !== undefined) this.#effects.push({ kind: 'data', bytes: news })
  }

  /** The first record of a path that we dialled. */
  #handleAnswer(from: LinkPath, sinceMs: number, type: number, body: Uint8Array, nowMs: number): void {
    if (type === RECORD_TYPES.refuse) return this.#handleRefuse(from, decodeRefuse(body), nowMs)
    if (type !== RECORD_TYPES.accept) throw violation('no answer to attach', { type })
    const reply = decodeAccept(body)
    this.#acknowledge(reply.received, from, nowMs)
    this.#resumeTimeMs = Math.min(this.#resumeTimeMs, reply.resumeTimeMs)
    from.liveness.sample(nowMs - sinceMs)
    this.#attached(from, reply.isAlone, nowMs)
    // Those that were lost meanwhile could not be told of.
    if (this.#paths.size === 1) {
      writeGone(this.#writer, { kind: 'others' })
      from.enqueue(this.#writer.take())
    }
  }

  #handleRefuse(from: LinkPath, refusal: Refusal, nowMs: number): void {
    this.#lose(from, { kind: 'refused', refusal }, nowMs)
    // Another process of the same peer may have answered: while a path lives, so does the session.
    if (this.#paths.size > 0 || (this.#isEstablished && !isFinal(refusal))) return
    if (refusal === 'session-finished' && this.#receiving.isDone && this.#sending.finAt !== undefined) {
      return this.#end({ kind: 'finished' }, undefined)
    }
    this.#fail(
      new ReachError('ERR_REACH_SESSION_REFUSED', `the peer refused the session: ${refusal}`, {
        details: { refusal },
      }),
      undefined,
    )
  }

  #handleControl(from: LinkPath, type: number, body: Uint8Array, nowMs: number): void {
    switch (type) {
      case RECORD_TYPES.ack:
        return this.#acknowledge(decodeAck(body), from, nowMs)
      case RECORD_TYPES.ping: {
        const ping = decodePing(body)
        from.pongDue = ping.id
        return this.#acknowledge(ping.received, from, nowMs)
      }
      case RECORD_TYPES.pong: {
        const pong = decodePing(body)
        from.liveness.pong(pong.id, nowMs)
        return this.#acknowledge(pong.received, from, nowMs)
      }
      case RECORD_TYPES.fin:
        if (this.#receiving.finish(decodeFin(body), nowMs)) this.#effects.push({ kind: 'end' })
        return
      case RECORD_TYPES.close:
        return this.#handleClose(decodeClose(body))
      case RECORD_TYPES.gone: {
        const gone = this.#paths.named(decodeGone(body), from)
        for (const path of gone) if (path !== from) this.#lose(path, { kind: 'gone' }, nowMs)
        return
      }
      default:
        throw violation('an attach on a path that is attached', { type })
    }
  }

  #handleClose(close: Close): void {
    // The acknowledgement of our end came right before it.
    const isClean = close.code === CLOSE_CODES.finished && this.#isFinished
    this.#end(isClean ? { kind: 'finished' } : { kind: 'closed', by: 'peer', close }, undefined)
  }

  get #isFinished(): boolean {
    return this.#sending.isDone && this.#receiving.isDone
  }

  #acknowledge(offset: number, from: LinkPath, nowMs: number): void {
    this.#sending.acknowledge(offset, from.liveness.minRttMs ?? UNKNOWN_RTT_MS, nowMs)
  }

  #afterInput(): void {
    if (this.#state.kind === 'ended') return
    if (this.#isFinished) {
      return this.#end({ kind: 'finished' }, { code: CLOSE_CODES.finished, reason: '' })
    }
    if (this.#sending.takeDrained()) this.#effects.push({ kind: 'writable' })
  }

  #fail(error: ReachError, lastWord: Close | undefined): void {
    this.#end({ kind: 'failed', error }, lastWord)
  }

  #end(end: LinkEnd, lastWord: Close | undefined): void {
    this.#state = { kind: 'ended', end }
    for (const path of [...this.#paths.all()]) {
      this.#paths.remove(path)
      const lastBytes = path.isAttached && lastWord !== undefined ? this.#lastBytes(lastWord) : NOTHING
      this.#effects.push({ kind: 'close-path', path: path.id, why: { kind: 'ended' }, lastBytes })
    }
    this.#peerActive = undefined
    this.#sending.release()
    this.#effects.push({ kind: 'ended', end })
  }

  /** What the peer must know at last: how much arrived, and why it is over. */
  #lastBytes(close: Close): Uint8Array {
    writeAck(this.#writer, this.#receiving.received)
    writeClose(this.#writer, close)
    return this.#writer.take()
  }
}

function refusalOfEnd(end: LinkEnd): keyof typeof REFUSAL_NUMBERS {
  if (end.kind === 'finished') return 'session-finished'
  const isExpired = end.kind === 'failed' && end.error.code === 'ERR_REACH_SESSION_LOST'
  return isExpired ? 'session-expired' : 'session-closed'
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
