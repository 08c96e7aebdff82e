import type { ReachError } from '../base/errors.ts'
import { unreachable } from '../base/exhaustive.ts'
import type { EarlyChannel, SecureChannel } from '../identity/tls/secure-channel.ts'
import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { LinkEffect } from '../protocol/link/link-effect.ts'
import type { MuxEvent } from '../protocol/mux/mux-event.ts'
import type { DatagramCarrier } from './datagram-carrier.ts'
import type { DatagramFlow } from './datagram-flow.ts'
import type { PathAbout, PathFacts, PathKind } from './path-pipe.ts'
import { assembleSession } from './session-parts.ts'
import type { PartsSetup, SessionParts } from './session-parts.ts'
import type { PathState } from './session-paths.ts'
import type { SessionStream } from './session-stream.ts'

/** What a session tells whoever made it. */
export interface SessionEvents {
  /** What we send goes over this path from now on. */
  onPath?(path: PathState): void
  /** A path died, though perhaps not the active one. The session goes on over others, if there are any. */
  onPathLost?(session: Session, path: PathAbout): void
  /** The peer sent a datagram. */
  onDatagram?(session: Session, bytes: Uint8Array): void
  /** No path is left: dial another before that time (monotonic ms), or the session is lost. */
  onPathNeeded?(session: Session, untilMs: number): void
}

/** What a session is made of. */
export interface SessionSetup extends PartsSetup {
  readonly events?: SessionEvents
}

/**
 * The conversation with one peer: streams over whatever paths there are. It outlives each of them: bytes that a path took
 * to its grave are sent again over the next.
 */
export class Session implements AsyncDisposable {
  readonly peer: PeerIdentity
  /** True when we began it. */
  readonly isInitiator: boolean
  readonly #events: SessionEvents
  readonly #parts: SessionParts

  constructor({ events = {}, ...setup }: SessionSetup) {
    this.peer = setup.peer
    this.isInitiator = setup.link.role === 'initiator'
    this.#events = events
    this.#parts = assembleSession(setup, {
      onLink: (effect, nowMs) => this.#onLink(effect, nowMs),
      onMux: (event) => this.#onMux(event),
      onDatagram: (bytes) => this.#events.onDatagram?.(this, bytes),
    })
  }

  /** Resolves when it is over; with the reason unless both sides had taken leave. Never rejects. */
  get closed(): Promise<ReachError | undefined> {
    return this.#parts.life.closed
  }

  /** Resolves when both sides have it; with the reason when it ended before. Never rejects. */
  get established(): Promise<ReachError | undefined> {
    return this.#parts.life.established
  }

  /** True until it is over. */
  get isOpen(): boolean {
    return !this.#parts.life.isOver
  }

  /** True while streams can be opened. */
  get takesStreams(): boolean {
    return this.isOpen && this.#parts.mux.openRefusal === undefined
  }

  /** Streams that are not over. */
  get streamCount(): number {
    return this.#parts.mux.streamCount
  }

  /** Bytes of received data that applications have not read, and of sent data that the peer has not acknowledged. */
  get memory(): { readonly unread: number; readonly unacknowledged: number } {
    return { unread: this.#parts.mux.memory.held, unacknowledged: this.#parts.link.replay.held }
  }

  // What streams and datagrams go over it.

  /**
   * Opens a stream. It can be written to at once: the name of the service and what is written in this turn leave together.
   * Event `accepted` says that the peer took it; when it refuses, the stream fails with ERR_REACH_STREAM_REFUSED.
   * @throws {ReachError} ERR_REACH_STREAM_REFUSED when there are too many streams, or the session takes none any more;
   * ERR_REACH_SESSION_LOST
   */
  open(service: string): SessionStream {
    return this.#parts.opening.open(service)
  }

  /**
   * Opens a flow of datagrams. They can be sent at once; the peer accepts or refuses it as it does a stream.
   * @throws {ReachError} as `open` does
   */
  openFlow(service: string): DatagramFlow {
    return this.#parts.opening.openFlow(service)
  }

  /**
   * Sends a datagram of at most {@link MAX_DATAGRAM_LENGTH} bytes: it may be lost, and the oldest is when they come faster
   * than the path takes them. It travels sealed over UDP where a direct path carries that, else inside the session's TLS.
   * @throws {RangeError} when it is too long
   * @throws {ReachError} as `open` does
   */
  sendDatagram(bytes: Uint8Array): void {
    this.#parts.opening.datagrams.send(bytes)
  }

  /** Datagrams of ours that were dropped because they came faster than the path takes them. */
  get droppedDatagrams(): number {
    return this.#parts.opening.datagrams.dropped
  }

  // What paths it goes over.

  /** Its paths now, the active one first. */
  get currentPaths(): readonly PathState[] {
    return this.#parts.paths.states
  }

  /** Each path that becomes the active one, from the current one on, until the session is over. */
  paths(signal?: AbortSignal): AsyncGenerator<PathState> {
    return this.#parts.feed.follow(() => this.#parts.paths.states.find(({ isActive }) => isActive), signal)
  }

  /**
   * Adds a path that we dialled. @throws {ReachError} ERR_REACH_SESSION_REFUSED when the link can't take it
   */
  dialled(path: number, channel: SecureChannel | EarlyChannel, about: PathAbout): void {
    this.#parts.joining.dialled(path, channel, about)
  }

  /** Adds a path that the peer dialled, and that the link has accepted. @param rest bytes that followed its request */
  accepted(path: number, channel: SecureChannel, about: PathAbout, rest: Uint8Array): void {
    this.#parts.joining.accepted(path, channel, about, rest)
  }

  /**
   * Takes over a carrier of datagrams for a path, for as long as that lives. It is used once packets are known to arrive;
   * one that is of no use is closed.
   */
  addCarrier(path: number, carrier: DatagramCarrier): void {
    this.#parts.carriers.attach(path, carrier)
  }

  /** True while datagrams go beside the streams: over a carrier whose packets arrive. */
  get carriesSealed(): boolean {
    return this.#parts.paths.carriesSealed
  }

  /** The network has changed: paths that do not answer within seconds are given up. */
  probe(): void {
    this.#parts.link.probe()
    this.#parts.pump.now()
  }

  /** Paths of a kind bear less silence than was known when they were added: pings come that often at least. */
  speakEvery(ms: number, kind: PathKind): void {
    this.#parts.paths.speakEvery(ms, kind)
  }

  /** Gives up the paths from addresses that this host has no more. @param isOurs whether it still has an address */
  dropPathsWithout(isOurs: (ip: string) => boolean): void {
    this.#parts.paths.dropWithout(isOurs)
  }

  /** Paths that end once another one has taken over: a better one to the same place is on its way, say. */
  retirePaths(isPoor: (path: PathFacts) => boolean): void {
    this.#parts.paths.retire(isPoor)
  }

  /** Gives up a path: for tests, and for when the network has changed. The session asks for another. */
  dropPath(path: number): void {
    this.#parts.paths.drop(path)
  }

  // How it ends.

  /** No new streams; ends when those that are open have. */
  drain(): void {
    this.#parts.ending.drain()
  }

  /**
   * Takes leave: no new streams, those that are open go on to their end, and what was written arrives. Resolves when it is
   * over; after `timeoutMs` (default 10 s), or when there is no path to say so, it ends all the same.
   */
  async close(timeoutMs?: number): Promise<void> {
    this.#parts.ending.close(timeoutMs)
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Ends it at once; bytes under way are lost, and streams fail with the error. */
  destroy(error?: ReachError): void {
    this.#parts.ending.destroy(error)
  }

  #onLink(effect: LinkEffect, nowMs: number): void {
    switch (effect.kind) {
      case 'data':
        this.#parts.mux.receive(effect.bytes, nowMs)
        return
      case 'end':
        this.#parts.mux.transportClosed()
        this.#parts.link.finish()
        return
      case 'attached':
        this.#parts.paths.attached(effect.path, nowMs)
        this.#parts.life.begun()
        return
      case 'active':
        this.#tellActive(effect.path)
        return
      case 'close-path':
        this.#tellLost(this.#parts.paths.closed(effect, nowMs))
        return
      case 'path-needed':
        this.#events.onPathNeeded?.(this, effect.untilMs)
        return
      case 'ended':
        this.#parts.ending.linkEnded(effect.end)
        return
      case 'writable':
      case 'peer-active': // each side chooses for its own direction
        return
      default:
        unreachable(effect)
    }
  }

  #onMux(event: MuxEvent): void {
    switch (event.kind) {
      case 'open':
        this.#parts.opening.offered(event.stream)
        return
      case 'ended':
        this.#parts.ending.muxEnded(event.end)
        return
      case 'draining':
        return
      default:
        this.#parts.streams.take(event)
    }
  }

  #tellActive(path: number): void {
    const state = this.#parts.paths.state(path)
    if (state === undefined) return
    this.#events.onPath?.(state)
    this.#parts.feed.changed()
  }

  #tellLost(path: PathAbout | undefined): void {
    if (path !== undefined) this.#events.onPathLost?.(this, path)
  }
}
