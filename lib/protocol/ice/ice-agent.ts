import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import { sameAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { DecodedStunMessage } from '../stun/message.ts'
import { shortTermKey } from '../stun/integrity.ts'
import { MAX_LOCAL_PREFERENCE, candidatePriority, foundationOf } from './candidate.ts'
import type { Candidate, LocalCandidate } from './candidate.ts'
import type { CandidatePair, IceRole } from './candidate-pair.ts'
import { CheckTransactions, MIN_CHECK_RTO_MS } from './check-transactions.ts'
import type { CheckTransaction } from './check-transactions.ts'
import { Checklist } from './checklist.ts'
import {
  CheckKeys,
  assertIceCredentials,
  encodeCheck,
  encodeCheckSuccess,
  encodeRoleConflict,
  readCheck,
  readCheckAnswer,
  readCheckMessage,
} from './connectivity-check.ts'
import type { IceCredentials, ReceivedCheck } from './connectivity-check.ts'
import { CONSENT_TIMEOUT_MS, Consent } from './consent.ts'
import { iceAgentDefaults } from './ice-agent-options.ts'
import type { IceAgentOptions, IceCounters, IceEffect, IceInput } from './ice-agent-options.ts'

/** Ours: local candidates of one peer; 32 × 32 pairs are cut to the limit of the checklist anyway. */
const MAX_LOCAL_CANDIDATES = 32

/**
 * An ICE agent (RFC 8445) for one data stream of one component, with trickle (RFC 8838), regular nomination and consent
 * freshness (RFC 7675). It does not gather: candidates come as inputs, each with the number of the socket behind it.
 *
 * What it does not do: ICE lite, aggressive nomination (RFC 8445 dropped it), several components, TURN. Requests that
 * are not authentic get no answer where RFC 8489 §9.1.3 would say 400 or 401.
 */
export class IceAgent implements Machine<IceInput, IceEffect> {
  readonly counters: IceCounters = {
    pairs: 0,
    checksSent: 0,
    checksReceived: 0,
    forgeries: 0,
    candidatesRefused: 0,
  }
  readonly #options: Required<IceAgentOptions>
  readonly #tieBreaker: bigint
  readonly #effects: IceEffect[] = []
  readonly #transactions = new CheckTransactions()
  #role: IceRole
  #credentials: IceCredentials
  #localKey: Uint8Array
  #keys: CheckKeys | undefined
  #checklist: Checklist
  #locals: LocalCandidate[] = []
  #remotes: Candidate[] = []
  #localEnded = false
  #remoteEnded = false
  #hasFailed = false
  #checksLeft: number
  #nextCheckMs = -Infinity
  #consent: Consent | undefined

  /** @throws {ReachError} ERR_REACH_DECODE for credentials that are none */
  constructor(options: IceAgentOptions) {
    assertIceCredentials(options.credentials)
    this.#options = { ...iceAgentDefaults, ...options }
    this.#role = options.role
    this.#credentials = options.credentials
    this.#localKey = shortTermKey(options.credentials.password)
    this.#checklist = new Checklist(this.#options.maxPairs)
    this.#checksLeft = this.#options.maxChecks
    this.#tieBreaker = options.randomBytes(8).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  }

  /** Ours now; it may change once when both sides began with the same. */
  get role(): IceRole {
    return this.#role
  }

  /** All pairs, best first: what was tried. */
  get pairs(): readonly Readonly<CandidatePair>[] {
    return this.#checklist.pairs
  }

  /** The nominated pair whose consent is fresh: the one to send on. */
  get selected(): Readonly<CandidatePair> | undefined {
    return this.#consent?.pair
  }

  /** @throws {ReachError} ERR_REACH_DECODE for remote credentials that are none */
  handle(input: IceInput, nowMs: number): void {
    this.#take(input, nowMs)
    this.handleTimeout(nowMs)
  }

  handleTimeout(nowMs: number): void {
    this.#repeatChecks(nowMs)
    this.#startChecks(nowMs)
    this.#nominate(nowMs)
    this.#keepConsent(nowMs)
    this.#noticeFailure()
  }

  get deadlineMs(): number | undefined {
    const times = [this.#transactions.nextDueMs, this.#consent?.deadlineMs]
    if (this.#canCheck) times.push(this.#nextCheckMs)
    return times.reduce((a, b) => (a === undefined || (b !== undefined && b < a) ? b : a), undefined)
  }

  poll(): IceEffect | undefined {
    return this.#effects.shift()
  }

  #take(input: IceInput, nowMs: number): void {
    switch (input.kind) {
      case 'local-candidate':
        return this.#addLocal(input.candidate)
      case 'local-end':
        this.#localEnded = true
        return
      case 'remote-credentials':
        return this.#learnCredentials(input.credentials)
      case 'remote-candidate':
        this.#addRemote(input.candidate)
        return
      case 'remote-end':
        this.#remoteEnded = true
        return
      case 'received':
        return this.#receive(input, nowMs)
      case 'send-failed':
        return this.#sendFailed(input)
      case 'socket-closed':
        return this.#closeSocket(input.socket)
      case 'restart':
        return this.#restart(input.credentials)
      default:
        return unreachable(input)
    }
  }

  #learnCredentials(credentials: IceCredentials): void {
    assertIceCredentials(credentials)
    this.#keys = new CheckKeys(this.#credentials, credentials)
  }

  #addLocal(candidate: LocalCandidate): void {
    if (this.#locals.length >= MAX_LOCAL_CANDIDATES) return
    this.#locals.push(candidate)
    for (const remote of this.#remotes) this.#addPair(candidate, remote)
  }

  #addRemote(candidate: Candidate): boolean {
    const isKnown = this.#remotes.some(({ address }) => sameAddress(address, candidate.address))
    if (isKnown) return true
    if (
      this.#remotes.length >= this.#options.maxRemoteCandidates ||
      !this.#options.maySendTo(candidate.address)
    ) {
      this.counters.candidatesRefused++
      return false
    }
    this.#remotes.push(candidate)
    for (const local of this.#locals) this.#addPair(local, candidate)
    return true
  }

  #addPair(local: LocalCandidate, remote: Candidate): CandidatePair | undefined {
    const pair = this.#checklist.add(this.#role, local, remote)
    if (pair === undefined) return undefined
    this.counters.pairs++
    this.#hasFailed = false
    return pair
  }

  #receive(input: Extract<IceInput, { kind: 'received' }>, nowMs: number): void {
    const message = readCheckMessage(input.bytes)
    if (message === undefined) {
      this.counters.forgeries++
    } else if (message.class === 'request') {
      this.#receiveCheck(message, input)
    } else if (message.class !== 'indication') {
      this.#receiveAnswer(message, input, nowMs)
    }
  }

  /** RFC 8445 §7.3. */
  #receiveCheck(
    message: DecodedStunMessage,
    { socket, from }: { socket: number; from: TransportAddress },
  ): void {
    const check = readCheck(message, this.#credentials.ufrag, this.#localKey, this.#keys?.remoteUfrag)
    const local = this.#locals.find((candidate) => candidate.socket === socket)
    if (check === undefined || local === undefined) {
      this.counters.forgeries++
      return
    }
    this.counters.checksReceived++
    if (check.role === this.#role && !this.#resolveConflict(check, socket, from)) return
    const bytes = encodeCheckSuccess(this.#localKey, check.transactionId, from)
    this.#effects.push({ kind: 'send', socket, bytes, to: from })
    const pair = this.#pairHeard(local, from, check)
    if (pair === undefined) return
    if (check.useCandidate && this.#role === 'controlled') pair.nominated = true
    if (pair.state !== 'succeeded' && !this.#transactions.has(pair, 'check')) this.#checklist.trigger(pair)
  }

  /** RFC 8445 §7.3.1.1: the larger tie-breaker controls. True when the check is to be answered with success. */
  #resolveConflict(check: ReceivedCheck, socket: number, to: TransportAddress): boolean {
    const weWin = this.#tieBreaker >= check.tieBreaker
    if (weWin === (this.#role === 'controlling')) {
      const bytes = encodeRoleConflict(this.#localKey, check.transactionId)
      this.#effects.push({ kind: 'send', socket, bytes, to })
      return false
    }
    this.#changeRole(this.#role === 'controlling' ? 'controlled' : 'controlling')
    return true
  }

  #changeRole(role: IceRole): void {
    if (role === this.#role) return
    this.#role = role
    this.#checklist.changeRole(role)
    this.#effects.push({ kind: 'role-changed', role })
  }

  /** The pair that a check came on, whose remote candidate may be new: peer-reflexive (RFC 8445 §7.3.1.3). */
  #pairHeard(local: LocalCandidate, from: TransportAddress, check: ReceivedCheck): CandidatePair | undefined {
    const known = this.#checklist.find(local.socket, from)
    if (known !== undefined) return known
    const remote: Candidate = {
      type: 'prflx',
      address: from,
      priority: check.priority,
      foundation: `p${foundationOf('prflx', from)}`,
      ...(local.tcpType === undefined ? {} : { tcpType: OTHER_TCP_TYPE[local.tcpType] }),
    }
    if (!this.#addRemote(remote)) return undefined
    return this.#checklist.find(local.socket, from) ?? this.#addPair(local, remote)
  }

  /** RFC 8445 §7.2.5. */
  #receiveAnswer(
    message: DecodedStunMessage,
    { socket, from }: { socket: number; from: TransportAddress },
    nowMs: number,
  ): void {
    const transaction = this.#transactions.find(message.transactionId)
    const answer =
      transaction === undefined || this.#keys === undefined
        ? undefined
        : readCheckAnswer(message, this.#keys.remoteKey)
    if (transaction === undefined || answer === undefined) {
      this.counters.forgeries++
      return
    }
    const { pair } = transaction
    this.#transactions.finish(transaction)
    // RFC 8445 §7.2.5.2.1: an answer comes from where the check went, to where it came from.
    const isSymmetric = socket === pair.local.socket && sameAddress(from, pair.remote.address)
    if (!isSymmetric) return this.#fail(transaction)
    switch (answer.kind) {
      case 'success':
        return this.#succeed(transaction, nowMs)
      case 'role-conflict':
        return this.#conflictFound(transaction)
      case 'error':
        return this.#fail(transaction)
      default:
        return unreachable(answer)
    }
  }

  #succeed({ pair, purpose, sentMs }: CheckTransaction, nowMs: number): void {
    pair.rttMs = nowMs - sentMs
    if (this.#consent?.pair === pair) this.#consent.renew(nowMs)
    if (purpose === 'consent') return
    if (pair.state !== 'succeeded') {
      this.#checklist.succeed(pair)
      this.#effects.push({ kind: 'pair-succeeded', pair })
    }
    if (purpose === 'nomination' && this.#role === 'controlling') pair.nominated = true
    this.#selectNominated(nowMs)
  }

  /** RFC 8445 §7.2.5.1: take the other role than that which the check had, and check again. */
  #conflictFound({ pair, bytes }: CheckTransaction): void {
    const sentRole = readSentRole(bytes)
    this.#changeRole(sentRole === 'controlling' ? 'controlled' : 'controlling')
    this.#checklist.trigger(pair)
  }

  #fail({ pair, purpose }: CheckTransaction): void {
    if (purpose === 'consent' || pair === this.#consent?.pair) return
    this.#checklist.fail(pair)
  }

  #repeatChecks(nowMs: number): void {
    for (const { transaction, isOver } of this.#transactions.takeDue(nowMs)) {
      if (isOver) this.#fail(transaction)
      else this.#sendCheck(transaction)
    }
  }

  get #canCheck(): boolean {
    return this.#keys !== undefined && this.#checksLeft > 0 && this.#checklist.hasNext
  }

  /** RFC 8445 §6.1.4.2: one new check each Ta. */
  #startChecks(nowMs: number): void {
    if (!this.#canCheck || nowMs < this.#nextCheckMs) return
    const pair = this.#checklist.next()
    if (pair === undefined) return
    this.#checksLeft--
    this.#nextCheckMs = nowMs + this.#options.paceMs
    this.#begin(pair, 'check', nowMs)
  }

  #begin(pair: CandidatePair, purpose: CheckTransaction['purpose'], nowMs: number): void {
    if (this.#keys === undefined) return
    const id = this.#options.randomBytes(12)
    const bytes = encodeCheck(this.#keys, {
      transactionId: id,
      role: this.#role,
      tieBreaker: this.#tieBreaker,
      priority: candidatePriority(
        'prflx',
        Math.min(MAX_LOCAL_PREFERENCE, (pair.local.priority >>> 8) & 0xffff),
      ),
      useCandidate: purpose === 'nomination' && this.#role === 'controlling',
    })
    const paced = this.#options.paceMs * this.#checklist.inProgressCount
    const rtoMs = purpose === 'consent' ? CONSENT_TIMEOUT_MS : Math.max(MIN_CHECK_RTO_MS, paced)
    const transaction = { id, pair, purpose, bytes, rtoMs, sentMs: nowMs }
    this.#transactions.add(transaction)
    this.#sendCheck(transaction)
  }

  #sendCheck({ pair, bytes }: Pick<CheckTransaction, 'pair' | 'bytes'>): void {
    this.counters.checksSent++
    this.#effects.push({ kind: 'send', socket: pair.local.socket, bytes, to: pair.remote.address })
  }

  /** Regular nomination (RFC 8445 §8.1.1): the best pair that works, once nothing better is being tried. */
  #nominate(nowMs: number): void {
    if (this.#role !== 'controlling') return
    const best = this.#checklist.pairs.find(({ state }) => state === 'succeeded')
    if (best === undefined || best.nominated || this.#transactions.has(best, 'nomination')) return
    const current = this.#consent?.pair
    if (current !== undefined && current.priority >= best.priority) return
    this.#begin(best, 'nomination', nowMs)
  }

  #selectNominated(nowMs: number): void {
    const best = this.#checklist.pairs.find((pair) => pair.nominated && pair.state === 'succeeded')
    if (best === undefined || best === this.#consent?.pair) return
    this.#consent = new Consent(best, nowMs, this.#chance())
    this.#effects.push({ kind: 'nominated', pair: best })
  }

  #keepConsent(nowMs: number): void {
    this.#selectNominated(nowMs)
    const due = this.#consent?.due(nowMs, this.#chance())
    if (this.#consent === undefined || due === undefined) return
    const { pair } = this.#consent
    if (due === 'check') return this.#begin(pair, 'consent', nowMs)
    this.#loseConsent(pair)
  }

  #loseConsent(pair: CandidatePair): void {
    this.#consent = undefined
    pair.nominated = false
    this.#transactions.drop(pair)
    this.#checklist.fail(pair)
    this.#effects.push({ kind: 'consent-lost', pair })
  }

  #sendFailed({ socket, to }: { socket: number; to: TransportAddress }): void {
    const pair = this.#checklist.find(socket, to)
    // A route may come back: a pair in use is given up by consent, not by one refused packet.
    if (pair === undefined || pair === this.#consent?.pair) return
    this.#transactions.drop(pair)
    this.#checklist.fail(pair)
  }

  #closeSocket(socket: number): void {
    this.#locals = this.#locals.filter((candidate) => candidate.socket !== socket)
    for (const pair of this.#checklist.removeSocket(socket)) {
      this.#transactions.drop(pair)
      if (pair === this.#consent?.pair) this.#loseConsent(pair)
    }
  }

  /** RFC 8445 §9: all but the role is forgotten. */
  #restart(credentials: IceCredentials): void {
    assertIceCredentials(credentials)
    this.#credentials = credentials
    this.#localKey = shortTermKey(credentials.password)
    this.#keys = undefined
    this.#checklist = new Checklist(this.#options.maxPairs)
    this.#transactions.clear()
    this.#locals = []
    this.#remotes = []
    this.#localEnded = false
    this.#remoteEnded = false
    this.#hasFailed = false
    this.#checksLeft = this.#options.maxChecks
    this.#consent = undefined
  }

  #noticeFailure(): void {
    if (this.#hasFailed || !this.#localEnded || !this.#remoteEnded || this.#consent !== undefined) return
    if (this.#checklist.pairs.some(({ state }) => state === 'succeeded')) return
    if (this.#checksLeft > 0 && this.#checklist.isActive) return
    if (this.#transactions.nextDueMs !== undefined) return
    this.#hasFailed = true
    this.#effects.push({ kind: 'failed' })
  }

  #chance(): number {
    return (this.#options.randomBytes(1)[0] ?? 0) / 255
  }
}

const OTHER_TCP_TYPE = { active: 'passive', passive: 'active', so: 'so' } as const

function readSentRole(bytes: Uint8Array): IceRole {
  const message = readCheckMessage(bytes)
  const isControlling = message?.attributes.some(({ type }) => type === 'ice-controlling') === true
  return isControlling ? 'controlling' : 'controlled'
}
