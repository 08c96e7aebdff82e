import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../../base/runtime.ts'
import type { DirectMessage } from '../../protocol/signaling/direct-message.ts'
import type { FoundTransport, RunningAttempt, StartAttempt } from './direct-attempt.ts'
import { DirectLedger } from './direct-ledger.ts'
import type { DirectReport } from './direct-report.ts'
import { DirectSignal } from './direct-signal.ts'

/** What the called side of a session is given. */
export interface DirectCalleeSetup {
  readonly clock: Clock
  readonly startAttempt: StartAttempt
  /** Takes a path of the session out of what was found. Rejects when it is none. */
  readonly takePath: (found: FoundTransport) => Promise<void>
  /** Of the session that the signalling came in. */
  readonly hasDirectPath: () => boolean
  readonly signallingRttMs: () => number
  readonly onReport: (report: DirectReport) => void
}

/**
 * Ours: offers that come sooner wait, and the last one counts. Who is honest makes one in three seconds, but they come
 * together where the session was without a path for a while.
 */
const MIN_OFFER_GAP_MS = 1000
/** Ours: messages that follow an offer that waits; more make no sense. */
const MAX_WAITING = 64

type Offer = Extract<DirectMessage, { kind: 'offer' }>

/** An offer whose time has not come. */
interface WaitingOffer {
  readonly offer: Offer
  /** What came for it meanwhile. */
  readonly messages: Exclude<DirectMessage, Offer>[]
  readonly timer: Timer
}

/** Answers a peer that looks for direct paths of a session that it began. */
export class DirectCallee {
  readonly #setup: DirectCalleeSetup
  readonly #ledger: DirectLedger
  readonly #signal: DirectSignal
  #running: { readonly attempt: number; readonly search: RunningAttempt } | undefined
  #begunMs = -Infinity
  #waiting: WaitingOffer | undefined

  /** @param stream that the peer has opened to the service of direct paths; is this object's from now on */
  constructor(stream: Duplex, setup: DirectCalleeSetup) {
    this.#setup = setup
    this.#ledger = new DirectLedger(setup.hasDirectPath, setup.onReport)
    this.#signal = new DirectSignal(stream, {
      onMessage: (message) => this.#receive(message),
      onEnd: () => this.#stopAll(),
    })
  }

  get report(): DirectReport {
    return this.#ledger.report
  }

  get isOpen(): boolean {
    return this.#signal.isOpen
  }

  /** The network of this host has changed: the caller is asked to try again. */
  networkChanged(): void {
    this.#signal.send({ kind: 'again' })
  }

  stop(): void {
    this.#stopAll()
    this.#signal.close()
  }

  /** What runs, and what waits. */
  #stopAll(): void {
    this.#waiting?.timer.cancel()
    this.#waiting = undefined
    this.#running?.search.stop()
    this.#running = undefined
  }

  #receive(message: DirectMessage): void {
    if (message.kind === 'offer') return this.#offered(message)
    if (message.kind === 'again') return
    const waiting = this.#waiting
    if (message.attempt === waiting?.offer.attempt && waiting.messages.length < MAX_WAITING) {
      waiting.messages.push(message)
    }
    if (message.attempt !== this.#running?.attempt) return
    if (message.kind === 'nat') this.#ledger.heard(message.nat)
    if (message.kind === 'over') this.#ledger.peerIsOver(message.tried)
    this.#running.search.receive(message)
  }

  /** The peer is through with the attempt before. */
  #offered(offer: Offer): void {
    this.#stopAll()
    const { clock } = this.#setup
    const waitMs = this.#begunMs + MIN_OFFER_GAP_MS - clock.nowMs()
    if (waitMs <= 0) return this.#begin(offer)
    const messages: WaitingOffer['messages'] = []
    const timer = clock.setTimer(waitMs, () => {
      this.#waiting = undefined
      this.#begin(offer)
      for (const message of messages) this.#receive(message)
    })
    this.#waiting = { offer, messages, timer }
  }

  #begin(offer: Offer): void {
    this.#begunMs = this.#setup.clock.nowMs()
    const { attempt } = offer
    this.#ledger.began(attempt)
    const search = this.#setup.startAttempt({
      attempt,
      isControlling: false,
      offer,
      send: (message) => this.#signal.send(message),
      onFound: (found) => void this.#setup.takePath(found).catch(() => undefined), // the caller may do without it
      onOwnNat: (nat) => this.#ledger.measured(nat),
      signallingRttMs: this.#setup.signallingRttMs,
    })
    this.#running = { attempt, search }
    void search.result.then((tried) => {
      this.#signal.send({ kind: 'over', attempt, tried })
      this.#ledger.isOver(tried, undefined)
    })
  }
}
