import { deadlineSignal } from '../../base/deadline.ts'
import type { Clock } from '../../base/runtime.ts'
import { ReachError } from '../../base/errors.ts'
import type { DirectMessage } from '../../protocol/signaling/direct-message.ts'
import { ChangeWatch } from '../../session/change-watch.ts'
import { isDirect } from '../../session/path-pipe.ts'
import type { Session } from '../../session/session.ts'
import { whenAccepted } from '../open-stream.ts'
import { DIRECT_SERVICE } from '../service-address.ts'
import type { FoundTransport, RunningAttempt, StartAttempt } from './direct-attempt.ts'
import { DirectLedger } from './direct-ledger.ts'
import type { DirectReport } from './direct-report.ts'
import { DirectSignal } from './direct-signal.ts'

/** What the calling side of a session is given. */
export interface DirectCallerSetup {
  readonly session: Session
  readonly clock: Clock
  readonly startAttempt: StartAttempt
  /** Makes a path of the session out of what was found. Rejects when it is none. */
  readonly addPath: (found: FoundTransport) => Promise<void>
  readonly onReport: (report: DirectReport) => void
}

/** Design §6.8: keep trying, cheaply. What costs many packets has a patience of its own. */
const RETRY_MS = 60_000
/** Ours: after a direct path died; its successor is not to run into what killed it. */
const AFTER_LOSS_MS = 500
/** Ours: between two attempts, whatever the peer asks for. */
const MIN_PAUSE_MS = 3000
/** Ours: how long our signalling stream may take to open. */
const OPEN_TIMEOUT_MS = 15_000

/**
 * Looks for direct paths of a session that we began, for as long as it lives: at once, again when the network changes or a
 * direct path is lost, and every minute while there is none.
 */
export class DirectCaller {
  readonly #setup: DirectCallerSetup
  readonly #ledger: DirectLedger
  readonly #wake = new ChangeWatch()
  #signal: DirectSignal | undefined
  #running: RunningAttempt | undefined
  #attempt = 0
  /** Somebody has asked for another attempt, to begin no sooner than so many ms after the last one. */
  #wantedAfterMs: number | undefined
  /** What an attempt that fails did not know yet: the next one need not wait. */
  #hasNews = false
  #isStopped = false

  constructor(setup: DirectCallerSetup) {
    this.#setup = setup
    this.#ledger = new DirectLedger(() => this.#hasDirectPath, setup.onReport)
    void setup.session.closed.then(() => this.stop())
    void this.#run()
  }

  get report(): DirectReport {
    return this.#ledger.report
  }

  /** The network of this host has changed: what failed may work now, and what was found may be gone. */
  networkChanged(): void {
    this.#want(0)
    this.#running?.stop()
  }

  /** A relay is back: only now our network can be measured, and signalling gets through. */
  relayUp(): void {
    this.#hasNews = true
    this.#wake.changed()
  }

  /** A direct path died. */
  pathLost(): void {
    this.#want(AFTER_LOSS_MS)
  }

  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#running?.stop()
    this.#signal?.close()
    this.#wake.wake()
  }

  get #hasDirectPath(): boolean {
    return this.#setup.session.currentPaths.some(isDirect)
  }

  #want(afterMs: number): void {
    this.#wantedAfterMs = Math.min(afterMs, this.#wantedAfterMs ?? Infinity)
    this.#wake.changed()
  }

  async #run(): Promise<void> {
    while (!this.#isOver()) {
      await this.#pathThere()
      const signal = await this.#open()
      if (signal === undefined) return
      await this.#tryOnce(signal)
      if (!this.#isOver()) await this.#pause()
    }
  }

  #isOver(): boolean {
    return this.#isStopped || !this.#setup.session.isOpen
  }

  /** Without a path nothing can be agreed on, and the time of an attempt would run out. */
  async #pathThere(): Promise<void> {
    for await (const _ of this.#setup.session.paths()) return
  }

  /** The stream that carries the signalling: the one that is there, or a new one. Undefined: the peer takes no part. */
  async #open(): Promise<DirectSignal | undefined> {
    if (this.#signal?.isOpen === true) return this.#signal
    const { session, clock } = this.#setup
    using deadline = deadlineSignal(clock, OPEN_TIMEOUT_MS)
    try {
      const address = { peer: session.peer.peerId, service: DIRECT_SERVICE }
      const stream = await whenAccepted(session.open(DIRECT_SERVICE), address, deadline.signal)
      this.#signal = new DirectSignal(stream, {
        onMessage: (message) => this.#receive(message),
        onEnd: () => this.#running?.stop(),
      })
      return this.#signal
    } catch (error) {
      if (ReachError.is(error, 'ERR_REACH_STREAM_REFUSED')) this.#ledger.unsupported()
      return undefined
    }
  }

  async #tryOnce(signal: DirectSignal): Promise<void> {
    const attempt = ++this.#attempt
    this.#wantedAfterMs = undefined
    this.#hasNews = false
    this.#ledger.began(attempt)
    const running = this.#setup.startAttempt({
      attempt,
      isControlling: true,
      offer: undefined,
      send: (message) => signal.send(message),
      onFound: (found) => void this.#setup.addPath(found).catch(() => undefined), // the next attempt may do better
      onOwnNat: (nat) => this.#ledger.measured(nat),
      signallingRttMs: () => this.#setup.session.currentPaths[0]?.rttMs ?? 0,
    })
    this.#running = running
    const tried = await running.result
    this.#running = undefined
    signal.send({ kind: 'over', attempt, tried })
    this.#ledger.isOver(tried, this.#retryInMs())
  }

  #retryInMs(): number | undefined {
    if (this.#hasDirectPath) return undefined
    return this.#hasNews ? MIN_PAUSE_MS : RETRY_MS
  }

  async #pause(): Promise<void> {
    const { clock } = this.#setup
    const sinceMs = clock.nowMs()
    while (!this.#isOver()) {
      const wantedMs = this.#wantedAfterMs === undefined ? this.#retryInMs() : this.#wantedAfterMs
      const dueMs = sinceMs + Math.max(MIN_PAUSE_MS, wantedMs ?? Infinity)
      const leftMs = dueMs - clock.nowMs()
      if (leftMs <= 0) return
      if (Number.isFinite(leftMs)) {
        using deadline = deadlineSignal(clock, leftMs)
        await this.#wake.next(deadline.signal)
      } else await this.#wake.next()
    }
  }

  #receive(message: DirectMessage): void {
    if (message.kind === 'again') return this.#want(0)
    if (message.kind === 'offer' || message.attempt !== this.#attempt) return
    if (message.kind === 'nat') this.#ledger.heard(message.nat)
    if (message.kind === 'over') this.#ledger.peerIsOver(message.tried)
    this.#running?.receive(message)
  }
}
