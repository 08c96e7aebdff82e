/** A ping that is to be sent now, and how long its packet is to be. */
export interface DuePing {
  readonly id: number
  readonly length: number
}

/** RFC 8200 §5: what every link of IPv6 carries, less the headers of IPv6 and UDP. */
const LEAST_LENGTH = 1280 - 48

/** Ours: the first wait for an answer, doubled with each that is missing, and where that ends. */
const FIRST_WAIT_MS = 200
const LAST_WAIT_MS = 15_000
/** Ours: while datagrams are sent, so often it is asked whether they arrive; and again when no answer came. */
const PING_INTERVAL_MS = 2000
const RETRY_MS = 500
/** Ours: as many answers may be lost in a row on a bad network. With more, datagrams take the stream again. */
const MAX_UNANSWERED = 4
/** Ours: of the pings on a carrier that does not carry full packets, one in so many tries whether it does now. */
const RAISE_EVERY = 8
/** Ours: answers to older ones are of no interest. */
const MAX_PENDING = 16

/**
 * Whether a carrier carries packets, and how long they may be. Only an answer to a ping of full length says so: small ones
 * pass where data does not, and what comes in proves nothing for what goes out. Silent while nothing is sent.
 */
export class CarrierLiveness {
  readonly #maxLength: number
  readonly #pending = new Map<number, number>()
  #usableLength = 0
  #nextId = 1
  #unanswered = 0
  #isInUse = false
  #lastPingMs = -Infinity
  #dueMs: number

  /** @param maxLength of a packet that the carrier takes */
  constructor(maxLength: number, nowMs: number) {
    this.#maxLength = maxLength
    this.#dueMs = nowMs
  }

  /** So long a packet may be; 0 while none arrives. */
  get usableLength(): number {
    return this.#usableLength
  }

  get deadlineMs(): number | undefined {
    return this.#dueMs === Infinity ? undefined : this.#dueMs
  }

  /** A datagram was sent: whether it arrives will be asked. */
  sent(): void {
    this.#isInUse = true
    if (this.#dueMs === Infinity) this.#dueMs = this.#lastPingMs + PING_INTERVAL_MS
  }

  /** The peer has answered a ping. */
  answered(id: number): void {
    const length = this.#pending.get(id)
    if (length === undefined) return
    this.#usableLength = Math.max(this.#usableLength, length)
    this.#pending.clear()
    this.#unanswered = 0
    this.#isInUse = false
    this.#dueMs = Infinity
  }

  /** The ping that is due, if one is. */
  handleTimeout(nowMs: number): DuePing | undefined {
    if (nowMs < this.#dueMs) return undefined
    if (this.#usableLength > 0 && this.#unanswered >= MAX_UNANSWERED) {
      this.#usableLength = 0
      this.#unanswered = 0
    }
    if (this.#usableLength > 0 && !this.#isInUse) {
      this.#dueMs = Infinity
      return undefined
    }
    return this.#ping(nowMs)
  }

  #ping(nowMs: number): DuePing {
    const id = this.#nextId++
    const length = this.#lengthOf(id)
    this.#pending.set(id, length)
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size <= MAX_PENDING) break
      this.#pending.delete(oldest)
    }
    const isProven = this.#usableLength > 0
    const waitMs = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#unanswered)
    this.#unanswered++
    this.#lastPingMs = nowMs
    this.#dueMs = nowMs + (isProven ? RETRY_MS : waitMs)
    return { id, length }
  }

  /** Full length first; every third at the least when no answer comes. */
  #lengthOf(id: number): number {
    const least = Math.min(LEAST_LENGTH, this.#maxLength)
    if (this.#usableLength === 0) return this.#unanswered % 3 === 2 ? least : this.#maxLength
    return id % RAISE_EVERY === 0 ? this.#maxLength : this.#usableLength
  }
}
