import type { Fact } from '../../base/fact.ts'
import { inferred, measured, unknown } from '../../base/fact.ts'
import type { EndpointDependence } from '../../base/nat-behavior.ts'
import type { AddressFamily, TransportAddress } from '../../base/transport-address.ts'
import { formatAddress, sameAddress } from '../../base/transport-address.ts'
import { isGlobalIp } from '../../base/ip-range.ts'
import { findAttribute, otherAddressOf } from './message.ts'
import type { AlternatingServer } from './nat-filtering-test.ts'
import { FilteringTest, alternateAddresses } from './nat-filtering-test.ts'
import type { AllocationFact, AllocationSample, MappingFact } from './nat-inference.ts'
import { inferAllocation, inferFiltering, inferMapping, publicIps } from './nat-inference.ts'
import { MappingRound, mappedBy, retryGapMs } from './nat-mapping-round.ts'
import type { LossTally, Question } from './nat-survey.ts'
import { SurveyMachine } from './survey-machine.ts'

export interface NatBehaviorDiscoveryOptions {
  readonly family: AddressFamily
  /** STUN servers of that family, at least one; RFC 5780 ones teach more. At most {@link MAX_SERVERS} are asked. */
  readonly servers: readonly TransportAddress[]
  /** This host's address towards the servers, to tell "no NAT" from "NAT"; undefined when unknown. */
  readonly localIp: string | undefined
  /** 12 random bytes each time (RFC 8489 §5). */
  readonly newTransactionId: () => Uint8Array
  /** Ends with what is known after this time. Default {@link DEFAULT_BUDGET_MS}. */
  readonly budgetMs?: number
}

export const MAX_SERVERS = 8
/** Ours: a report must be there within 5 s; this leaves time for what follows from it. */
export const DEFAULT_BUDGET_MS = 3500
/** Ours: extra sockets that show how ports are chosen; enough to tell order from chance. */
const ALLOCATION_SOCKETS = 16
/** Ours: the first packets of the extra sockets leave this far apart, so that jitter seldom reorders them. */
const ALLOCATION_SPACING_MS = 3
const ALLOCATION_MAX_SHOTS = 8
/** Ours: how long other servers may take once one has answered, in its round trips and at least in milliseconds. */
const OTHERS_GRACE_RTTS = 3
const OTHERS_GRACE_MS = 250
/** Ours: a NAT that changes its mind in each of so many rounds cannot be named. */
const MAX_ROUNDS = 2

export interface ServerContact {
  readonly server: TransportAddress
  readonly answered: boolean
  readonly rttMs: number | undefined
  readonly mapped: TransportAddress | undefined
  /** What the server says it can answer from (RFC 5780 OTHER-ADDRESS). */
  readonly other: TransportAddress | undefined
  /** The operating system's code when it refused to send. */
  readonly refused: string | undefined
}

export interface NatDiscoveryReport {
  readonly family: AddressFamily
  readonly contacts: readonly ServerContact[]
  /** The probing socket's own address and port. */
  readonly local: TransportAddress | undefined
  /** How the first server saw that socket. */
  readonly publicAddress: TransportAddress | undefined
  readonly publicIps: readonly string[]
  readonly mapping: MappingFact
  readonly filtering: Fact<EndpointDependence>
  readonly portAllocation: AllocationFact
  /** True: this host appears under several public IPs at once. */
  readonly addressPool: Fact<boolean>
  /** True: something on the way rewrites addresses inside packets (an ALG), which breaks protocols. */
  readonly alg: Fact<boolean>
  readonly rttMs: number | undefined
  readonly loss: LossTally
  /** The RFC 5780 server used for mapping and filtering. */
  readonly server: AlternatingServer | undefined
}

/**
 * Finds out what the NATs on the way do, as RFC 5780 §4.3 and §4.4 describe, but with everything asked at once, beside
 * each other, and judged by numbers: mapping from one socket to up to four addresses of a server and all other servers,
 * filtering from a second socket, port allocation from sixteen more, and the first answer asked again at the end.
 */
export class NatBehaviorDiscovery extends SurveyMachine {
  readonly #options: NatBehaviorDiscoveryOptions
  readonly #servers: readonly TransportAddress[]
  #rounds: MappingRound[] = []
  #server: AlternatingServer | undefined
  #rejected: TransportAddress[] = []
  #filtering: FilteringTest | undefined
  #allocation: { readonly question: Question; readonly socket: number }[] = []
  #firstAnswerMs: number | undefined
  #newsCount = 0

  constructor(options: NatBehaviorDiscoveryOptions) {
    super({ ...options, budgetMs: options.budgetMs ?? DEFAULT_BUDGET_MS })
    this.#options = options
    this.#servers = options.servers.slice(0, MAX_SERVERS)
  }

  /** What is known so far; complete once {@link isDone}. */
  report(nowMs: number): NatDiscoveryReport {
    const round = this.#round
    const observations = round?.observations ?? []
    const mapping = this.#mappingFact(nowMs)
    const messages = this.#rounds.flatMap((r) => r.questions).flatMap((q) => q.answer?.message ?? [])
    const ips = publicIps([...observations, ...this.#allocationObservations])
    return {
      family: this.#options.family,
      contacts: this.#servers.map((server) => this.#contact(server)),
      local: this.#localAddress,
      publicAddress: observations[0]?.mapped,
      publicIps: ips,
      mapping,
      filtering: this.#filteringFact(mapping.value === 'none'),
      portAllocation: inferAllocation(this.#allocationSamples),
      addressPool: poolFact(ips),
      alg: algFact(
        messages.map((m) => [findAttribute(m, 'mapped-address'), findAttribute(m, 'xor-mapped-address')]),
      ),
      rttMs: this.survey.rttMs,
      loss: this.survey.tally(nowMs),
      server: this.#server,
    }
  }

  get #round(): MappingRound | undefined {
    return this.#rounds.at(-1)
  }

  get #graceEndsMs(): number | undefined {
    if (this.#firstAnswerMs === undefined) return undefined
    return this.#firstAnswerMs + Math.max(OTHERS_GRACE_MS, OTHERS_GRACE_RTTS * (this.survey.rttMs ?? 0))
  }

  get #openQuestions(): readonly Question[] {
    const questions = [...(this.#round?.questions ?? []), ...this.#allocation.map((a) => a.question)]
    return questions.filter((question) => !question.isAnswered)
  }

  get #localAddress(): TransportAddress | undefined {
    const bound = this.#round === undefined ? undefined : this.survey.localOf(this.#round.socket)
    if (bound === undefined || this.#options.localIp === undefined) return undefined
    return { ...bound, ip: this.#options.localIp }
  }

  protected begin(nowMs: number): void {
    const round = new MappingRound(this.survey)
    this.#rounds.push(round)
    for (const server of this.#servers) round.ask(server, nowMs)
  }

  protected isFinished(nowMs: number): boolean {
    const round = this.#round
    if (round === undefined) return false
    if (
      this.#firstAnswerMs === undefined &&
      this.#rounds[0]?.questions.some((q) => mappedBy(q) !== undefined) === true
    ) {
      this.#firstAnswerMs = nowMs
      this.#startAllocation(nowMs)
    }
    this.#chooseServer(round, nowMs)
    this.#filtering?.advance(nowMs)
    this.#publishProgress(round)
    return this.#isComplete(round, nowMs)
  }

  protected lookTimes(afterMs: number): readonly (number | undefined)[] {
    const spent = this.#openQuestions.filter((question) => question.isSpent)
    return [
      this.#graceEndsMs,
      ...(this.#filtering?.lookTimes(afterMs) ?? []),
      ...spent.map((question) => this.survey.maturesAtMs(question)),
    ]
  }

  #publishProgress(round: MappingRound): void {
    const count = round.observations.length + (this.#filtering?.isDecided === true ? 1 : 0)
    if (count === this.#newsCount) return
    this.#newsCount = count
    this.publishNews()
  }

  /** Takes the first server that can answer from elsewhere; another one when its other address proves dead. */
  #chooseServer(round: MappingRound, nowMs: number): void {
    if (this.#server !== undefined && this.#isBroken(this.#server, round, nowMs)) {
      this.#rejected.push(this.#server.primary)
      this.#server = undefined
      this.#filtering = undefined
    }
    if (this.#server !== undefined) return
    const candidates = this.#servers.flatMap((server) => this.#alternating(server, round))
    const best = candidates.find((c) => c.other.ip !== c.primary.ip)
    const graceIsOver = nowMs >= (this.#graceEndsMs ?? Number.POSITIVE_INFINITY)
    const chosen = best ?? (graceIsOver || this.#othersAreSettled(round, nowMs) ? candidates[0] : undefined)
    if (chosen === undefined) return
    this.#server = chosen
    for (const address of alternateAddresses(chosen)) round.ask(address, nowMs)
    this.#filtering = new FilteringTest(this.survey, chosen, round, nowMs)
  }

  #isBroken(server: AlternatingServer, round: MappingRound, nowMs: number): boolean {
    const questions = alternateAddresses(server).flatMap((address) => round.questionTo(address) ?? [])
    return questions.length > 0 && questions.every((question) => this.survey.isHopeless(question, nowMs))
  }

  #alternating(server: TransportAddress, round: MappingRound): readonly AlternatingServer[] {
    if (this.#rejected.some((rejected) => sameAddress(rejected, server))) return []
    const other = otherOf(round.questionTo(server))
    if (other?.family !== server.family || other.port === server.port || other.port === 0) return []
    // A server behind a NAT of its own names an address that nobody outside can reach.
    if (isGlobalIp(server.ip) && !isGlobalIp(other.ip)) return []
    return [{ primary: server, other }]
  }

  #othersAreSettled(round: MappingRound, nowMs: number): boolean {
    return this.#servers.every((server) => {
      const question = round.questionTo(server)
      return question !== undefined && this.survey.isSettled(question, nowMs)
    })
  }

  #isComplete(round: MappingRound, nowMs: number): boolean {
    if (this.#firstAnswerMs === undefined) return this.#othersAreSettled(round, nowMs)
    const graceIsOver = nowMs >= (this.#graceEndsMs ?? 0)
    if (!graceIsOver && !this.#othersAreSettled(round, nowMs)) return false
    if (this.#server === undefined && this.#mayStillChoose(round)) return false
    if (this.#filtering?.isDecided === false) return false
    const alternates = this.#server === undefined ? [] : alternateAddresses(this.#server)
    const asked = [
      ...alternates.flatMap((a) => round.questionTo(a) ?? []),
      ...this.#allocation.map((a) => a.question),
    ]
    if (!asked.every((question) => this.survey.isSettled(question, nowMs))) return false
    return this.#isSteady(round, nowMs)
  }

  #mayStillChoose(round: MappingRound): boolean {
    return this.#servers.some((server) => this.#alternating(server, round).length > 0)
  }

  /** Asks the first answered server again; a drifted round is done over on a new socket. */
  #isSteady(round: MappingRound, nowMs: number): boolean {
    const first = round.observations[0]
    if (first === undefined) return true
    if (!round.isRechecking) {
      round.startRecheck(first.to, nowMs)
      return false
    }
    const outcome = round.recheckOutcome(nowMs)
    if (outcome === 'open') return false
    if (outcome !== 'drifted' || this.#rounds.length >= MAX_ROUNDS) return true
    const again = new MappingRound(this.survey)
    for (const { to } of round.observations) again.ask(to, nowMs)
    this.#rounds.push(again)
    return false
  }

  #startAllocation(nowMs: number): void {
    const server = this.#rounds[0]?.observations[0]?.to
    if (server === undefined) return
    for (let i = 0; i < ALLOCATION_SOCKETS; i++) {
      const socket = this.survey.openSocket()
      const options = { socket, to: server, maxShots: ALLOCATION_MAX_SHOTS, gapMs: retryGapMs }
      const question = this.survey.ask({ ...options, delayMs: i * ALLOCATION_SPACING_MS }, nowMs)
      this.#allocation.push({ question, socket })
    }
  }

  get #allocationSamples(): readonly AllocationSample[] {
    return this.#allocation.flatMap(({ question, socket }) => {
      const mapped = mappedBy(question)
      const local = this.survey.localOf(socket)
      const sentMs = question.shots[0]?.sentMs
      if (mapped === undefined || local === undefined || sentMs === undefined) return []
      const firstShot = question.answer?.firstShot === true
      return [{ localPort: local.port, publicPort: mapped.port, sentMs, firstShot }]
    })
  }

  get #allocationObservations() {
    return this.#allocation.flatMap(({ question }) => {
      const mapped = mappedBy(question)
      return mapped === undefined ? [] : [{ to: question.options.to, mapped }]
    })
  }

  #mappingFact(nowMs: number): MappingFact {
    const round = this.#round
    if (round === undefined) return { ...unknown('not asked yet'), variesByDestination: 'unknown' }
    if (round.recheckOutcome(nowMs) === 'drifted') {
      const why = 'the public address of one socket changed while it was being looked at, twice'
      return { ...unknown(why), variesByDestination: 'unknown' }
    }
    const unheard = round.questions.some((question) => !question.isAnswered && question.refused === undefined)
    const mayLearnMore = this.#server !== undefined && unheard
    return inferMapping(round.observations, this.#localAddress, mayLearnMore)
  }

  #filteringFact(mappingIsNone: boolean): Fact<EndpointDependence> {
    if (this.#filtering !== undefined) return inferFiltering(this.#filtering.evidence(mappingIsNone))
    return unknown(
      this.#firstAnswerMs === undefined
        ? 'no STUN server answered'
        : 'no server offers a second address to answer from (RFC 5780); a p2p-reach relay or coturn does',
    )
  }

  #contact(server: TransportAddress): ServerContact {
    const question = this.#rounds[0]?.questionTo(server)
    const mapped = question === undefined ? undefined : mappedBy(question)
    return {
      server,
      answered: mapped !== undefined,
      rttMs: question?.answer?.rttMs,
      mapped,
      other: otherOf(question),
      refused: question?.refused,
    }
  }
}

function otherOf(question: Question | undefined): TransportAddress | undefined {
  if (question?.answer === undefined) return undefined
  return otherAddressOf(question.answer.message, question.options.to)
}

function poolFact(ips: readonly string[]): Fact<boolean> {
  if (ips.length === 0) return unknown('no public address was seen')
  if (ips.length === 1) return inferred(false, `all sockets appeared as ${ips[0] ?? ''}`)
  return measured(true, `this host appeared as ${ips.join(', ')}`)
}

type AddressAttribute = { readonly address: TransportAddress } | undefined

function algFact(pairs: readonly (readonly [AddressAttribute, AddressAttribute])[]): Fact<boolean> {
  const both = pairs.flatMap(([plain, xor]) =>
    plain === undefined || xor === undefined ? [] : [[plain.address, xor.address]],
  )
  if (both.length === 0) return unknown('no server sent the address both plain and XORed')
  for (const [plain, xor] of both) {
    if (plain !== undefined && xor !== undefined && !sameAddress(plain, xor)) {
      return measured(
        true,
        `MAPPED-ADDRESS says ${formatAddress(plain)}, XOR-MAPPED-ADDRESS ${formatAddress(xor)}`,
      )
    }
  }
  return measured(false, 'plain and XORed addresses agree in every answer')
}
