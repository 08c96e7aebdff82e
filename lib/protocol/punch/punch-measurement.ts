import { ReachError } from '../../base/errors.ts'
import { sameAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { PADDING_SOFTWARE } from '../stun/nat-survey.ts'
import {
  bindingRequest,
  decodeStun,
  looksLikeStun,
  mappedAddressOf,
  transactionKey,
} from '../stun/message.ts'

/** Which sockets of a round ask how they look from outside. */
export interface PunchMeasurementOptions {
  /** All of the round: it begins when they are open. */
  readonly sockets: readonly number[]
  readonly asking: readonly number[]
  readonly servers: readonly TransportAddress[]
  readonly randomBytes: (length: number) => Uint8Array
}

/** A STUN request to send. */
export interface MeasurementRequest {
  readonly socket: number
  readonly bytes: Uint8Array
  readonly to: TransportAddress
}

/**
 * Ours: a first answer takes one round trip, and repetitions make up for loss: with 10 % a round trip, three in all failed
 * once in 1,000 punches, before the first packet to the peer.
 */
const ASK_AT_MS = [0, 200, 500, 900, 1400]
/** Ours: who has answered by then is enough. */
const BUDGET_MS = 2200

/** Asks STUN servers, from each asking socket, for the public address of that socket, just before a punch. */
export class PunchMeasurement {
  readonly #options: PunchMeasurementOptions
  readonly #missing: Set<number>
  readonly #questions = new Map<string, { readonly socket: number; readonly to: TransportAddress }>()
  readonly #seen = new Map<number, TransportAddress>()
  #startMs: number
  #asked = 0

  constructor(options: PunchMeasurementOptions, nowMs: number) {
    this.#options = options
    this.#missing = new Set(options.sockets)
    this.#startMs = nowMs
  }

  /** Answers, in the order of the asking sockets. */
  get seen(): readonly TransportAddress[] {
    return this.#options.asking.flatMap((socket) => this.#seen.get(socket) ?? [])
  }

  get deadlineMs(): number {
    const next = ASK_AT_MS[this.#asked]
    const endMs = this.#startMs + BUDGET_MS
    return this.#missing.size > 0 || next === undefined ? endMs : Math.min(endMs, this.#startMs + next)
  }

  opened(socket: number, nowMs: number): void {
    if (!this.#missing.delete(socket) || this.#missing.size > 0) return
    this.#startMs = nowMs
  }

  openFailed(socket: number): void {
    this.#missing.delete(socket)
  }

  takeRequests(nowMs: number): readonly MeasurementRequest[] {
    const dueMs = this.#startMs + (ASK_AT_MS[this.#asked] ?? Infinity)
    if (this.#missing.size > 0 || nowMs < dueMs) return []
    const { asking, servers, randomBytes } = this.#options
    const to = servers[this.#asked % servers.length]
    this.#asked++
    if (to === undefined) return []
    return asking
      .filter((socket) => !this.#seen.has(socket))
      .map((socket) => {
        const id = randomBytes(12)
        this.#questions.set(transactionKey(id), { socket, to })
        return { socket, bytes: bindingRequest(id, [PADDING_SOFTWARE]), to }
      })
  }

  received(socket: number, bytes: Uint8Array, from: TransportAddress): void {
    const message = looksLikeStun(bytes) ? tryDecode(bytes) : undefined
    if (message?.class !== 'success') return
    const question = this.#questions.get(transactionKey(message.transactionId))
    const mapped = mappedAddressOf(message)
    if (question?.socket !== socket || !sameAddress(question.to, from) || mapped === undefined) return
    this.#seen.set(socket, mapped)
  }

  isDone(nowMs: number): boolean {
    if (nowMs >= this.#startMs + BUDGET_MS) return true
    return this.#missing.size === 0 && this.#seen.size === this.#options.asking.length
  }
}

function tryDecode(bytes: Uint8Array) {
  try {
    return decodeStun(bytes)
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return undefined
    throw error
  }
}
