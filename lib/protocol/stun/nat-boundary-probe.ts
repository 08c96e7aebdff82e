import type { Fact } from '../../base/fact.ts'
import { measured, unknown } from '../../base/fact.ts'
import type { AlternatingServer } from './nat-filtering-test.ts'
import { alternateAddresses } from './nat-filtering-test.ts'
import { MAX_CHANCE_OF_SILENCE, chanceOfSilence } from './nat-inference.ts'
import type { Question } from './nat-survey.ts'
import type { SurveyOptions } from './survey-machine.ts'
import { SurveyMachine } from './survey-machine.ts'

export interface NatBoundaryProbeOptions extends SurveyOptions {
  readonly server: AlternatingServer
  /**
   * Which unknown source the outermost filter must be opened for: `address` where one mapping serves all addresses,
   * `port` where it serves the ports of one address.
   */
  readonly openFor: 'address' | 'port'
}

/** Ours: carrier networks are seen with their NAT up to seven hops away. */
export const MAX_BOUNDARY_TTL = 8
const SHOT_GAP_MS = 60
const MAX_SHOTS = 24

interface Ladder {
  readonly ttl: number
  readonly control: Question
  readonly test: Question
}

/**
 * How far away the outermost filter is, without privileges: for each TTL a socket of its own sends an opener towards
 * the server's other address that dies after so many hops, then asks for an answer from that address. It passes only
 * when every filter on the way saw the opener, so the lowest TTL that works reaches just beyond the outermost one.
 *
 * Linux and BSD routers drop a packet whose TTL ran out before they translate it: a filter at hop h (1 is the first
 * router, 0 is this host) needs TTL h + 1.
 */
export class NatBoundaryProbe extends SurveyMachine {
  readonly #options: NatBoundaryProbeOptions
  #ladders: readonly Ladder[] = []

  constructor(options: NatBoundaryProbeOptions) {
    super(options)
    this.#options = options
  }

  /** The hop of the outermost filter. 0: a firewall on this host. */
  hop(nowMs: number): Fact<number> {
    const open = this.#ladders.find(({ test }) => test.isAnswered)
    if (open === undefined) return unknown(`no opener of up to ${MAX_BOUNDARY_TTL} hops let an answer in`)
    const below = this.#ladders.filter(({ ttl }) => ttl < open.ttl)
    if (!below.every((ladder) => this.#isSilent(ladder, nowMs))) return unknown('too few answers to tell')
    const evidence = `an opener that lives ${open.ttl} hops lets answers in, a shorter one does not`
    return measured(open.ttl - 1, evidence)
  }

  protected begin(nowMs: number): void {
    const { server, openFor } = this.#options
    const [otherPort, , otherAddress] = alternateAddresses(server)
    const from = openFor === 'address' ? otherAddress : otherPort
    if (from === undefined) return
    this.#ladders = Array.from({ length: MAX_BOUNDARY_TTL }, (_, i) => {
      const socket = this.survey.openSocket()
      const common = {
        socket,
        to: server.primary,
        maxShots: MAX_SHOTS,
        gapMs: () => SHOT_GAP_MS,
        delayMs: i * 4,
      }
      const change = { type: 'change-request', changeIp: openFor === 'address', changePort: true } as const
      return {
        ttl: i + 1,
        control: this.survey.ask({ ...common, repeat: 'always' }, nowMs),
        test: this.survey.ask(
          {
            ...common,
            attributes: [change],
            answerFrom: from,
            openers: [{ to: from, ttl: i + 1 }],
            measuresLoss: false,
          },
          nowMs,
        ),
      }
    })
  }

  protected isFinished(nowMs: number): boolean {
    if (this.#ladders.length === 0) return true
    const open = this.#ladders.findIndex(({ test }) => test.isAnswered)
    // What is longer than a TTL that works needs no further packets.
    for (const { test, control } of open < 0 ? [] : this.#ladders.slice(open))
      for (const q of [test, control]) q.stop()
    const below = open < 0 ? this.#ladders : this.#ladders.slice(0, open)
    const undecided = below.filter((ladder) => !this.#isSilent(ladder, nowMs))
    return undecided.every(({ test }) => this.survey.isHopeless(test, nowMs))
  }

  protected lookTimes(afterMs: number): readonly (number | undefined)[] {
    return this.#ladders.map(({ test }) => this.survey.nextMaturityMs(test, afterMs))
  }

  #isSilent({ test, control }: Ladder, nowMs: number): boolean {
    if (test.isAnswered || !control.isAnswered) return false
    const silent = this.survey.matureShots(test, nowMs)
    return chanceOfSilence(silent, this.survey.tally(nowMs)) < MAX_CHANCE_OF_SILENCE
  }
}
