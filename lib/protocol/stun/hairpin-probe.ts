import type { Fact } from '../../base/fact.ts'
import { measured, unknown } from '../../base/fact.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress } from '../../base/transport-address.ts'
import { bindingRequest, decodeStun, looksLikeStun, transactionKey } from './message.ts'
import { mappedBy, retryGapMs } from './nat-mapping-round.ts'
import { MAX_CHANCE_OF_SILENCE, chanceOfSilence } from './nat-inference.ts'
import type { Question, UdpInput } from './nat-survey.ts'
import type { SurveyEffect, SurveyOptions } from './survey-machine.ts'
import { SurveyMachine } from './survey-machine.ts'

export interface HairpinProbeOptions extends SurveyOptions {
  readonly server: TransportAddress
  /** This host's address towards the server; undefined when unknown. */
  readonly localIp: string | undefined
}

const SHOT_GAP_MS = 80
const MAX_SHOTS = 20

/**
 * RFC 5780 §4.4.1 (RFC 4787 §6): does the NAT send back what one inside socket sends to the public address of another?
 * It sends between two sockets of its own that are used for nothing else: some firewalls take a hairpinned packet for
 * an attack (LAND) and cut the flows that it belongs to.
 */
export class HairpinProbe extends SurveyMachine {
  readonly #options: HairpinProbeOptions
  readonly #sends: SurveyEffect[] = []
  readonly #sentMs = new Map<string, number>()
  #target: Question | undefined
  #control: Question | undefined
  #targetSocket = -1
  #senderSocket = -1
  #nextSendMs = 0
  #arrivedFrom: TransportAddress | undefined

  constructor(options: HairpinProbeOptions) {
    super(options)
    this.#options = options
  }

  hairpin(nowMs: number): Fact<boolean> {
    const mapped = this.#mapped
    if (mapped === undefined) return unknown('the public address of the probing socket is not known')
    if (mapped.ip === this.#options.localIp) return unknown('there is no NAT that could turn packets around')
    if (this.#arrivedFrom !== undefined) {
      return measured(
        true,
        `a packet to ${formatAddress(mapped)} came back from ${formatAddress(this.#arrivedFrom)}`,
      )
    }
    if (this.#isSilent(nowMs))
      return measured(false, `${this.#sentMs.size} packets to ${formatAddress(mapped)} did not come back`)
    return unknown('too few answers to tell')
  }

  override handle(input: UdpInput, nowMs: number): void {
    if (input.kind === 'received' && input.socket === this.#targetSocket)
      this.#noticeArrival(input.bytes, input.from)
    super.handle(input, nowMs)
  }

  override poll(): SurveyEffect | undefined {
    return this.#sends.shift() ?? super.poll()
  }

  protected begin(nowMs: number): void {
    this.#targetSocket = this.survey.openSocket()
    this.#senderSocket = this.survey.openSocket()
    const common = { to: this.#options.server, maxShots: MAX_SHOTS }
    this.#target = this.survey.ask({ ...common, socket: this.#targetSocket, gapMs: retryGapMs }, nowMs)
    const always = { repeat: 'always', gapMs: () => SHOT_GAP_MS } as const
    this.#control = this.survey.ask({ ...common, ...always, socket: this.#senderSocket }, nowMs)
  }

  protected isFinished(nowMs: number): boolean {
    if (this.#target === undefined || this.survey.isHopeless(this.#target, nowMs)) return true
    const mapped = this.#mapped
    if (mapped === undefined) return false
    if (mapped.ip === this.#options.localIp || this.#arrivedFrom !== undefined || this.#isSilent(nowMs))
      return true
    if (nowMs >= this.#nextSendMs && this.#sentMs.size < MAX_SHOTS) this.#send(mapped, nowMs)
    return false
  }

  protected lookTimes(afterMs: number): readonly (number | undefined)[] {
    if (this.#mapped === undefined) return []
    const matureMs = [...this.#sentMs.values()].map((sentMs) => sentMs + this.survey.maturityMs)
    return [this.#nextSendMs, matureMs.find((ms) => ms > afterMs)]
  }

  get #mapped(): TransportAddress | undefined {
    return this.#target === undefined ? undefined : mappedBy(this.#target)
  }

  #send(to: TransportAddress, nowMs: number): void {
    const transactionId = this.newTransactionId()
    this.#sentMs.set(transactionKey(transactionId), nowMs)
    this.#nextSendMs = nowMs + SHOT_GAP_MS
    this.#sends.push({ kind: 'send', socket: this.#senderSocket, bytes: bindingRequest(transactionId), to })
  }

  #noticeArrival(bytes: Uint8Array, from: TransportAddress): void {
    // Only our own unguessable id proves that this is our packet.
    if (looksLikeStun(bytes) && bytes.length >= 20 && this.#sentMs.has(transactionKey(decodedId(bytes)))) {
      this.#arrivedFrom = from
    }
  }

  #isSilent(nowMs: number): boolean {
    if (this.#arrivedFrom !== undefined || this.#control?.isAnswered !== true) return false
    const before = nowMs - this.survey.maturityMs
    const mature = [...this.#sentMs.values()].filter((sentMs) => sentMs <= before).length
    return chanceOfSilence(mature, this.survey.tally(nowMs)) < MAX_CHANCE_OF_SILENCE
  }
}

function decodedId(bytes: Uint8Array): Uint8Array {
  try {
    return decodeStun(bytes).transactionId
  } catch {
    return new Uint8Array(12) // not ours; no id that was sent is all zeros
  }
}
