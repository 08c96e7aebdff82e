import { delay } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Clock } from '../base/runtime.ts'
import type { PathState } from '../session/session-paths.ts'
import type { Session } from '../session/session.ts'
import type { DirectReport } from './direct/direct-report.ts'
import { explained, whenAccepted } from './open-stream.ts'
import { PING_SERVICE } from './service-address.ts'

/** What a {@link PeerSession} asks of its peer. */
export interface SessionSource {
  sessionWith(peer: string, signal?: AbortSignal): Promise<Session>
  currentSession(peer: string): Session | undefined
  directReport(peer: string): DirectReport | undefined
}

/** One answer to a ping. */
export interface Pong {
  /** Counts from 1. */
  readonly number: number
  readonly rttMs: number
  /** What carried it. */
  readonly path: PathState | undefined
}

/** How to ping. */
export interface PingOptions {
  /** Default: without end. */
  readonly count?: number
  /** Default 1000. */
  readonly intervalMs?: number
  readonly signal?: AbortSignal
}

/** The conversation with one peer, whether or not it has begun. */
export class PeerSession {
  /** Name or PeerId. */
  readonly peer: string
  readonly #source: SessionSource
  readonly #clock: Clock

  constructor(peer: string, source: SessionSource, clock: Clock) {
    this.peer = peer
    this.#source = source
    this.#clock = clock
  }

  /** Its paths now, the active one first; none while there is no session. */
  get currentPaths(): readonly PathState[] {
    return this.#source.currentSession(this.peer)?.currentPaths ?? []
  }

  /** How it stands with direct paths; undefined while there is no session, or where only relays are used. */
  get direct(): DirectReport | undefined {
    return this.#source.directReport(this.peer)
  }

  /** Dials now, unless there is a session; answers the path that carries it. */
  async open(signal?: AbortSignal): Promise<PathState | undefined> {
    const session = await this.#source.sessionWith(this.peer, signal)
    const failure = await session.established
    if (failure !== undefined) throw failure
    return session.currentPaths[0]
  }

  /** Each path that becomes the active one, from the current one on, until the session is over. Dials when there is none. */
  async *paths(signal?: AbortSignal): AsyncGenerator<PathState> {
    const session = await this.#source.sessionWith(this.peer, signal)
    yield* session.paths(signal)
  }

  /**
   * Sends a datagram of at most 1200 bytes, which may be lost. Dials when there is no session.
   * @throws {RangeError} when it is too long
   */
  async sendDatagram(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const session = await this.#source.sessionWith(this.peer, signal)
    session.sendDatagram(bytes)
  }

  /** Measures the way to the peer and back, inside the session. Dials when there is none. */
  async *ping({ count = Infinity, intervalMs = 1000, signal }: PingOptions = {}): AsyncGenerator<Pong> {
    const session = await this.#source.sessionWith(this.peer, signal)
    const address = { peer: this.peer, service: PING_SERVICE }
    const stream = await whenAccepted(session.open(PING_SERVICE), address, signal)
    const answers = stream[Symbol.asyncIterator]()
    const onAbort = () => stream.destroy()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      for (let number = 1; number <= count; number++) {
        const startMs = this.#clock.nowMs()
        stream.write(Uint8Array.of(number & 0xff))
        const answer = await answers.next()
        signal?.throwIfAborted()
        if (answer.done === true) throw new ReachError('ERR_REACH_SESSION_LOST', 'the peer answers no more')
        yield { number, rttMs: this.#clock.nowMs() - startMs, path: session.currentPaths[0] }
        if (number < count) await delay(this.#clock, intervalMs, signal)
      }
    } catch (error) {
      signal?.throwIfAborted()
      throw explained(error, address)
    } finally {
      signal?.removeEventListener('abort', onAbort)
      stream.on('error', () => undefined)
      stream.destroy()
    }
  }
}
