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

/** Ours: 31 of 32 bits. A larger number is none of V8's small ones, and one of them makes it compile all of the mux again. */
const MAX_VALUE = 0x7fff_ffff

/**
 * Pings that find out whether the peer is there, and how far away it is. One is under way at a time.
 *
 * Its state is fields, not an object for each phase: it is looked at with every packet, while V8 forgets the shape of
 * objects that are rare, and then throws away whatever code it had compiled for it.
 */
export class Keepalive {
  readonly #options: KeepaliveOptions
  readonly #samples: number[] = []
  #rttMs: number | undefined
  #nextValue = 0
  #heardAtMs: number
  #sampledAtMs: number
  /** Due: to be sent with the next output; the time for the answer runs already, as a blocked link is a silent one. */
  #phase: 'idle' | 'due' | 'sent' = 'due'
  /** While idle: when the next ping is due; else since when its answer is waited for. */
  #atMs: number
  #sentAtMs: number
  #sentValue = 0

  /** The first ping is due at once: windows grow only once the round trip is known. */
  constructor(options: KeepaliveOptions, nowMs: number) {
    this.#options = options
    this.#heardAtMs = nowMs
    this.#sampledAtMs = nowMs
    this.#atMs = nowMs
    this.#sentAtMs = nowMs
  }

  /** The smallest of the last round trips in ms; undefined before the first. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  get isPingDue(): boolean {
    return this.#phase === 'due'
  }

  /** When `check` is due. */
  get deadlineMs(): number {
    if (this.#phase === 'idle') return this.#atMs
    const { timeoutMs } = this.#options
    const silentAtMs = Math.max(this.#heardAtMs, this.#atMs) + timeoutMs
    return Math.min(silentAtMs, this.#atMs + UNANSWERED_TIMEOUTS * timeoutMs)
  }

  /** Something came in. */
  heard(nowMs: number): void {
    this.#heardAtMs = nowMs
  }

  /** The deadline may have passed. @returns false when the peer is dead */
  check(nowMs: number): boolean {
    if (nowMs < this.deadlineMs) return true
    if (this.#phase !== 'idle') return false
    this.#begin(nowMs)
    return true
  }

  /** Somebody could use a round trip that is not old. */
  wantSample(nowMs: number): void {
    if (this.#phase === 'idle' && nowMs - this.#sampledAtMs >= RTT_SAMPLE_INTERVAL_MS) this.#begin(nowMs)
  }

  /** The value of the ping that is sent now. Call it when one is due. */
  ping(nowMs: number): number {
    if (this.#phase === 'idle') this.#begin(nowMs)
    this.#phase = 'sent'
    this.#sentAtMs = nowMs
    this.#sentValue = this.#nextValue
    this.#nextValue = (this.#nextValue + 1) & MAX_VALUE
    return this.#sentValue
  }

  /** An answer came. @throws {ReachError} ERR_REACH_PROTOCOL when it is none to our ping */
  answered(value: number, nowMs: number): void {
    if (this.#phase !== 'sent' || this.#sentValue !== value)
      throw violation('an answer to no ping', { value })
    this.#samples.push(nowMs - this.#sentAtMs)
    if (this.#samples.length > RTT_SAMPLES) this.#samples.shift()
    this.#rttMs = Math.min(...this.#samples)
    this.#sampledAtMs = nowMs
    this.#phase = 'idle'
    this.#atMs = nowMs + this.#options.intervalMs
  }

  /** A ping becomes due. */
  #begin(nowMs: number): void {
    this.#phase = 'due'
    this.#atMs = nowMs
  }
}
