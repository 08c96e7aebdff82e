import type { Fact } from '../../base/fact.ts'
import { measured, unknown } from '../../base/fact.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { MAX_CHANCE_OF_SILENCE, chanceOfSilence } from './nat-inference.ts'
import { mappedBy, retryGapMs } from './nat-mapping-round.ts'
import type { Question } from './nat-survey.ts'
import type { SurveyOptions } from './survey-machine.ts'
import { SurveyMachine } from './survey-machine.ts'

export interface BindingLifetimeProbeOptions extends SurveyOptions {
  readonly server: TransportAddress
  /** Idle times to try, ascending. Default {@link DEFAULT_IDLE_TIMES_MS}. */
  readonly idleTimesMs?: readonly number[]
}

/** Ours: the cliffs that field studies and keepalive settings name (nothing lives under 10 s, some only 30 s). */
export const DEFAULT_IDLE_TIMES_MS: readonly number[] = [10, 15, 20, 30, 45, 60, 90, 120, 150, 180].map(
  (s) => s * 1000,
)
const SHOT_GAP_MS = 100
const MAX_SHOTS = 20

interface IdleTest {
  readonly idleMs: number
  readonly socket: number
  readonly opening: Question
  wakeUp: Question | undefined
}

/**
 * RFC 5780 §4.6: sockets are opened together and left idle for different times; then another socket asks the server to
 * answer to each one's public port (RESPONSE-PORT). Where the answer arrives, the binding still lives. The first socket
 * is asked for at once: without that proof the server does not support it, and silence would mean nothing.
 */
export class BindingLifetimeProbe extends SurveyMachine {
  readonly #options: BindingLifetimeProbeOptions
  #tests: IdleTest[] = []
  #askingSocket = -1
  #control: Question | undefined

  constructor(options: BindingLifetimeProbeOptions) {
    super(options)
    this.#options = options
  }

  /** The longest idle time after which a binding still lived; evidence names the shortest after which it was gone. */
  lifetimeMs(nowMs: number): Fact<number> {
    const [proof, ...tests] = this.#tests
    if (proof?.wakeUp?.isAnswered !== true)
      return unknown('the server does not answer to another port (RESPONSE-PORT)')
    const firstDead = tests.find((test) => this.#isDead(test, nowMs))
    const alive = tests.filter(
      (test) => test.wakeUp?.isAnswered === true && test.idleMs < (firstDead?.idleMs ?? Infinity),
    )
    const lastAlive = alive.at(-1)
    if (firstDead === undefined) {
      if (lastAlive === undefined) return unknown('no idle time has ended yet')
      return measured(
        lastAlive.idleMs,
        `a binding still lives after ${lastAlive.idleMs / 1000} s; longer was not tried`,
      )
    }
    const lived = lastAlive?.idleMs ?? 0
    return measured(
      lived,
      `a binding lives after ${lived / 1000} s of silence and is gone after ${firstDead.idleMs / 1000} s`,
    )
  }

  protected begin(nowMs: number): void {
    this.#askingSocket = this.survey.openSocket()
    const idleTimes = [0, ...(this.#options.idleTimesMs ?? DEFAULT_IDLE_TIMES_MS)]
    this.#tests = idleTimes.map((idleMs, i) => {
      const socket = this.survey.openSocket()
      const opening = this.survey.ask(
        { socket, to: this.#options.server, maxShots: MAX_SHOTS, gapMs: retryGapMs, delayMs: i * 5 },
        nowMs,
      )
      return { idleMs, socket, opening, wakeUp: undefined }
    })
  }

  protected isFinished(nowMs: number): boolean {
    for (const test of this.#tests) if (this.#isDue(test, nowMs)) test.wakeUp = this.#ask(test, nowMs)
    const proof = this.#tests[0]
    if (proof === undefined || this.survey.isHopeless(proof.opening, nowMs)) return true
    if (proof.wakeUp !== undefined && this.survey.isHopeless(proof.wakeUp, nowMs)) return true
    return (
      this.#tests.every((test) => test.wakeUp?.isAnswered === true) ||
      this.#tests.some((t) => this.#isDead(t, nowMs))
    )
  }

  protected lookTimes(afterMs: number): readonly (number | undefined)[] {
    return this.#tests.map((test) => {
      if (test.wakeUp !== undefined) return this.survey.nextMaturityMs(test.wakeUp, afterMs)
      return test.opening.isAnswered ? this.#dueMs(test) : this.survey.maturesAtMs(test.opening)
    })
  }

  #dueMs(test: IdleTest): number | undefined {
    const last = test.opening.shots.at(-1)
    return last === undefined || !test.opening.isAnswered ? undefined : last.sentMs + test.idleMs
  }

  #isDue(test: IdleTest, nowMs: number): boolean {
    const dueMs = this.#dueMs(test)
    return test.wakeUp === undefined && dueMs !== undefined && nowMs >= dueMs
  }

  #ask(test: IdleTest, nowMs: number): Question | undefined {
    const mapped = mappedBy(test.opening)
    if (mapped === undefined) return undefined
    const common = {
      socket: this.#askingSocket,
      to: this.#options.server,
      maxShots: MAX_SHOTS,
      gapMs: () => SHOT_GAP_MS,
    }
    // Loss is measured at the moment of the question, not minutes earlier.
    this.#control?.stop()
    this.#control = this.survey.ask({ ...common, repeat: 'always' }, nowMs)
    const responsePort = { type: 'response-port', port: mapped.port } as const
    return this.survey.ask(
      { ...common, attributes: [responsePort], answerSocket: test.socket, measuresLoss: false },
      nowMs,
    )
  }

  #isDead(test: IdleTest, nowMs: number): boolean {
    if (test.wakeUp === undefined || test.wakeUp.isAnswered || this.#control?.isAnswered !== true)
      return false
    const silent = this.survey.matureShots(test.wakeUp, nowMs)
    return chanceOfSilence(silent, this.survey.tally(nowMs)) < MAX_CHANCE_OF_SILENCE
  }
}
