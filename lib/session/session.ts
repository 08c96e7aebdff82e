import { ReachError } from '../base/errors.ts'
import { unreachable } from '../base/exhaustive.ts'
import type { Clock, Timer } from '../base/runtime.ts'
import type { EarlyChannel, SecureChannel } from '../identity/tls/secure-channel.ts'
import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { Link } from '../protocol/link/link.ts'
import type { LinkEffect, LinkEnd } from '../protocol/link/link-effect.ts'
import type { MuxEvent } from '../protocol/mux/mux-event.ts'
import type { MuxOptions } from '../protocol/mux/mux-options.ts'
import { MuxSession } from '../protocol/mux/mux-session.ts'
import type { MuxStream } from '../protocol/mux/mux-stream.ts'
import { RESET_REASONS } from '../protocol/mux/reset-reason.ts'
import { ChangeWatch } from './change-watch.ts'
import type { DecideOpen } from './open-decision.ts'
import type { PathAbout, PathKind } from './path-pipe.ts'
import { PathPipe } from './path-pipe.ts'
import { SendMemory } from './send-memory.ts'
import { DATAGRAM_SERVICE, SessionDatagrams } from './session-datagrams.ts'
import { SessionStream } from './session-stream.ts'

/** A path of a session at one moment. */
export interface PathState {
  readonly kind: PathKind
  /** The relay as HOST:PORT, or the address of the peer. */
  readonly via: string
  /** What we send goes over it. */
  readonly isActive: boolean
  /** Smoothed round trip in ms; undefined before it was measured. */
  readonly rttMs: number | undefined
}

/** What a session tells whoever made it. */
export interface SessionEvents {
  /** What we send goes over this path from now on. */
  onPath?(path: PathState): void
  /** The peer sent a datagram. */
  onDatagram?(session: Session, bytes: Uint8Array): void
  /** No path is left: dial another before that time (monotonic ms), or the session is lost. */
  onPathNeeded?(session: Session, untilMs: number): void
}

/** What a session is made of. */
export interface SessionSetup {
  readonly clock: Clock
  readonly link: Link
  /** As proven on the first path. */
  readonly peer: PeerIdentity
  readonly decide: DecideOpen
  readonly mux?: Partial<MuxOptions>
  readonly events?: SessionEvents
}

/** Ours: what a pull of the mux gives the link at once: two whole frames of the mux; TLS is best from 64 KiB on. */
const PULL_LENGTH = 2 * (64 * 1024 + 12)
/** Ours: how long a session that is closed waits for its last bytes to be acknowledged. */
const CLOSE_TIMEOUT_MS = 10_000
/** Close codes of this layer (docs/wire.md). */
const CLOSE_ABORTED = 16
const CLOSE_VIOLATION = 17

/**
 * The conversation with one peer: streams over whatever paths there are. It outlives each of them: bytes that a path took
 * to its grave are sent again over the next.
 */
export class Session implements AsyncDisposable {
  readonly peer: PeerIdentity
  /** True when we began it. */
  readonly isInitiator: boolean
  /** Resolves when it is over; with the reason unless both sides had taken leave. Never rejects. */
  readonly closed: Promise<ReachError | undefined>
  /** Resolves when both sides have it; with the reason when it ended before. Never rejects. */
  readonly established: Promise<ReachError | undefined>
  readonly #clock: Clock
  readonly #link: Link
  readonly #mux: MuxSession
  readonly #decide: DecideOpen
  readonly #events: SessionEvents
  readonly #pipes = new Map<number, PathPipe>()
  readonly #memory = new SendMemory()
  /** Bytes that the link has taken: the offset of the next one. */
  #written = 0
  readonly #streams = new Map<MuxStream, SessionStream>()
  readonly #lingering = new Set<SessionStream>()
  #settle: (error: ReachError | undefined) => void = () => undefined
  #establish: (error: ReachError | undefined) => void = () => undefined
  #end: { readonly error: ReachError | undefined } | undefined
  #isPumpDue = false
  #isPumping = false
  #timer: Timer | undefined
  #timerAtMs = Infinity
  #lastWhy: ReachError | undefined
  #closeTimer: Timer | undefined
  /** Of the active path. */
  readonly #watch = new ChangeWatch()
  readonly #datagrams = new SessionDatagrams(
    () => this.open(DATAGRAM_SERVICE),
    (bytes) => this.#events.onDatagram?.(this, bytes),
  )

  constructor({ clock, link, peer, decide, mux = {}, events = {} }: SessionSetup) {
    this.peer = peer
    this.isInitiator = link.role === 'initiator'
    this.closed = new Promise((resolve) => (this.#settle = resolve))
    this.established = new Promise((resolve) => (this.#establish = resolve))
    this.#clock = clock
    this.#link = link
    this.#decide = decide
    this.#events = events
    // The link finds dead paths and outlives them: the mux must not give up while there is none. It pings to measure.
    const keepalive = { intervalMs: Infinity, timeoutMs: Infinity }
    const setup = { role: link.role, hasOpenHeaders: true, options: { keepalive, ...mux } }
    this.#mux = new MuxSession(setup, clock.nowMs())
  }

  /** True until it is over. */
  get isOpen(): boolean {
    return this.#end === undefined
  }

  /** True while streams can be opened. */
  get takesStreams(): boolean {
    return this.isOpen && this.#mux.openRefusal === undefined
  }

  /** Streams that are not over. */
  get streamCount(): number {
    return this.#mux.streamCount
  }

  /** Its paths now, the active one first. */
  get currentPaths(): readonly PathState[] {
    const states = [...this.#pipes.values()].map((pipe) => this.#stateOf(pipe))
    return states.sort((a, b) => Number(b.isActive) - Number(a.isActive))
  }

  /** Each path that becomes the active one, from the current one on, until the session is over. */
  async *paths(signal?: AbortSignal): AsyncGenerator<PathState> {
    for (let told = 0; ;) {
      signal?.throwIfAborted()
      const path = this.currentPaths[0]
      if (path?.isActive === true && this.#watch.changes > told) {
        told = this.#watch.changes
        yield path
      } else if (this.isOpen) await this.#watch.next(signal)
      else return
    }
  }

  /** Bytes of received data that applications have not read, and of sent data that the peer has not acknowledged. */
  get memory(): { readonly unread: number; readonly unacknowledged: number } {
    return { unread: this.#mux.memory.held, unacknowledged: this.#link.replay.held }
  }

  /**
   * Opens a stream. It can be written to at once: the name of the service and what is written in this turn leave together.
   * Event `accepted` says that the peer took it; when it refuses, the stream fails with ERR_REACH_STREAM_REFUSED.
   * @throws {ReachError} ERR_REACH_STREAM_REFUSED when there are too many streams, or the session takes none any more;
   * ERR_REACH_SESSION_LOST
   */
  open(service: string): SessionStream {
    if (this.#end !== undefined) throw this.#end.error ?? sessionOver()
    const refusal = this.#mux.openRefusal
    if (refusal !== undefined) {
      throw new ReachError('ERR_REACH_STREAM_REFUSED', `no stream can be opened: ${refusal}`, {
        details: { reason: refusal },
      })
    }
    const mux = this.#mux.open(service, this.#clock.nowMs())
    const stream = this.#adopt(mux)
    this.#pumpLater()
    return stream
  }

  /**
   * Sends a datagram of at most {@link MAX_DATAGRAM_LENGTH} bytes: it may be lost, and the oldest is when they come faster
   * than the path takes them. It travels inside the session's TLS.
   * @throws {RangeError} when it is too long
   * @throws {ReachError} as `open` does
   */
  sendDatagram(bytes: Uint8Array): void {
    this.#datagrams.send(bytes)
  }

  /** Datagrams of ours that were dropped because they came faster than the path takes them. */
  get droppedDatagrams(): number {
    return this.#datagrams.dropped
  }

  /**
   * Adds a path that we dialled. @throws {ReachError} ERR_REACH_SESSION_REFUSED when the link can't take it
   */
  dialled(path: number, channel: SecureChannel | EarlyChannel, about: PathAbout): void {
    const refusal = this.#link.dial(path, keyOf(channel.peer), this.#clock.nowMs())
    if (refusal !== undefined) {
      channel.stream.destroy()
      throw new ReachError('ERR_REACH_SESSION_REFUSED', `the session can't take the path: ${refusal}`, {
        details: { refusal },
      })
    }
    const pipe = this.#addPipe(path, channel, about)
    if ('accepted' in channel) {
      // What we write goes at once; whether the peer takes it comes with what it says first.
      channel.accepted.then(
        () => pipe.read(),
        (error: unknown) => this.#refused(path, error),
      )
    } else pipe.read()
    this.#pump()
  }

  /** Adds a path that the peer dialled, and that the link has accepted. @param rest bytes that followed its request */
  accepted(path: number, channel: SecureChannel, about: PathAbout, rest: Uint8Array): void {
    const pipe = this.#addPipe(path, channel, about)
    if (rest.length > 0) this.#link.receive(path, rest, this.#clock.nowMs())
    pipe.read()
    this.#pump()
  }

  /** No new streams; ends when those that are open have. */
  drain(): void {
    this.#mux.drain()
    this.#pump()
  }

  /**
   * Takes leave: no new streams, those that are open go on to their end, and what was written arrives. Resolves when it is
   * over; after `timeoutMs` (default 10 s), or when there is no path to say so, it ends all the same.
   */
  async close(timeoutMs = CLOSE_TIMEOUT_MS): Promise<void> {
    const giveUp = () => this.destroy(new ReachError('ERR_REACH_ABORTED', 'the session was closed'))
    if (this.isOpen && this.#pipes.size === 0) giveUp()
    else if (this.isOpen) {
      this.#closeTimer?.cancel()
      this.#closeTimer = this.#clock.setTimer(timeoutMs, giveUp)
    }
    this.#datagrams.end()
    this.drain()
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Ends it at once; bytes under way are lost, and streams fail with the error. */
  destroy(error = new ReachError('ERR_REACH_ABORTED', 'the session was ended')): void {
    if (this.#end !== undefined) return
    this.#lastWhy = error
    this.#mux.close()
    this.#link.close({ code: CLOSE_ABORTED, reason: error.code })
    this.#pump()
  }

  /** Gives up a path: for tests, and for when the network has changed. The session asks for another. */
  dropPath(path: number): void {
    this.#link.detach(path, this.#clock.nowMs())
    this.#pump()
  }

  /** The peer does not accept us on a path: without another one there is no session. */
  #refused(path: number, error: unknown): void {
    this.#pipes.delete(path)
    if (this.#pipes.size === 0 && ReachError.is(error)) this.destroy(error)
    else this.#link.pathLost(path, this.#clock.nowMs())
    this.#pump()
  }

  #addPipe(path: number, { stream }: SecureChannel, about: PathAbout): PathPipe {
    const later = (delayMs: number, callback: () => void) => this.#clock.setTimer(delayMs, callback)
    const pipe = new PathPipe(path, about, stream, later, {
      onBytes: (bytes) => {
        this.#link.receive(path, bytes, this.#clock.nowMs())
        this.#pump()
      },
      onRoom: () => this.#pump(),
      onLost: () => {
        this.#pipes.delete(path)
        this.#link.pathLost(path, this.#clock.nowMs())
        this.#pump()
      },
    })
    this.#pipes.set(path, pipe)
    return pipe
  }

  /** At the end of the turn: what is written in one turn leaves together. */
  #pumpLater(): void {
    if (this.#isPumpDue || this.#isPumping) return
    this.#isPumpDue = true
    queueMicrotask(() => {
      this.#isPumpDue = false
      this.#pump()
    })
  }

  /** Takes what the machines have to tell, and moves bytes until nothing moves any more. */
  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      const nowMs = this.#clock.nowMs()
      for (;;) {
        this.#drainLink(nowMs)
        this.#drainMux()
        const moved = this.#fillLink(nowMs)
        // Our direction of the link ends behind the last words of the mux.
        if (this.#mux.end !== undefined && !this.#mux.hasOutput) this.#link.finish()
        if (!this.#fillPipes(nowMs) && !moved) break
      }
      this.#settleLingering()
      this.#arm()
    } finally {
      this.#isPumping = false
    }
  }

  #fillLink(nowMs: number): boolean {
    let moved = false
    this.#memory.acknowledged(this.#link.acknowledged)
    while (this.#mux.hasOutput && this.#link.canWrite) {
      const chunks = this.#mux.pull(PULL_LENGTH, nowMs)
      if (chunks.length === 0) break
      this.#link.write(chunks)
      for (const chunk of chunks) {
        this.#memory.sending(chunk, this.#written)
        this.#written += chunk.length
      }
      moved = true
    }
    return moved
  }

  #fillPipes(nowMs: number): boolean {
    let moved = false
    for (const pipe of this.#pipes.values()) {
      while (pipe.takesMore()) {
        const chunks = this.#link.pull(pipe.id, nowMs)
        if (chunks.length === 0) break
        pipe.write(chunks)
        moved = true
      }
      pipe.flush()
    }
    return moved
  }

  #drainLink(nowMs: number): void {
    for (let effect = this.#link.poll(); effect !== undefined; effect = this.#link.poll()) {
      this.#onLink(effect, nowMs)
      // Streams are told in between: a burst must not wait in the mux as a whole.
      if (effect.kind === 'data') this.#drainMux()
    }
  }

  #onLink(effect: LinkEffect, nowMs: number): void {
    switch (effect.kind) {
      case 'data':
        this.#mux.receive(effect.bytes, nowMs)
        return
      case 'end':
        this.#mux.transportClosed()
        this.#link.finish()
        return
      case 'active':
        this.#tellPath(effect.path)
        return
      case 'close-path':
        this.#pipes.get(effect.path)?.close(effect.lastBytes)
        this.#pipes.delete(effect.path)
        return
      case 'path-needed':
        this.#events.onPathNeeded?.(this, effect.untilMs)
        return
      case 'ended':
        this.#finish(effect.end)
        return
      case 'attached':
        this.#establish(undefined)
        return
      case 'writable':
        return
      case 'peer-active':
        this.#link.activate(effect.path)
        return
      default:
        unreachable(effect)
    }
  }

  #drainMux(): void {
    for (let event = this.#mux.poll(); event !== undefined; event = this.#mux.poll()) this.#onMux(event)
  }

  #onMux(event: MuxEvent): void {
    switch (event.kind) {
      case 'open':
        this.#offered(event.stream)
        return
      case 'accepted':
        this.#streams.get(event.stream)?.takeAccepted()
        return
      case 'data':
        this.#takeData(event.stream, event.bytes)
        return
      case 'end':
        this.#streams.get(event.stream)?.takeEnd()
        return
      case 'writable':
        this.#streams.get(event.stream)?.takeWritable()
        return
      case 'closed':
        this.#streams.get(event.stream)?.takeClosed()
        this.#streams.delete(event.stream)
        return
      case 'reset':
        this.#streams.get(event.stream)?.takeReset(event.code)
        this.#streams.delete(event.stream)
        return
      case 'draining':
        return
      case 'ended':
        this.#muxEnded()
        return
      default:
        unreachable(event)
    }
  }

  #takeData(mux: MuxStream, bytes: Uint8Array): void {
    const stream = this.#streams.get(mux)
    if (stream === undefined) mux.consume(bytes.length, this.#clock.nowMs())
    else stream.takeData(bytes)
  }

  /** The one place where it is decided whether a peer gets what it asks for. */
  #offered(mux: MuxStream): void {
    const { peer } = this
    if (mux.service === DATAGRAM_SERVICE) {
      this.#datagrams.receive(this.#adopt(mux))
      return
    }
    let decision
    try {
      decision = this.#decide({ peer, service: mux.service ?? '' })
    } catch {
      mux.reset(RESET_REASONS.internal)
      return
    }
    if (decision.kind === 'refused') {
      mux.reset(RESET_REASONS[decision.reason])
      return
    }
    const stream = this.#adopt(mux)
    try {
      decision.serve(stream, peer)
    } catch {
      stream.reset('internal')
    }
  }

  #adopt(mux: MuxStream): SessionStream {
    const stream: SessionStream = new SessionStream(mux, {
      memory: this.#memory,
      nowMs: () => this.#clock.nowMs(),
      setTimer: (delayMs, callback) => this.#clock.setTimer(delayMs, callback),
      touched: () => this.#pumpLater(),
      over: () => {
        this.#lingering.delete(stream)
        this.#streams.delete(mux)
      },
    })
    this.#streams.set(mux, stream)
    stream.once('close', () => {
      if (stream.isLingering) this.#lingering.add(stream)
      else this.#streams.delete(mux)
    })
    return stream
  }

  #settleLingering(): void {
    for (const stream of this.#lingering) {
      if (stream.hasLeft()) this.#lingering.delete(stream)
    }
  }

  #muxEnded(): void {
    const { end } = this.#mux
    if (end?.kind === 'failed') {
      this.#lastWhy ??= end.error
      if (this.#link.end === undefined) this.#link.close({ code: CLOSE_VIOLATION, reason: end.error.code })
    } else if (this.#link.end === undefined) {
      if (end?.kind === 'closed' && end.by === 'peer') {
        this.#lastWhy ??= new ReachError('ERR_REACH_SESSION_LOST', 'the peer ended the session')
      }
      this.#closeTimer ??= this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => this.destroy())
    }
    this.#endStreams()
  }

  #endStreams(): void {
    const error = this.#lastWhy ?? sessionOver()
    for (const stream of [...this.#streams.values()]) stream.takeSessionEnd(error)
    this.#streams.clear()
    this.#lingering.clear()
  }

  #finish(end: LinkEnd): void {
    if (this.#end !== undefined) return
    const error = this.#lastWhy ?? errorOf(end)
    this.#lastWhy = error
    this.#end = { error }
    this.#timer?.cancel()
    this.#closeTimer?.cancel()
    this.#mux.transportClosed()
    this.#drainMux()
    this.#endStreams()
    this.#settle(error)
    this.#establish(error ?? sessionOver())
    this.#watch.wake()
  }

  #stateOf({ id, about }: PathPipe): PathState {
    return { ...about, isActive: this.#link.activePath === id, rttMs: this.#link.rttMs(id) }
  }

  #tellPath(path: number): void {
    const pipe = this.#pipes.get(path)
    if (pipe === undefined) return
    this.#events.onPath?.(this.#stateOf(pipe))
    this.#watch.changed()
  }

  /** One timer, that is never later than what is due; when it was early it is set anew. */
  #arm(): void {
    if (this.#end !== undefined) return
    const dueMs = Math.min(this.#link.deadlineMs ?? Infinity, this.#mux.deadlineMs ?? Infinity)
    if (dueMs >= this.#timerAtMs || dueMs === Infinity) return
    this.#timer?.cancel()
    this.#timerAtMs = dueMs
    this.#timer = this.#clock.setTimer(Math.max(0, dueMs - this.#clock.nowMs()), () => {
      this.#timerAtMs = Infinity
      const nowMs = this.#clock.nowMs()
      this.#link.handleTimeout(nowMs)
      this.#mux.handleTimeout(nowMs)
      this.#pump()
    })
  }
}

function sessionOver(): ReachError {
  return new ReachError('ERR_REACH_SESSION_LOST', 'the session is over')
}

function errorOf(end: LinkEnd): ReachError | undefined {
  if (end.kind === 'finished') return undefined
  if (end.kind === 'failed') return end.error
  if (end.by === 'us') return new ReachError('ERR_REACH_ABORTED', 'the session was ended')
  return new ReachError('ERR_REACH_SESSION_LOST', 'the peer ended the session', { details: { ...end.close } })
}

/** The key that the link compares on every path. */
export function keyOf({ keys }: PeerIdentity): Uint8Array {
  return Buffer.from(keys[0] ?? '', 'hex')
}
