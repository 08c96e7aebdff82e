import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { DecodedStunMessage } from '../stun/message.ts'
import { AgreedRole } from './agreed-role.ts'
import { peerReflexiveCandidate } from './candidate.ts'
import type { Candidate, LocalCandidate } from './candidate.ts'
import type { CandidatePair, IceRole } from './candidate-pair.ts'
import type { CheckTransaction } from './check-transactions.ts'
import { Checklist } from './checklist.ts'
import { CheckKeys, assertIceCredentials, readCheckMessage } from './connectivity-check.ts'
import type { IceCredentials } from './connectivity-check.ts'
import { iceAgentDefaults } from './ice-agent-options.ts'
import type { IceAgentOptions, IceCounters, IceEffect, IceInput } from './ice-agent-options.ts'
import { IncomingChecks } from './incoming-checks.ts'
import { KnownCandidates } from './known-candidates.ts'
import { OutgoingChecks } from './outgoing-checks.ts'
import { PairSelection } from './pair-selection.ts'

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
  readonly #role: AgreedRole
  readonly #effects: IceEffect[] = []
  readonly #checks: OutgoingChecks
  readonly #selection: PairSelection
  readonly #incoming: IncomingChecks
  #checklist: Checklist
  #candidates: KnownCandidates
  #hasFailed = false

  /** @throws {ReachError} ERR_REACH_DECODE for credentials that are none */
  constructor(options: IceAgentOptions) {
    this.#options = { ...iceAgentDefaults, ...options }
    this.#role = new AgreedRole(options.role, options.randomBytes(8))
    this.#checklist = new Checklist(this.#options.maxPairs)
    this.#candidates = new KnownCandidates(this.#options)
    this.#selection = new PairSelection(() => (options.randomBytes(1)[0] ?? 0) / 255)
    const emit = (effect: IceEffect) => this.#effects.push(effect)
    this.#incoming = new IncomingChecks(options.credentials, this.#role, emit)
    this.#checks = new OutgoingChecks(this.#options, this.#role, this.counters, emit)
  }

  /** Ours now; it may change once when both sides began with the same. */
  get role(): IceRole {
    return this.#role.current
  }

  /** All pairs, best first: what was tried. */
  get pairs(): readonly Readonly<CandidatePair>[] {
    return this.#checklist.pairs
  }

  /** The nominated pair whose consent is fresh: the one to send on. */
  get selected(): Readonly<CandidatePair> | undefined {
    return this.#selection.current
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
    const times = [this.#checks.nextDueMs, this.#selection.deadlineMs]
    if (this.#checklist.hasNext) times.push(this.#checks.nextStartMs)
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
        return this.#candidates.end('local')
      case 'remote-credentials':
        return this.#learnCredentials(input.credentials)
      case 'remote-candidate':
        this.#addRemote(input.candidate)
        return
      case 'remote-end':
        return this.#candidates.end('remote')
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
    this.#checks.keys = new CheckKeys(this.#incoming.credentials, credentials)
  }

  #addLocal(candidate: LocalCandidate): void {
    if (!this.#candidates.addLocal(candidate)) return
    for (const remote of this.#candidates.remotes) this.#addPair(candidate, remote)
  }

  #addRemote(candidate: Candidate): boolean {
    const result = this.#candidates.addRemote(candidate)
    if (result === 'refused') this.counters.candidatesRefused++
    if (result === 'new') for (const local of this.#candidates.locals) this.#addPair(local, candidate)
    return result !== 'refused'
  }

  #addPair(local: LocalCandidate, remote: Candidate): CandidatePair | undefined {
    const pair = this.#checklist.add(this.role, local, remote)
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
    const local = this.#candidates.ofSocket(socket)
    if (!this.#options.maySendTo(from)) return
    const remoteUfrag = this.#checks.keys?.remoteUfrag
    const authentic = local && this.#incoming.read(message, socket, from, remoteUfrag)
    if (local === undefined || authentic === undefined) {
      this.counters.forgeries++
      return
    }
    const { check, isAgreed, hasChangedRole } = authentic
    this.counters.checksReceived++
    if (hasChangedRole) this.#roleChanged()
    if (!isAgreed) return
    const pair = this.#pairHeard(local, from, check.priority)
    // Too many sources: whoever forges them gets no answers sent there.
    if (pair === undefined) return
    this.#incoming.accept(check, socket, from)
    if (check.useCandidate && this.role === 'controlled') pair.nominated = true
    if (pair.state === 'succeeded') return
    // RFC 8445 §7.3.1.4: a new check at once, for ours may have died at a NAT that is open by now.
    this.#checks.cancel(pair)
    this.#checklist.trigger(pair)
  }

  #roleChanged(): void {
    this.#checklist.changeRole(this.role)
    this.#effects.push({ kind: 'role-changed', role: this.role })
  }

  /** The pair that a check came on, whose remote candidate may be new: peer-reflexive (RFC 8445 §7.3.1.3). */
  #pairHeard(local: LocalCandidate, from: TransportAddress, priority: number): CandidatePair | undefined {
    const known = this.#checklist.find(local.socket, from)
    if (known !== undefined) return known
    const remote = peerReflexiveCandidate(local, from, priority)
    if (!this.#addRemote(remote)) return undefined
    return this.#checklist.find(local.socket, from) ?? this.#addPair(local, remote)
  }

  /** RFC 8445 §7.2.5. */
  #receiveAnswer(
    message: DecodedStunMessage,
    { socket, from }: { socket: number; from: TransportAddress },
    nowMs: number,
  ): void {
    const outcome = this.#checks.answered(message, socket, from)
    if (outcome === undefined) {
      this.counters.forgeries++
      return
    }
    switch (outcome.kind) {
      case 'success':
        return this.#succeed(outcome.transaction, nowMs)
      case 'role-conflict':
        return this.#conflictFound(outcome.transaction)
      case 'error':
        return this.#fail(outcome.transaction)
      default:
        return unreachable(outcome.kind)
    }
  }

  #succeed({ pair, purpose, sentMs }: CheckTransaction, nowMs: number): void {
    pair.rttMs = nowMs - sentMs
    this.#selection.renew(pair, nowMs)
    if (purpose === 'consent') return
    if (pair.state !== 'succeeded') {
      this.#checklist.succeed(pair)
      this.#effects.push({ kind: 'pair-succeeded', pair })
    }
    if (purpose === 'nomination' && this.role === 'controlling') pair.nominated = true
    this.#select(nowMs)
  }

  /** RFC 8445 §7.2.5.1: take the other role than that which the check had, and check again. */
  #conflictFound({ pair, bytes }: CheckTransaction): void {
    if (this.#role.yieldAfter(bytes)) this.#roleChanged()
    this.#checklist.trigger(pair)
  }

  #fail({ pair, purpose }: CheckTransaction): void {
    if (purpose === 'consent' || pair === this.#selection.current) return
    this.#checklist.fail(pair)
  }

  #repeatChecks(nowMs: number): void {
    for (const transaction of this.#checks.repeat(nowMs)) this.#fail(transaction)
  }

  #startChecks(nowMs: number): void {
    const { nextStartMs } = this.#checks
    if (nextStartMs === undefined || nowMs < nextStartMs) return
    const pair = this.#checklist.next()
    if (pair !== undefined) this.#checks.startPaced(pair, this.#checklist.inProgressCount, nowMs)
  }

  #nominate(nowMs: number): void {
    if (this.role !== 'controlling') return
    const pair = this.#selection.candidate(this.#checklist, nowMs)
    if (pair === undefined || this.#checks.has(pair, 'nomination')) return
    this.#checks.start(pair, 'nomination', this.#checklist.inProgressCount, nowMs)
  }

  #select(nowMs: number): void {
    const pair = this.#selection.select(this.#checklist, nowMs)
    if (pair !== undefined) this.#effects.push({ kind: 'nominated', pair })
  }

  #keepConsent(nowMs: number): void {
    this.#select(nowMs)
    const pair = this.#selection.current
    const due = this.#selection.consentDue(nowMs)
    if (pair === undefined || due === undefined) return
    if (due === 'lost') return this.#loseConsent(pair)
    this.#checks.start(pair, 'consent', this.#checklist.inProgressCount, nowMs)
  }

  #loseConsent(pair: CandidatePair): void {
    this.#selection.clear()
    pair.nominated = false
    this.#checks.drop(pair)
    this.#checklist.fail(pair)
    this.#effects.push({ kind: 'consent-lost', pair })
  }

  #sendFailed({ socket, to }: { socket: number; to: TransportAddress }): void {
    const pair = this.#checklist.find(socket, to)
    // A route may come back: a pair in use is given up by consent, not by one refused packet.
    if (pair === undefined || pair === this.#selection.current) return
    this.#checks.drop(pair)
    this.#checklist.fail(pair)
  }

  #closeSocket(socket: number): void {
    this.#candidates.removeSocket(socket)
    for (const pair of this.#checklist.removeSocket(socket)) {
      this.#checks.drop(pair)
      if (pair === this.#selection.current) this.#loseConsent(pair)
    }
  }

  /** RFC 8445 §9: all but the role is forgotten. */
  #restart(credentials: IceCredentials): void {
    this.#incoming.changeCredentials(credentials)
    this.#checks.clear()
    this.#checklist = new Checklist(this.#options.maxPairs)
    this.#candidates = new KnownCandidates(this.#options)
    this.#hasFailed = false
    this.#selection.clear()
  }

  #noticeFailure(): void {
    if (this.#hasFailed || !this.#candidates.isComplete || this.#selection.current !== undefined) return
    if (this.#checklist.pairs.some(({ state }) => state === 'succeeded')) return
    if (!this.#checks.isUsedUp && this.#checklist.isActive) return
    if (this.#checks.nextDueMs !== undefined) return
    this.#hasFailed = true
    this.#effects.push({ kind: 'failed' })
  }
}
