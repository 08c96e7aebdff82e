import type { Duplex } from 'node:stream'
import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { ConnectSecurelyOptions } from '../identity/tls/connect-securely.ts'
import { connectEarly, connectSecurely } from '../identity/tls/connect-securely.ts'
import type { SecureChannel } from '../identity/tls/secure-channel.ts'
import { SecureServer } from '../identity/tls/secure-server.ts'
import type { TlsCredentials } from '../identity/tls/tls-options.ts'
import type { PeerIdentity } from '../identity/trust/trust-policy.ts'
import type { TrustConditions, TrustStore } from '../identity/trust/trust-store.ts'
import { AttachReader } from '../protocol/link/attach-reader.ts'
import type { AttachRead } from '../protocol/link/attach-reader.ts'
import type { LinkOptions } from '../protocol/link/link-options.ts'
import { LinkRegistry } from '../protocol/link/link-registry.ts'
import type { Link } from '../protocol/link/link.ts'
import { ReplayBudget } from '../protocol/link/replay-budget.ts'
import type { DecideOpen } from './open-decision.ts'
import type { PathAbout } from './path-pipe.ts'
import { keyOf } from './peer-key.ts'
import { Session } from './session.ts'
import type { SessionEvents } from './session.ts'

/** What a host of sessions is made of. */
export interface SessionHostSetup {
  readonly runtime: Runtime
  readonly trust: TrustStore
  /** Asked for each handshake: certificates are renewed. */
  readonly credentials: () => TlsCredentials
  /** Decides about every stream that a peer opens, whoever began the session. */
  readonly decide: DecideOpen
  readonly link?: Partial<LinkOptions>
  /** Of sessions that peers begin. */
  readonly events?: SessionEvents
  /** A peer began a session with us. */
  readonly onSession?: (session: Session) => void
}

/** Ours: from a secured path to its ATTACH. */
const ATTACH_TIMEOUT_MS = 10_000
const SWEEP_INTERVAL_MS = 20_000

/** All sessions of a process: begins them, takes those that peers begin, and finds the session that a path belongs to. */
export class SessionHost {
  readonly #setup: SessionHostSetup
  readonly #registry: LinkRegistry
  readonly #server: SecureServer
  readonly #sessions = new Map<Link, Session>()
  #nextPath = 1
  #sweeper: { cancel(): void } | undefined
  #isClosed = false

  constructor(setup: SessionHostSetup) {
    this.#setup = setup
    this.#registry = new LinkRegistry({ budget: new ReplayBudget(), link: setup.link ?? {} })
    this.#server = new SecureServer({ credentials: setup.credentials() })
  }

  /** Sessions that are open. */
  get sessions(): readonly Session[] {
    return [...this.#sessions.values()]
  }

  /** Shows the newest certificate in handshakes from now on. */
  refreshCredentials(): void {
    this.#server.setCredentials(this.#setup.credentials())
  }

  /**
   * Begins a session over a connection to the peer. It owns the connection from the call on. Streams can be opened at
   * once; `established` says when the peer has accepted us.
   * @param expected who is to be at its other end
   * @throws {ReachError} ERR_REACH_TRUST_…, ERR_REACH_TLS, ERR_REACH_TIMEOUT
   */
  async begin(
    transport: Duplex,
    about: PathAbout,
    expected: TrustConditions,
    events: SessionEvents = {},
    signal?: AbortSignal,
  ): Promise<Session> {
    using handover = new CarrierHandover(about)
    const channel = await connectEarly(transport, this.#secureOptions(expected, signal))
    this.#checkOpen(channel)
    const { runtime } = this.#setup
    const link = this.#registry.create(runtime.random.bytes(16), keyOf(channel.peer), runtime.clock.nowMs())
    const session = this.#make(link, channel.peer, events)
    session.dialled(this.#nextPath++, channel, about)
    handover.done()
    return session
  }

  /** Brings a session another path that we dialled. @throws {ReachError} as `begin`, ERR_REACH_SESSION_REFUSED */
  async addPath(session: Session, transport: Duplex, about: PathAbout, signal?: AbortSignal): Promise<void> {
    using handover = new CarrierHandover(about)
    const channel = await connectSecurely(
      transport,
      this.#secureOptions({ peerId: session.peer.peerId }, signal),
    )
    this.#checkOpen(channel)
    session.dialled(this.#nextPath++, channel, about)
    handover.done()
  }

  /**
   * Takes a connection that a peer made: a path of a session that we have, or the first of a new one. It owns the
   * connection from the call on. Answers the session.
   * @throws {ReachError} ERR_REACH_TRUST_…, ERR_REACH_TLS, ERR_REACH_TIMEOUT, ERR_REACH_SESSION_REFUSED, ERR_REACH_DECODE
   */
  async accept(
    transport: Duplex,
    about: PathAbout,
    expected: TrustConditions = {},
    signal?: AbortSignal,
  ): Promise<Session> {
    using handover = new CarrierHandover(about)
    const { runtime, trust } = this.#setup
    const channel = await this.#server.accept(transport, {
      clock: runtime.clock,
      policy: () => trust.policy(expected),
      trust,
      ...(signal === undefined ? {} : { signal }),
    })
    this.#checkOpen(channel)
    const { request, rest } = await this.#readAttach(channel.stream, signal)
    const path = this.#nextPath++
    const outcome = this.#registry.accept(path, request, keyOf(channel.peer), runtime.clock.nowMs())
    if (outcome.kind === 'refused') {
      channel.stream.end(outcome.bytes)
      channel.stream.resume()
      const timer = runtime.clock.setTimer(2000, () => channel.stream.destroy())
      channel.stream.once('close', () => timer.cancel())
      throw new ReachError('ERR_REACH_SESSION_REFUSED', `refused: ${outcome.refusal}`, {
        details: { refusal: outcome.refusal },
      })
    }
    const known = this.#sessions.get(outcome.link)
    const session = known ?? this.#make(outcome.link, channel.peer, this.#setup.events ?? {})
    session.accepted(path, channel, about, rest)
    handover.done()
    if (known === undefined) this.#setup.onSession?.(session)
    return session
  }

  /** Takes leave of all peers, for at most so long. */
  async close(timeoutMs?: number): Promise<void> {
    this.#stop()
    await Promise.all(this.sessions.map((session) => session.close(timeoutMs)))
  }

  /** Ends all sessions at once. */
  async destroy(error: ReachError): Promise<void> {
    this.#stop()
    const { sessions } = this
    for (const session of sessions) session.destroy(error)
    await Promise.all(sessions.map(({ closed }) => closed))
  }

  #stop(): void {
    this.#isClosed = true
    this.#sweeper?.cancel()
  }

  #secureOptions(expected: TrustConditions, signal?: AbortSignal): ConnectSecurelyOptions {
    const { runtime, trust, credentials } = this.#setup
    return {
      clock: runtime.clock,
      credentials: credentials(),
      policy: () => trust.policy(expected),
      trust,
      ...(signal === undefined ? {} : { signal }),
    }
  }

  #checkOpen({ stream }: SecureChannel): void {
    if (!this.#isClosed) return
    stream.destroy()
    throw new ReachError('ERR_REACH_ABORTED', 'this peer is closed')
  }

  #make(link: Link, peer: PeerIdentity, events: SessionEvents): Session {
    const { runtime, decide } = this.#setup
    const session = new Session({ clock: runtime.clock, link, peer, decide, events })
    this.#sessions.set(link, session)
    this.#sweepLater()
    void session.closed.then(() => this.#sessions.delete(link))
    return session
  }

  /** Sessions that ended lately are remembered for a while; then they are swept out, and the timer with them. */
  #sweepLater(): void {
    if (this.#isClosed) return
    this.#sweeper ??= this.#setup.runtime.clock.setTimer(SWEEP_INTERVAL_MS, () => {
      this.#sweeper = undefined
      this.#registry.sweep(this.#setup.runtime.clock.nowMs())
      if (this.#registry.size > 0) this.#sweepLater()
    })
  }

  #readAttach(stream: Duplex, signal: AbortSignal | undefined): Promise<AttachRead> {
    const deadline = deadlineSignal(this.#setup.runtime.clock, ATTACH_TIMEOUT_MS, signal)
    const reader = new AttachReader()
    return new Promise<AttachRead>((resolve, reject) => {
      const settle = () => {
        deadline[Symbol.dispose]()
        stream.off('data', onData).off('end', onEnd).off('close', onEnd)
        deadline.signal.removeEventListener('abort', onAbort)
      }
      const fail = (error: unknown) => {
        settle()
        stream.destroy()
        reject(error)
      }
      const onAbort = () => fail(deadline.signal.reason)
      const onEnd = () =>
        fail(new ReachError('ERR_REACH_SESSION_LOST', 'the peer went before it said what for'))
      const onData = (chunk: Uint8Array) => {
        try {
          const read = reader.push(chunk)
          if (read === undefined) return
          stream.pause() // whoever takes it over listens in this turn
          settle()
          resolve(read)
        } catch (error) {
          fail(error)
        }
      }
      stream.on('data', onData).once('end', onEnd).once('close', onEnd)
      deadline.signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}

/** Closes the carrier of a path that comes to nothing. */
class CarrierHandover implements Disposable {
  readonly #about: PathAbout
  #isDone = false

  constructor(about: PathAbout) {
    this.#about = about
  }

  /** It is the session's now. */
  done(): void {
    this.#isDone = true
  }

  [Symbol.dispose](): void {
    if (!this.#isDone) this.#about.carrier?.close()
  }
}
