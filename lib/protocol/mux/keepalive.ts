import { violation } from './violation.ts'

/** When to ping, and when to give up. */
export interface KeepaliveOptions {
  /** Time from one ping to the next, in ms; `Infinity` for none but those that measure the round trip. */
  readonly intervalMs: number
  /** The session is dead when a ping was not answered for so long and nothing else came in either, in ms. */
  readonly timeoutMs: number
}

/** Ours: a peer that sends, but does not answer for so many timeouts, is dead, too. */
const UNANSWERED_TIMEOUTS = 3

/** Ours: while windows may grow, a round trip is measured at most so often. */
export const RTT_SAMPLE_INTERVAL_MS = 1000

/**
 * Ours: the smallest of so many measurements counts. A ping waits behind data under way, and a round trip that contains
 * its own queue would make windows, and with them the queue, grow without end.
 */
const RTT_SAMPLES = 8

type State =
  | { readonly kind: 'idle'; readonly nextAtMs: number }
  /** To be sent with the next output; the time for the answer runs already, as a blocked link is a silent one. */
  | { readonly kind: 'due'; readonly dueAtMs: number }
  | { readonly kind: 'sent'; readonly dueAtMs: number; readonly sentAtMs: number; readonly value: number }

/** Pings that find out whether the peer is there, and how far away it is. One is under way at a time. */
export class Keepalive {
  readonly #options: KeepaliveOptions
  readonly #samples: number[] = []
  #rttMs: number | undefined
  #nextValue = 0
  #heardAtMs: number
  #sampledAtMs: number
  #state: State

  /** The first ping is due at once: windows grow only once the round trip is known. */
  constructor(options: KeepaliveOptions, nowMs: number) {
    this.#options = options
    this.#heardAtMs = nowMs
    this.#sampledAtMs = nowMs
    this.#state = { kind: 'due', dueAtMs: nowMs }
  }

  /** The smallest of the last round trips in ms; undefined before the first. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  get isPingDue(): boolean {
    return this.#state.kind === 'due'
  }

  /** When `check` is due. */
  get deadlineMs(): number {
    const state = this.#state
    if (state.kind === 'idle') return state.nextAtMs
    const { timeoutMs } = this.#options
    const silentAtMs = Math.max(this.#heardAtMs, state.dueAtMs) + timeoutMs
    return Math.min(silentAtMs, state.dueAtMs + UNANSWERED_TIMEOUTS * timeoutMs)
  }

  /** Something came in. */
  heard(nowMs: number): void {
    this.#heardAtMs = nowMs
  }

  /** The deadline may have passed. @returns false when the peer is dead */
  check(nowMs: number): boolean {
    if (nowMs < this.deadlineMs) return true
    if (this.#state.kind !== 'idle') return false
    this.#state = { kind: 'due', dueAtMs: nowMs }
    return true
  }

  /** Somebody could use a round trip that is not old. */
  wantSample(nowMs: number): void {
    if (this.#state.kind !== 'idle' || nowMs - this.#sampledAtMs < RTT_SAMPLE_INTERVAL_MS) return
    this.#state = { kind: 'due', dueAtMs: nowMs }
  }

  /** The value of the ping that is sent now. Call it when one is due. */
  ping(nowMs: number): number {
    const dueAtMs = this.#state.kind === 'idle' ? nowMs : this.#state.dueAtMs
    const value = this.#nextValue
    this.#nextValue = (value + 1) % 0x1_0000_0000
    this.#state = { kind: 'sent', dueAtMs, sentAtMs: nowMs, value }
    return value
  }

  /** An answer came. @throws {ReachError} ERR_REACH_PROTOCOL when it is none to our ping */
  answered(value: number, nowMs: number): void {
    const state = this.#state
    if (state.kind !== 'sent' || state.value !== value) throw violation('an answer to no ping', { value })
    this.#samples.push(nowMs - state.sentAtMs)
    if (this.#samples.length > RTT_SAMPLES) this.#samples.shift()
    this.#rttMs = Math.min(...this.#samples)
    this.#sampledAtMs = nowMs
    this.#state = { kind: 'idle', nextAtMs: nowMs + this.#options.intervalMs }
  }
}
