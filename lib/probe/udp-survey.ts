import { ReachError } from '../base/errors.ts'
import type { Runtime, UdpSocket } from '../base/runtime.ts'
import { unreachable } from '../base/exhaustive.ts'
import { Driver } from '../net/driver.ts'
import type { UdpInput } from '../protocol/stun/nat-survey.ts'
import type { SurveyEffect, SurveyMachine } from '../protocol/stun/survey-machine.ts'

export interface RunSurveyOptions {
  /** Ends the survey early; what is known by then stays readable from the machine. */
  readonly signal?: AbortSignal
  /** Something became known. */
  readonly onNews?: () => void
}

/**
 * Runs a machine that asks STUN questions on real (or virtual) sockets until it is done or aborted. Never rejects for
 * what the network does: read the result from the machine.
 */
export async function runSurvey(
  runtime: Runtime,
  machine: SurveyMachine,
  options: RunSurveyOptions = {},
): Promise<void> {
  const run = new SurveyRun(runtime, machine, options)
  await run.finished
}

class SurveyRun {
  readonly finished: Promise<void>
  readonly #runtime: Runtime
  readonly #options: RunSurveyOptions
  readonly #sockets = new Map<number, UdpSocket>()
  readonly #driver: Driver<UdpInput, SurveyEffect>
  #isOver = false
  #resolve: () => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  constructor(runtime: Runtime, machine: SurveyMachine, options: RunSurveyOptions) {
    this.#runtime = runtime
    this.#options = options
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#driver = new Driver(
      machine,
      runtime.clock,
      (effect) => this.#perform(effect),
      (error) => this.#end(error),
    )
    if (options.signal?.aborted === true) {
      this.#end()
      return
    }
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#driver.feed({ kind: 'start' })
  }

  readonly #onAbort = () => this.#end()

  #perform(effect: SurveyEffect): void {
    switch (effect.kind) {
      case 'open':
        void this.#open(effect)
        return
      case 'send': {
        const ttl = effect.ttl === undefined ? undefined : { ttl: effect.ttl }
        this.#sockets.get(effect.socket)?.send(effect.bytes, effect.to, ttl)
        return
      }
      case 'news':
        this.#options.onNews?.()
        return
      case 'done':
        this.#end()
        return
      default:
        unreachable(effect)
    }
  }

  async #open({ socket: number, family }: SurveyEffect & { kind: 'open' }): Promise<void> {
    try {
      const socket = await this.#runtime.network.openUdp({ family })
      if (this.#isOver) {
        socket.close()
        return
      }
      this.#sockets.set(number, socket)
      socket.onPacket = ({ bytes, from }) =>
        this.#driver.feed({ kind: 'received', socket: number, bytes, from })
      socket.onSendError = ({ to, code, length }) =>
        this.#driver.feed({ kind: 'send-failed', socket: number, to, code, length })
      this.#driver.feed({ kind: 'opened', socket: number, local: socket.local })
    } catch (error) {
      if (this.#isOver) return
      const code = ReachError.is(error) ? error.code : 'EUNKNOWN'
      this.#driver.feed({ kind: 'open-failed', socket: number, code })
    }
  }

  #end(error?: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#driver.stop()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    for (const socket of this.#sockets.values()) socket.close()
    if (error === undefined) this.#resolve()
    else this.#reject(error)
  }
}
