import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress } from '../../base/transport-address.ts'
import type { FilteringEvidence } from './nat-inference.ts'
import { MAX_CHANCE_OF_SILENCE, chanceOfSilence } from './nat-inference.ts'
import type { MappingRound } from './nat-mapping-round.ts'
import type { NatSurvey, Question } from './nat-survey.ts'

/** Ours: 20 packets a second and question, gentle enough for any server's rate limit. */
const SHOT_GAP_MS = 50
const MAX_SHOTS = 48

type TestState = FilteringEvidence['fromOtherAddress']

/** A server that can answer from elsewhere (RFC 5780): its own address and its alternate one. */
export interface AlternatingServer {
  readonly primary: TransportAddress
  /** Other port, and other IP where it has one. */
  readonly other: TransportAddress
}

/** The four addresses of an RFC 5780 server, as far as they differ from each other. */
export function alternateAddresses(server: AlternatingServer): readonly TransportAddress[] {
  const { primary, other } = server
  const all = [otherPortOf(server)]
  if (other.ip !== primary.ip) all.push({ ...other, port: primary.port }, other)
  return all
}

function otherPortOf({ primary, other }: AlternatingServer): TransportAddress {
  return { ...primary, port: other.port }
}

/**
 * RFC 5780 §4.4 from a socket that never sent to the alternate addresses: does an answer come in from another address,
 * or from another port? Silence is the signal for "filtered", so the tests repeat beside a control question until loss
 * cannot explain it, and only after the alternate address has proven elsewhere that it answers at all.
 */
export class FilteringTest {
  readonly #survey: NatSurvey
  readonly #proof: MappingRound
  readonly #server: AlternatingServer
  readonly #control: Question
  readonly #otherAddress: Question | undefined
  readonly #otherPort: Question
  #addressState: TestState = 'open'
  #portState: TestState = 'open'

  /** @param proof the round in which the alternate addresses are asked directly. */
  constructor(survey: NatSurvey, server: AlternatingServer, proof: MappingRound, nowMs: number) {
    this.#survey = survey
    this.#proof = proof
    this.#server = server
    const socket = survey.openSocket()
    const common = { socket, to: server.primary, maxShots: MAX_SHOTS, gapMs: () => SHOT_GAP_MS }
    this.#control = survey.ask({ ...common, repeat: 'always' }, nowMs)
    const filtered = { ...common, measuresLoss: false }
    if (server.other.ip === server.primary.ip) {
      this.#addressState = 'unsupported'
    } else {
      const both = { type: 'change-request', changeIp: true, changePort: true } as const
      this.#otherAddress = survey.ask({ ...filtered, attributes: [both], answerFrom: server.other }, nowMs)
    }
    const port = { type: 'change-request', changeIp: false, changePort: true } as const
    this.#otherPort = survey.ask({ ...filtered, attributes: [port], answerFrom: otherPortOf(server) }, nowMs)
  }

  get isDecided(): boolean {
    return this.#addressState !== 'open' && this.#portState !== 'open'
  }

  advance(nowMs: number): void {
    if (this.isDecided) return
    const { other } = this.#server
    if (this.#otherAddress !== undefined) {
      this.#addressState = this.#judge(this.#otherAddress, other, this.#addressState, nowMs)
    }
    const portState = this.#judge(this.#otherPort, otherPortOf(this.#server), this.#portState, nowMs)
    // An answer from another address decides everything; the port test would only repeat it.
    this.#portState = portState === 'open' && this.#otherAddress?.isAnswered === true ? 'answered' : portState
    const isDecidedNow = this.#addressState !== 'open' && this.#portState !== 'open'
    if (isDecidedNow) for (const q of [this.#control, this.#otherAddress, this.#otherPort]) q?.stop()
  }

  evidence(mappingIsNone: boolean): FilteringEvidence {
    const describe = (question: Question | undefined, from: TransportAddress, state: TestState) =>
      question === undefined
        ? []
        : [`asked ${question.shots.length} times for an answer from ${formatAddress(from)}: ${state}`]
    return {
      fromOtherAddress: this.#addressState,
      fromOtherPort: this.#portState,
      mappingIsNone,
      detail: [
        ...describe(this.#otherAddress, this.#server.other, this.#addressState),
        ...describe(this.#otherPort, otherPortOf(this.#server), this.#portState),
      ],
    }
  }

  /** When silence may next become proof. */
  lookTimes(afterMs: number): readonly number[] {
    if (this.isDecided) return []
    return [this.#otherAddress, this.#otherPort].flatMap((question) =>
      question === undefined ? [] : (this.#survey.nextMaturityMs(question, afterMs) ?? []),
    )
  }

  #judge(question: Question, from: TransportAddress, state: TestState, nowMs: number): TestState {
    if (state !== 'open') return state
    if (question.isAnswered) return 'answered'
    // It answered from the address that was asked: CHANGE-REQUEST is ignored or refused there.
    if (question.stray !== undefined || question.refused !== undefined) return 'unsupported'
    const direct = this.#proof.questionTo(from)
    if (direct === undefined || this.#survey.isHopeless(direct, nowMs)) return 'unsupported'
    if (!direct.isAnswered || !this.#control.isAnswered) return 'open'
    const silent = this.#survey.matureShots(question, nowMs)
    return chanceOfSilence(silent, this.#survey.tally(nowMs)) < MAX_CHANCE_OF_SILENCE ? 'silent' : 'open'
  }
}
