import type { Fact } from '../../base/fact.ts'
import { inferred, measured, unknown } from '../../base/fact.ts'
import type { AddressFamily, TransportAddress } from '../../base/transport-address.ts'
import { MAX_CHANCE_OF_SILENCE, chanceOfSilence } from './nat-inference.ts'
import type { Question } from './nat-survey.ts'
import type { SurveyOptions } from './survey-machine.ts'
import { SurveyMachine } from './survey-machine.ts'

export interface PathMtuProbeOptions extends SurveyOptions {
  readonly server: TransportAddress
}

/** IP packet sizes worth telling apart: QUIC's and IPv6's minimum, tunnels (WireGuard 1420), PPPoE (1492), Ethernet. */
export const PROBED_SIZES: Readonly<Record<AddressFamily, readonly number[]>> = {
  ipv4: [1228, 1280, 1360, 1400, 1420, 1452, 1480, 1492, 1500],
  ipv6: [1280, 1360, 1400, 1420, 1452, 1480, 1492, 1500],
}
/** IP and UDP headers without options. */
const HEADER_BYTES: Readonly<Record<AddressFamily, number>> = { ipv4: 28, ipv6: 48 }
/** STUN header and the header of the PADDING attribute. */
const STUN_OVERHEAD = 24
/** Ours: a reply at least so long was padded as asked, so the size is proven in both directions. */
const FULL_REPLY_SHARE = 0.9
const SHOT_GAP_MS = 40
const MAX_SHOTS = 12

interface SizeTest {
  readonly size: number
  readonly question: Question
}

/**
 * The largest packet that makes a round trip unfragmented, by STUN requests with PADDING (RFC 5780 §7.6) in ascending
 * sizes. Only each size's first packet counts as proof: once the system has learned the path MTU from an ICMP error, it
 * fragments what it sends again, and that says nothing.
 */
export class PathMtuProbe extends SurveyMachine {
  readonly #options: PathMtuProbeOptions
  #control: Question | undefined
  #tests: readonly SizeTest[] = []

  constructor(options: PathMtuProbeOptions) {
    super(options)
    this.#options = options
  }

  /** Bytes of the IP packet, headers included. */
  mtu(nowMs: number): Fact<number> & { readonly bothWays: boolean | 'unknown' } {
    const passed = this.#passed
    const largest = passed.at(-1)
    if (largest === undefined) return { ...unknown('no padded packet was answered'), bothWays: 'unknown' }
    const bothWays =
      replyLength(largest.question) >= largest.size * FULL_REPLY_SHARE - HEADER_BYTES[this.#options.family]
    const next = this.#tests[passed.length]
    if (next === undefined) {
      return { ...measured(largest.size, `packets of ${largest.size} bytes pass unfragmented`), bothWays }
    }
    const evidence = `packets of ${largest.size} bytes pass, of ${next.size} bytes do not`
    if (this.#isSilent(next, nowMs)) return { ...measured(largest.size, evidence), bothWays }
    return { ...inferred(largest.size, `${evidence}, or were lost`), bothWays }
  }

  protected begin(nowMs: number): void {
    const { server, family } = this.#options
    const socket = this.survey.openSocket()
    const common = { socket, to: server, maxShots: MAX_SHOTS, gapMs: () => SHOT_GAP_MS }
    this.#control = this.survey.ask({ ...common, repeat: 'always' }, nowMs)
    this.#tests = PROBED_SIZES[family].map((size, index) => {
      const length = size - HEADER_BYTES[family] - STUN_OVERHEAD
      const padding = { type: 'padding', length } as const
      const options = { ...common, attributes: [padding], measuresLoss: false, delayMs: index }
      return { size, question: this.survey.ask(options, nowMs) }
    })
  }

  protected isFinished(nowMs: number): boolean {
    const firstFailure = this.#tests[this.#passed.length]
    if (firstFailure === undefined) return true
    if (this.#control !== undefined && this.survey.isHopeless(this.#control, nowMs)) return true
    if (firstFailure.question.shots.length === 0) return false
    // Answered, but not its first packet: fragmented or lost, and no further packet can tell.
    if (firstFailure.question.isAnswered || firstFailure.question.refused !== undefined)
      return this.#othersMayPass(nowMs)
    return this.#isSilent(firstFailure, nowMs) || this.survey.isHopeless(firstFailure.question, nowMs)
  }

  protected lookTimes(afterMs: number): readonly (number | undefined)[] {
    return this.#tests.map(({ question }) => this.survey.nextMaturityMs(question, afterMs))
  }

  /** From the smallest size up, those whose first packet was answered. */
  get #passed(): readonly SizeTest[] {
    const firstFailure = this.#tests.findIndex(({ question }) => question.shots[0]?.answeredMs === undefined)
    return firstFailure < 0 ? this.#tests : this.#tests.slice(0, firstFailure)
  }

  #othersMayPass(nowMs: number): boolean {
    return this.#tests.every(({ question }) => {
      const first = question.shots[0]
      return (
        first?.answeredMs !== undefined ||
        (first !== undefined && first.sentMs + this.survey.maturityMs <= nowMs)
      )
    })
  }

  #isSilent({ question }: SizeTest, nowMs: number): boolean {
    if (question.isAnswered || this.#control?.isAnswered !== true) return false
    return (
      chanceOfSilence(this.survey.matureShots(question, nowMs), this.survey.tally(nowMs)) <
      MAX_CHANCE_OF_SILENCE
    )
  }
}

function replyLength(question: Question): number {
  return question.answer?.message.raw.length ?? 0
}
