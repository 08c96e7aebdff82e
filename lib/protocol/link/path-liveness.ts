/** How a path is watched; see {@link liveness} for the defaults. Times in ms. */
export interface LivenessOptions {
  /** Between pings while bytes are unacknowledged. */
  readonly busyPingIntervalMs: number
  /** Between pings otherwise: it keeps NATs' and firewalls' state alive. */
  readonly idlePingIntervalMs: number
  /** A path is dead when it has been silent for this long with a ping unanswered. */
  readonly replyTimeoutMs: number
  /** A path is dead when a ping is unanswered for this long, whatever else comes in. */
  readonly maxReplyMs: number
}

/** Defaults of {@link LivenessOptions}. */
export const liveness: LivenessOptions = Object.freeze({
  // Ours: with the reply timeout below, a transfer notices a dead path in 4 s, and the design allows 5.
  busyPingIntervalMs: 1_000,
  // Ours: NATs were seen to drop idle UDP state after 30 s; half of it.
  idlePingIntervalMs: 15_000,
  // Ours: above TCP's first retransmissions (0.2 to 1.6 s), so that one lost packet kills no path.
  replyTimeoutMs: 3_000,
  // Ours: a PONG may wait behind a full socket buffer on a slow path; 4 MB take 32 s at 1 Mbit/s.
  maxReplyMs: 30_000,
})

/** Ours: the reply timeout is at least this many round trips. */
const MIN_REPLY_RTTS = 4
/** RFC 6298 §2: the weight of a new sample in the smoothed round trip. */
const RTT_WEIGHT = 1 / 8
/** Ours: woken later than this, the process itself stood still (a long task, a sleeping computer), and answers may wait unread. */
const LATE_MS = 500
/** Ours: for how long such answers are waited for. */
const LATE_GRACE_MS = 1_000

/** The phases of one PING after the other. */
type PingPhase =
  | 'none'
  /** To be written with the next output. The reply is waited for already, even when the path takes no bytes. */
  | 'due'
  /** Without its PONG. */
  | 'sent'

/**
 * Watches one path: when to ping, what the round trip is, and when to give it up. In fields, not in an object for each
 * PING, for the same reason as in the mux's Keepalive.
 */
export class PathLiveness {
  readonly #options: LivenessOptions
  #idlePingIntervalMs: number
  #lastHeardMs: number
  #lastPingMs: number
  #isWanted = true
  #ping: PingPhase = 'none'
  #pingId = 0
  #pingDueMs: number
  #pingSentMs: number
  #srttMs: number | undefined
  #minRttMs: number | undefined
  #graceUntilMs = 0

  constructor(options: LivenessOptions, nowMs: number) {
    this.#options = options
    this.#idlePingIntervalMs = options.idlePingIntervalMs
    this.#lastHeardMs = nowMs
    this.#lastPingMs = nowMs
    this.#pingDueMs = nowMs
    this.#pingSentMs = nowMs
  }

  /** The way of this path bears less silence than others: pings come that often. Never more seldom than configured. */
  speakEvery(ms: number): void {
    this.#idlePingIntervalMs = Math.min(this.#idlePingIntervalMs, ms)
  }

  /** The smoothed round trip in ms; undefined before the first. */
  get rttMs(): number | undefined {
    return this.#srttMs
  }

  /** The shortest round trip in ms: the path without its queues. */
  get minRttMs(): number | undefined {
    return this.#minRttMs
  }

  /** Bytes came in. */
  heard(nowMs: number): void {
    this.#lastHeardMs = nowMs
  }

  /** A round trip was seen, by a ping or otherwise. */
  sample(rttMs: number): void {
    this.#srttMs = this.#srttMs === undefined ? rttMs : this.#srttMs + (rttMs - this.#srttMs) * RTT_WEIGHT
    this.#minRttMs = Math.min(this.#minRttMs ?? rttMs, rttMs)
  }

  /** Asks for a ping now rather than at its time. */
  wantPing(): void {
    this.#isWanted = true
  }

  /** True when a PING should be written with the next output. */
  get isPingDue(): boolean {
    return this.#ping === 'none' ? this.#isWanted : this.#ping === 'due'
  }

  /** A PING is written now: its id. */
  pingSent(nowMs: number): number {
    if (this.#ping === 'none') this.#begin(nowMs)
    this.#ping = 'sent'
    this.#pingSentMs = nowMs
    this.#lastPingMs = nowMs
    this.#isWanted = false
    return this.#pingId
  }

  /** A PONG came. One that nobody waits for is ignored: it may answer a ping that was given up. */
  pong(id: number, nowMs: number): void {
    if (this.#ping !== 'sent' || this.#pingId !== id) return
    this.sample(nowMs - this.#pingSentMs)
    this.#ping = 'none'
    this.#graceUntilMs = 0
  }

  /** When to look again. @param isBusy bytes are unacknowledged on this path */
  deadlineMs(isBusy: boolean): number {
    return this.#ping === 'none' ? this.#nextPingMs(isBusy) : this.#deadMs()
  }

  /** Makes a ping due when it is time. @returns false when the path is dead */
  check(isBusy: boolean, nowMs: number): boolean {
    if (this.#ping === 'none') {
      if (nowMs >= this.#nextPingMs(isBusy)) this.#begin(nowMs)
      return true
    }
    const lateMs = nowMs - this.#deadMs()
    if (lateMs < 0) return true
    if (lateMs < LATE_MS || this.#graceUntilMs > 0) return false
    this.#graceUntilMs = nowMs + LATE_GRACE_MS
    return true
  }

  /** A PING becomes due. */
  #begin(nowMs: number): void {
    this.#ping = 'due'
    this.#pingId++
    this.#pingDueMs = nowMs
  }

  #nextPingMs(isBusy: boolean): number {
    const { busyPingIntervalMs } = this.#options
    if (this.#isWanted) return this.#lastPingMs
    return this.#lastPingMs + (isBusy ? busyPingIntervalMs : this.#idlePingIntervalMs)
  }

  #deadMs(): number {
    const { replyTimeoutMs, maxReplyMs } = this.#options
    const patienceMs = Math.max(replyTimeoutMs, MIN_REPLY_RTTS * (this.#srttMs ?? 0))
    const silentMs = Math.max(this.#pingDueMs, this.#lastHeardMs) + patienceMs
    return Math.max(this.#graceUntilMs, Math.min(silentMs, this.#pingDueMs + maxReplyMs))
  }
}
