import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { candidatePriority } from '../ice/candidate.ts'
import type { IceRole } from '../ice/candidate-pair.ts'
import type { IceCredentials, ReceivedCheck } from '../ice/connectivity-check.ts'
import {
  CheckKeys,
  encodeCheck,
  encodeCheckSuccess,
  readCheck,
  readCheckAnswer,
  readCheckMessage,
} from '../ice/connectivity-check.ts'
import type { DecodedStunMessage } from '../stun/message.ts'
import { transactionKey } from '../stun/message.ts'
import { CheckFrameReader, encodeCheckFrame } from './check-frames.ts'

/** What a {@link TcpCheck} is told at birth. */
export interface TcpCheckOptions {
  /** Agreed upon by signalling: a peer with the same role is none (no 487 of RFC 8445 §7.3.1.1). */
  readonly role: IceRole
  readonly localCredentials: IceCredentials
  readonly remoteCredentials: IceCredentials
  /** The other end of the connection. */
  readonly remote: TransportAddress
  readonly randomBytes: (length: number) => Uint8Array
}

/** What a {@link TcpCheck} is told. */
export type TcpCheckInput =
  /** The connection is there. */
  | { readonly kind: 'open' }
  | { readonly kind: 'received'; readonly bytes: Uint8Array }
  /** Of several connections this one is to be used; for the controlling side alone, once it is `verified`. */
  | { readonly kind: 'nominate' }

/** What a {@link TcpCheck} wants done, or tells. */
export type TcpCheckEffect =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** Both ends have proven that they belong to this attempt. */
  | { readonly kind: 'verified' }
  /** Both sides know that this connection is used. `rest` came in behind the last check and is the user's. */
  | { readonly kind: 'nominated'; readonly rest: Uint8Array }
  /** Close it. */
  | { readonly kind: 'failed'; readonly why: TcpCheckFailure }

/** `forged`: somebody else than the peer is at the other end, or a peer that keeps to no rules. */
export type TcpCheckFailure = 'forged' | 'silent'

/** Ours: two round trips on a connection that is up; a lost segment takes TCP a second or two more. */
const VERIFY_MS = 5000
/**
 * Ours: the controlled side keeps a verified connection for as long as the other one may cling to two that die before
 * it nominates this one.
 */
const NOMINATE_MS = 3 * VERIFY_MS
type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'checking'; readonly deadlineMs: number; readonly check: string }
  | { readonly kind: 'verified'; readonly deadlineMs: number }
  | { readonly kind: 'nominating'; readonly deadlineMs: number; readonly nomination: string }
  | { readonly kind: 'over' }

/**
 * The checks of one TCP connection between two peers (RFC 6544 §7): each proves that it knows the other's password, and
 * the controlling one says which of several connections is used. TCP keeps the order, so each side knows at which byte
 * the checks end: behind the nomination's answer. Nothing is repeated: TCP does that.
 *
 * Each of the three frames that a side gets is taken once, and anything else ends it. So what others can make it hold is
 * less than one frame, and how long, is bounded.
 */
export class TcpCheck implements Machine<TcpCheckInput, TcpCheckEffect> {
  readonly #options: TcpCheckOptions
  readonly #keys: CheckKeys
  readonly #frames = new CheckFrameReader()
  readonly #effects: TcpCheckEffect[] = []
  #phase: Phase = { kind: 'idle' }
  /** The peer's check came, and the answer to ours. */
  #isHeard = false
  #isAnswered = false

  constructor(options: TcpCheckOptions) {
    this.#options = options
    this.#keys = new CheckKeys(options.localCredentials, options.remoteCredentials)
  }

  get deadlineMs(): number | undefined {
    return 'deadlineMs' in this.#phase ? this.#phase.deadlineMs : undefined
  }

  /** Bytes held of a check that is not whole yet. */
  get pendingLength(): number {
    return this.#frames.rest.length
  }

  poll(): TcpCheckEffect | undefined {
    return this.#effects.shift()
  }

  handle(input: TcpCheckInput, nowMs: number): void {
    switch (input.kind) {
      case 'open':
        return this.#open(nowMs)
      case 'received':
        return this.#receive(input.bytes, nowMs)
      case 'nominate':
        return this.#nominate(nowMs)
      default:
        return unreachable(input)
    }
  }

  handleTimeout(nowMs: number): void {
    if (this.deadlineMs !== undefined && nowMs >= this.deadlineMs) this.#fail('silent')
  }

  #open(nowMs: number): void {
    if (this.#phase.kind !== 'idle') return
    this.#phase = { kind: 'checking', deadlineMs: nowMs + VERIFY_MS, check: this.#sendCheck() }
  }

  #nominate(nowMs: number): void {
    if (this.#phase.kind !== 'verified' || this.#options.role !== 'controlling') return
    const nomination = this.#sendCheck({ useCandidate: true })
    this.#phase = { kind: 'nominating', deadlineMs: nowMs + VERIFY_MS, nomination }
  }

  #receive(bytes: Uint8Array, nowMs: number): void {
    if (this.#phase.kind === 'idle' || this.#phase.kind === 'over') return
    this.#frames.push(bytes)
    // A frame may end it: what follows is not for us.
    while (!this.#isOver()) {
      const frame = this.#frames.take()
      if (frame === undefined) return
      if (frame === 'broken' || !this.#take(frame, nowMs)) this.#fail('forged')
    }
  }

  #isOver(): boolean {
    return this.#phase.kind === 'over'
  }

  /** False for what the peer would not have sent. */
  #take(frame: Uint8Array, nowMs: number): boolean {
    const message = readCheckMessage(frame)
    if (message === undefined) return false
    if (message.class !== 'request') return this.#takeAnswer(message, nowMs)
    const { localUfrag, localKey, remoteUfrag } = this.#keys
    const check = readCheck(message, localUfrag, localKey, remoteUfrag)
    return check !== undefined && check.role !== this.#options.role && this.#takeCheck(check, nowMs)
  }

  #takeCheck({ transactionId, useCandidate }: ReceivedCheck, nowMs: number): boolean {
    if (useCandidate ? !this.#mayBeNominated() : this.#isHeard) return false
    this.#send(encodeCheckSuccess(this.#keys.localKey, transactionId, this.#options.remote))
    if (useCandidate) {
      this.#end()
    } else {
      this.#isHeard = true
      this.#noticeVerified(nowMs)
    }
    return true
  }

  /** The peer's answer to us stands before its nomination: without it, this may be a copy from another connection. */
  #mayBeNominated(): boolean {
    return this.#phase.kind === 'verified' && this.#options.role === 'controlled'
  }

  #takeAnswer(message: DecodedStunMessage, nowMs: number): boolean {
    if (readCheckAnswer(message, this.#keys.remoteKey)?.kind !== 'success') return false
    const id = transactionKey(message.transactionId)
    const phase = this.#phase
    if (phase.kind === 'nominating' && id === phase.nomination) {
      this.#end()
      return true
    }
    if (phase.kind !== 'checking' || this.#isAnswered || id !== phase.check) return false
    this.#isAnswered = true
    this.#noticeVerified(nowMs)
    return true
  }

  #noticeVerified(nowMs: number): void {
    if (!this.#isHeard || !this.#isAnswered) return
    this.#phase = { kind: 'verified', deadlineMs: nowMs + NOMINATE_MS }
    this.#effects.push({ kind: 'verified' })
  }

  #end(): void {
    this.#phase = { kind: 'over' }
    this.#effects.push({ kind: 'nominated', rest: this.#frames.rest })
  }

  #fail(why: TcpCheckFailure): void {
    this.#phase = { kind: 'over' }
    this.#effects.push({ kind: 'failed', why })
  }

  /** Answers the key of its transaction. */
  #sendCheck({ useCandidate = false } = {}): string {
    const transactionId = this.#options.randomBytes(12)
    const { role } = this.#options
    const priority = candidatePriority('prflx', 65_535)
    // The roles are settled, so nobody compares the tie-breakers.
    const tieBreaker = role === 'controlling' ? 1n : 0n
    this.#send(encodeCheck(this.#keys, { transactionId, role, tieBreaker, priority, useCandidate }))
    return transactionKey(transactionId)
  }

  #send(check: Uint8Array): void {
    this.#effects.push({ kind: 'send', bytes: encodeCheckFrame(check) })
  }
}
