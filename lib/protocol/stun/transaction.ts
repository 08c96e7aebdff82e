import { ReachError } from '../../base/errors.ts'
import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import { sameAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { StunAttribute } from './attributes.ts'
import { longTermAuth, readChallenge, shortTermAuth } from './credentials.ts'
import type { LongTermChallenge, RequestAuth, StunCredentials } from './credentials.ts'
import { verifyIntegrity } from './integrity.ts'
import {
  BINDING_METHOD,
  decodeStun,
  encodeStun,
  findAttribute,
  looksLikeStun,
  mappedAddressOf,
  transactionKey,
  unknownComprehensionRequired,
} from './message.ts'
import type { DecodedStunMessage } from './message.ts'
import type { StunOutcome } from './transaction-outcome.ts'

export type { StunOutcome } from './transaction-outcome.ts'

/** RFC 8489 §6.2.1: RTO, the wait before the first retransmission over UDP. */
export const INITIAL_RTO_MS = 500
/** RFC 8489 §6.2.1: Rc, how often a request is sent at most. */
export const MAX_REQUESTS = 7
/** RFC 8489 §6.2.1: Rm, how many RTOs to wait after the last one. */
export const LAST_WAIT_FACTOR = 16
/** RFC 8489 §6.2.2: Ti, the wait over TCP, where nothing is retransmitted. */
export const TCP_TIMEOUT_MS = 39_500
/** Ours: a server that challenges more often than this is playing with us. */
const MAX_CHALLENGES = 3

export interface StunTransactionOptions {
  /** Where the request goes; its transport decides whether requests are retransmitted. */
  readonly server: TransportAddress
  /** Where the response must come from when not from `server`: after a CHANGE-REQUEST. */
  readonly answerFrom?: TransportAddress
  /** 12 bytes that nobody can guess, new at each call. */
  readonly newTransactionId: () => Uint8Array
  /** Default: Binding. */
  readonly method?: number
  readonly attributes?: readonly StunAttribute[]
  readonly credentials?: StunCredentials
  /** Adds FINGERPRINT. Default false. */
  readonly fingerprint?: boolean
  /** Default {@link INITIAL_RTO_MS}. */
  readonly initialRtoMs?: number
  /** Default {@link MAX_REQUESTS}. */
  readonly maxRequests?: number
  /** Default {@link LAST_WAIT_FACTOR}. */
  readonly lastWaitFactor?: number
  /** Default {@link TCP_TIMEOUT_MS}. */
  readonly tcpTimeoutMs?: number
}

export type StunTransactionInput =
  | { readonly kind: 'packet'; readonly bytes: Uint8Array; readonly from: TransportAddress }
  /** The operating system could not send, or a router said so: RFC 8489 §6.2.1 ends the transaction on a hard error. */
  | { readonly kind: 'network-error'; readonly code: string }

export type StunTransactionEffect =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'done'; readonly outcome: StunOutcome }

/** One request on its way: a new challenge makes a new one, with its own id and schedule. */
interface Attempt {
  readonly key: string
  readonly bytes: Uint8Array
  readonly auth: RequestAuth | undefined
  readonly challenge: LongTermChallenge | undefined
  readonly firstSentAtMs: number
  readonly requestsSent: number
  /** When to send again, or to give up. */
  readonly dueMs: number
  /** The last response that failed its integrity check. */
  readonly discarded: DecodedStunMessage | undefined
}

type State = { readonly kind: 'waiting'; readonly attempt: Attempt } | { readonly kind: 'done' }

/**
 * One STUN request and its response (RFC 8489 §6.2, §6.3), from the client's side, with retransmission over UDP and
 * the credentials' back and forth. It sends from birth on: drain `poll()` first. It ends with exactly one `done`.
 */
export class StunTransaction implements Machine<StunTransactionInput, StunTransactionEffect> {
  readonly #options: StunTransactionOptions
  readonly #effects: StunTransactionEffect[] = []
  #challenges = 0
  #state: State

  constructor(options: StunTransactionOptions, nowMs: number) {
    this.#options = options
    const challenge = options.credentials?.kind === 'long-term' ? options.credentials.challenge : undefined
    this.#state = { kind: 'waiting', attempt: this.#begin(challenge, nowMs) }
  }

  get deadlineMs(): number | undefined {
    return this.#state.kind === 'waiting' ? this.#state.attempt.dueMs : undefined
  }

  poll(): StunTransactionEffect | undefined {
    return this.#effects.shift()
  }

  handle(input: StunTransactionInput, nowMs: number): void {
    if (this.#state.kind === 'done') return
    switch (input.kind) {
      case 'packet': {
        const message = this.#responseIn(input, this.#state.attempt)
        if (message !== undefined) this.#handleResponse(message, this.#state.attempt, nowMs)
        return
      }
      case 'network-error':
        return this.#finish({ kind: 'network-error', code: input.code })
      default:
        return unreachable(input)
    }
  }

  handleTimeout(nowMs: number): void {
    if (this.#state.kind === 'done' || nowMs < this.#state.attempt.dueMs) return
    const { attempt } = this.#state
    const { requestsSent, discarded } = attempt
    if (requestsSent < this.#maxRequests) {
      const dueMs = nowMs + this.#waitAfterMs(requestsSent + 1)
      this.#state = { kind: 'waiting', attempt: { ...attempt, requestsSent: requestsSent + 1, dueMs } }
      this.#effects.push({ kind: 'send', bytes: attempt.bytes })
    } else if (discarded === undefined) {
      this.#finish({ kind: 'timeout', requestsSent })
    } else {
      this.#finish({ kind: 'integrity-violated', message: discarded })
    }
  }

  get #isReliable(): boolean {
    return this.#options.server.transport === 'tcp'
  }

  get #maxRequests(): number {
    return this.#isReliable ? 1 : (this.#options.maxRequests ?? MAX_REQUESTS)
  }

  /** RFC 8489 §6.2.1: the wait doubles from RTO on; after the last request it is Rm times RTO. */
  #waitAfterMs(requestsSent: number): number {
    if (this.#isReliable) return this.#options.tcpTimeoutMs ?? TCP_TIMEOUT_MS
    const rtoMs = this.#options.initialRtoMs ?? INITIAL_RTO_MS
    if (requestsSent >= this.#maxRequests) return rtoMs * (this.#options.lastWaitFactor ?? LAST_WAIT_FACTOR)
    return rtoMs * 2 ** (requestsSent - 1)
  }

  #begin(challenge: LongTermChallenge | undefined, nowMs: number): Attempt {
    const { credentials, method = BINDING_METHOD, attributes = [], fingerprint = false } = this.#options
    const auth = authOf(credentials, challenge)
    const transactionId = this.#options.newTransactionId()
    const bytes = encodeStun(
      { class: 'request', method, transactionId, attributes: [...attributes, ...(auth?.attributes ?? [])] },
      { fingerprint, ...(auth === undefined ? {} : { integrity: auth.integrity }) },
    )
    this.#effects.push({ kind: 'send', bytes })
    return {
      key: transactionKey(transactionId),
      bytes,
      auth,
      challenge,
      firstSentAtMs: nowMs,
      requestsSent: 1,
      dueMs: nowMs + this.#waitAfterMs(1),
      discarded: undefined,
    }
  }

  /** The response to our request in a packet; undefined for everything else, which is ignored. */
  #responseIn(
    packet: Extract<StunTransactionInput, { kind: 'packet' }>,
    attempt: Attempt,
  ): DecodedStunMessage | undefined {
    const { bytes, from } = packet
    const expected = this.#options.answerFrom ?? this.#options.server
    if (!sameAddress(from, expected) || !looksLikeStun(bytes)) return undefined
    if (transactionKey(bytes.subarray(8, 20)) !== attempt.key) return undefined
    try {
      const message = decodeStun(bytes, { transport: expected.transport })
      const isResponse = message.class === 'success' || message.class === 'error'
      return isResponse && message.method === (this.#options.method ?? BINDING_METHOD) ? message : undefined
    } catch (error) {
      // RFC 8489 §6.3: a malformed message is silently discarded.
      if (ReachError.is(error, 'ERR_REACH_DECODE')) return undefined
      throw error
    }
  }

  /** RFC 8489 §6.3: authentication first, then unknown attributes, then what the message says. */
  #handleResponse(message: DecodedStunMessage, attempt: Attempt, nowMs: number): void {
    const error = message.class === 'error' ? findAttribute(message, 'error-code') : undefined
    const isChallenge = error?.code === 401 || error?.code === 438
    if (isChallenge && this.#options.credentials?.kind === 'long-term') {
      // These alone come without integrity: the server has not believed us yet (RFC 8489 §9.2.4).
      if (this.#answerChallenge(message, error.code, attempt, nowMs)) return
    } else if (!isAuthentic(message, attempt.auth)) {
      return this.#discard(message, attempt)
    }
    if (unknownComprehensionRequired(message).length > 0) {
      return this.#finish({ kind: 'unusable', why: 'unknown-attributes', message })
    }
    const rttMs = attempt.requestsSent === 1 ? nowMs - attempt.firstSentAtMs : undefined
    this.#finish(this.#outcomeOf(message, attempt, rttMs))
  }

  #outcomeOf(message: DecodedStunMessage, attempt: Attempt, rttMs: number | undefined): StunOutcome {
    if (message.class === 'success') {
      const needsAddress = (this.#options.method ?? BINDING_METHOD) === BINDING_METHOD
      return needsAddress && mappedAddressOf(message) === undefined
        ? { kind: 'unusable', why: 'no-mapped-address', message }
        : { kind: 'success', message, rttMs, challenge: attempt.challenge }
    }
    const error = findAttribute(message, 'error-code')
    if (error === undefined) return { kind: 'unusable', why: 'no-error-code', message }
    const alternate = error.code === 300 ? findAttribute(message, 'alternate-server')?.address : undefined
    if (alternate !== undefined) {
      return {
        kind: 'alternate',
        server: alternate,
        domain: findAttribute(message, 'alternate-domain')?.value,
      }
    }
    return { kind: 'error', code: error.code, reason: error.reason, message, rttMs }
  }

  /** RFC 8489 §9.2.5: tries again with what the 401 or 438 asks for; false when that is no use or not allowed. */
  #answerChallenge(message: DecodedStunMessage, code: number, attempt: Attempt, nowMs: number): boolean {
    const challenge = readChallenge(message)
    if (challenge === undefined || this.#challenges >= MAX_CHALLENGES) return false
    const before = attempt.challenge
    if (before !== undefined) {
      // The same credentials were refused, or the "new" nonce is the stale one.
      if (code === 401 && before.realm === challenge.realm) return false
      if (code === 438 && before.nonce === challenge.nonce) return false
    }
    this.#challenges++
    this.#state = { kind: 'waiting', attempt: this.#begin(challenge, nowMs) }
    return true
  }

  /** RFC 8489 §9.1.4, §9.2.5: as if never received over UDP, where an attacker may have sent it; the end over TCP. */
  #discard(message: DecodedStunMessage, attempt: Attempt): void {
    if (this.#isReliable) return this.#finish({ kind: 'integrity-violated', message })
    this.#state = { kind: 'waiting', attempt: { ...attempt, discarded: message } }
  }

  #finish(outcome: StunOutcome): void {
    this.#state = { kind: 'done' }
    this.#effects.push({ kind: 'done', outcome })
  }
}

function authOf(
  credentials: StunCredentials | undefined,
  challenge: LongTermChallenge | undefined,
): RequestAuth | undefined {
  if (credentials === undefined) return undefined
  if (credentials.kind === 'short-term') return shortTermAuth(credentials)
  // RFC 8489 §9.2.3: the first request carries no credentials.
  return challenge === undefined ? undefined : longTermAuth(credentials, challenge)
}

/** The response must be protected as the request was; to one that was not, anything goes. */
function isAuthentic(message: DecodedStunMessage, auth: RequestAuth | undefined): boolean {
  if (auth === undefined) return true
  const { kind, key } = auth.integrity
  return verifyIntegrity(message, key, kind === 'both' ? {} : { kind })
}
