import { ReachError } from '../../base/errors.ts'
import type { AddressFamily, TransportAddress } from '../../base/transport-address.ts'
import { sameAddress } from '../../base/transport-address.ts'
import type { StunAttribute } from './attributes.ts'
import type { DecodedStunMessage } from './message.ts'
import { bindingRequest, decodeStun, looksLikeStun, transactionKey } from './message.ts'

/** What the outside tells a machine that probes over UDP. Sockets have numbers that the machine chooses. */
export type UdpInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'opened'; readonly socket: number; readonly local: TransportAddress }
  | { readonly kind: 'open-failed'; readonly socket: number; readonly code: string }
  | {
      readonly kind: 'received'
      readonly socket: number
      readonly bytes: Uint8Array
      readonly from: TransportAddress
    }
  | {
      readonly kind: 'send-failed'
      readonly socket: number
      readonly to: TransportAddress
      readonly code: string
      readonly length: number
    }

/** What a machine that probes over UDP wants done. */
export type UdpEffect =
  | { readonly kind: 'open'; readonly socket: number; readonly family: AddressFamily }
  | {
      readonly kind: 'send'
      readonly socket: number
      readonly bytes: Uint8Array
      readonly to: TransportAddress
      readonly ttl?: number
    }

/**
 * Pads every request to at least the size of any reply, so that a server that never amplifies can answer in full. RFC
 * 8489 §14.14 allows SOFTWARE up to 127 characters. A multiple of 4, because servers of RFC 3489 know no padding: they
 * take the message for malformed (node-stun does).
 */
const SOFTWARE =
  'p2p-reach (this text makes a request as long as its answer, so that the server cannot be used to amplify it)'
export const PADDING_SOFTWARE: StunAttribute = { type: 'software', value: SOFTWARE }

/** Ours: no answer comes later than this many smoothed round trips; a shot without one counts as lost from then on. */
const MATURE_RTTS = 3
/** Ours: nor is anything called lost before this time; schedulers and Wi-Fi power saving delay that much. */
const MATURE_FLOOR_MS = 120
/** Ours: what to assume of the round trip before the first answer (twice the RTO of RFC 8489 covers satellites). */
const MATURE_UNKNOWN_MS = 1000

export interface QuestionOptions {
  readonly socket: number
  readonly to: TransportAddress
  /** Sent beside the padding text; PADDING among them replaces it. */
  readonly attributes?: readonly StunAttribute[]
  /** The only source that may answer; RFC 5780 tests ask for an answer from another one than they send to. */
  readonly answerFrom?: TransportAddress
  /** The socket at which the answer arrives; another one than asks when RESPONSE-PORT is used. Default: the asking one. */
  readonly answerSocket?: number
  /** Send again until answered (default), or go on and count answers. */
  readonly repeat?: 'until-answered' | 'always'
  readonly maxShots: number
  /** Milliseconds from shot number `shot` (1 is the first) to the next. */
  readonly gapMs: (shot: number, rttMs: number | undefined) => number
  /** Packets sent just before each shot, such as a low-TTL opener. */
  readonly openers?: readonly { readonly to: TransportAddress; readonly ttl: number }[]
  /** False keeps its shots out of the loss estimate: set where silence may have another cause than loss. */
  readonly measuresLoss?: boolean
  /** Milliseconds to wait before the first shot. */
  readonly delayMs?: number
}

interface Shot {
  readonly sentMs: number
  answeredMs: number | undefined
}

export interface Answer {
  readonly message: DecodedStunMessage
  readonly from: TransportAddress
  readonly rttMs: number
  /** Whether it answered the first shot: then the time of sending is the time at which the NAT saw the socket. */
  readonly firstShot: boolean
}

/** One thing we want to know from one server, asked as often as needed. Read it; only the survey writes it. */
export class Question {
  readonly options: QuestionOptions
  readonly shots: Shot[] = []
  answer: Answer | undefined
  /** An answer that came from another source than asked for: the server does not do what RFC 5780 says. */
  stray: TransportAddress | undefined
  /** The operating system's word when it refused to send. */
  refused: string | undefined
  nextShotMs: number

  constructor(options: QuestionOptions, nowMs: number) {
    this.options = options
    this.nextShotMs = nowMs + (options.delayMs ?? 0)
  }

  get isAnswered(): boolean {
    return this.answer !== undefined
  }

  /** No further shot will be sent. */
  get isSpent(): boolean {
    if (this.shots.length >= this.options.maxShots) return true
    return this.isAnswered && this.options.repeat !== 'always'
  }

  stop(): void {
    this.nextShotMs = Number.POSITIVE_INFINITY
  }
}

interface Pending {
  readonly question: Question
  readonly shot: Shot
}

/** How many shots of known fate there were, and how many of them were answered. */
export interface LossTally {
  readonly sent: number
  readonly answered: number
}

/**
 * Asks many STUN questions over many sockets at once and keeps count. Every transmission has a transaction id of its
 * own, so that each answer tells which shot it belongs to: that gives honest round trips after a retransmission and an
 * honest loss rate, without which silence proves nothing.
 */
export class NatSurvey {
  readonly #family: AddressFamily
  readonly #newTransactionId: () => Uint8Array
  readonly #questions: Question[] = []
  readonly #pending = new Map<string, Pending>()
  readonly #locals = new Map<number, TransportAddress>()
  readonly #failedSockets = new Map<number, string>()
  readonly #effects: UdpEffect[] = []
  #nextSocket = 0
  #effectIndex = 0
  #srttMs: number | undefined

  constructor(family: AddressFamily, newTransactionId: () => Uint8Array) {
    this.#family = family
    this.#newTransactionId = newTransactionId
  }

  /** Smoothed round-trip time of all answers (RFC 6298's 1/8 weight). */
  get rttMs(): number | undefined {
    return this.#srttMs
  }

  openSocket(): number {
    const socket = this.#nextSocket++
    this.#effects.push({ kind: 'open', socket, family: this.#family })
    return socket
  }

  localOf(socket: number): TransportAddress | undefined {
    return this.#locals.get(socket)
  }

  /** The code with which the socket could not be opened. */
  failureOf(socket: number): string | undefined {
    return this.#failedSockets.get(socket)
  }

  ask(options: QuestionOptions, nowMs: number): Question {
    const question = new Question(options, nowMs)
    this.#questions.push(question)
    return question
  }

  handle(input: UdpInput, nowMs: number): void {
    switch (input.kind) {
      case 'opened':
        this.#locals.set(input.socket, input.local)
        break
      case 'open-failed':
        this.#failedSockets.set(input.socket, input.code)
        break
      case 'received':
        this.#receive(input.socket, input.bytes, input.from, nowMs)
        break
      case 'send-failed':
        this.#refuse(input.socket, input.to, input.code)
        break
      case 'start':
        break
    }
  }

  /** Sends every shot that is due. */
  fire(nowMs: number): void {
    for (const question of this.#questions) {
      if (question.nextShotMs > nowMs || question.isSpent || !this.#locals.has(question.options.socket))
        continue
      this.#shoot(question, nowMs)
    }
  }

  poll(): UdpEffect | undefined {
    const effect = this.#effects[this.#effectIndex]
    if (effect === undefined) {
      this.#effects.length = 0
      this.#effectIndex = 0
      return undefined
    }
    this.#effectIndex++
    return effect
  }

  /** When the next shot is due; undefined when none is planned. */
  get nextShotMs(): number | undefined {
    let next = Number.POSITIVE_INFINITY
    for (const question of this.#questions) {
      if (question.nextShotMs < next && !question.isSpent && this.#locals.has(question.options.socket)) {
        next = question.nextShotMs
      }
    }
    return Number.isFinite(next) ? next : undefined
  }

  /** How long to wait for an answer before calling the shot lost. */
  get maturityMs(): number {
    return this.#srttMs === undefined
      ? MATURE_UNKNOWN_MS
      : Math.max(MATURE_FLOOR_MS, MATURE_RTTS * this.#srttMs)
  }

  /** Shots of a question whose answer, if there were one, would be here. */
  matureShots(question: Question, nowMs: number): number {
    const before = nowMs - this.maturityMs
    return question.shots.filter((shot) => shot.answeredMs === undefined && shot.sentMs <= before).length
  }

  /** True when the question will not be answered any more: all its shots are sent and old. */
  isHopeless(question: Question, nowMs: number): boolean {
    if (question.isAnswered) return false
    if (question.refused !== undefined) return true
    if (this.#failedSockets.has(question.options.socket)) return true
    return question.isSpent && this.matureShots(question, nowMs) === question.shots.length
  }

  isSettled(question: Question, nowMs: number): boolean {
    return question.isAnswered || this.isHopeless(question, nowMs)
  }

  /** When, after `afterMs`, the next unanswered shot of a question is old enough to be called lost. */
  nextMaturityMs(question: Question, afterMs: number): number | undefined {
    const sentAfter = afterMs - this.maturityMs
    const shot = question.shots.find((s) => s.answeredMs === undefined && s.sentMs > sentAfter)
    return shot === undefined ? undefined : shot.sentMs + this.maturityMs
  }

  /** When the last shot of a question is old enough to be called lost. */
  maturesAtMs(question: Question): number | undefined {
    const last = question.shots.at(-1)
    return last === undefined ? undefined : last.sentMs + this.maturityMs
  }

  /** Fate of all shots that tell about loss: to destinations that have answered at least once. */
  tally(nowMs: number): LossTally {
    const before = nowMs - this.maturityMs
    let sent = 0
    let answered = 0
    for (const question of this.#questions) {
      if (question.options.measuresLoss === false || !question.isAnswered) continue
      for (const shot of question.shots) {
        if (shot.answeredMs !== undefined) answered++
        if (shot.answeredMs !== undefined || shot.sentMs <= before) sent++
      }
    }
    return { sent, answered }
  }

  #shoot(question: Question, nowMs: number): void {
    const { socket, to, attributes = [], openers = [], gapMs } = question.options
    const transactionId = this.#newTransactionId()
    for (const opener of openers) {
      // Any STUN request does: it dies on the way, or its answer matches no pending shot.
      const bytes = bindingRequest(this.#newTransactionId(), [])
      this.#effects.push({ kind: 'send', socket, bytes, to: opener.to, ttl: opener.ttl })
    }
    const shot: Shot = { sentMs: nowMs, answeredMs: undefined }
    question.shots.push(shot)
    question.nextShotMs = nowMs + gapMs(question.shots.length, this.#srttMs)
    this.#pending.set(transactionKey(transactionId), { question, shot })
    this.#effects.push({
      kind: 'send',
      socket,
      bytes: bindingRequest(transactionId, padded(attributes)),
      to,
    })
  }

  #receive(socket: number, bytes: Uint8Array, from: TransportAddress, nowMs: number): void {
    const message = decodeAnswer(bytes)
    if (message === undefined) return
    const pending = this.#pending.get(transactionKey(message.transactionId))
    if (pending === undefined) return
    const { question, shot } = pending
    if (socket !== (question.options.answerSocket ?? question.options.socket)) return
    if (!sameAddress(from, question.options.answerFrom ?? question.options.to)) {
      // Not a forgery, for the id matched: the server answered from elsewhere. It is no answer to this question.
      question.stray = from
      return
    }
    if (shot.answeredMs !== undefined) return
    shot.answeredMs = nowMs
    const rttMs = nowMs - shot.sentMs
    this.#srttMs = this.#srttMs === undefined ? rttMs : this.#srttMs + (rttMs - this.#srttMs) / 8
    question.answer ??= { message, from, rttMs, firstShot: shot === question.shots[0] }
  }

  #refuse(socket: number, to: TransportAddress, code: string): void {
    for (const question of this.#questions) {
      if (
        question.options.socket === socket &&
        sameAddress(question.options.to, to) &&
        !question.isAnswered
      ) {
        question.refused = code
        question.stop()
      }
    }
  }
}

function padded(attributes: readonly StunAttribute[]): readonly StunAttribute[] {
  return attributes.some((a) => a.type === 'padding') ? attributes : [...attributes, PADDING_SOFTWARE]
}

function decodeAnswer(bytes: Uint8Array): DecodedStunMessage | undefined {
  if (!looksLikeStun(bytes)) return undefined
  try {
    const message = decodeStun(bytes)
    return message.class === 'success' || message.class === 'error' ? message : undefined
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_DECODE')) return undefined // anybody can send us garbage
    throw error
  }
}
