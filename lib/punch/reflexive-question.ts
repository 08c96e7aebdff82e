import { deferred } from '../base/deferred.ts'
import type { Runtime, Timer, UdpPacket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { PunchMeasurement } from '../protocol/punch/punch-measurement.ts'

/** What a {@link ReflexiveQuestion} needs. */
export interface ReflexiveQuestionSetup {
  readonly runtime: Runtime
  readonly server: TransportAddress
  readonly send: (bytes: Uint8Array) => void
}

/** One socket: its number is of no account. */
const SOCKET = 0

/** Asks a STUN server how one socket looks from outside, with the repetitions of a punch's measurement. */
export class ReflexiveQuestion {
  /** Undefined when no answer came in time, or the question was given up. */
  readonly answer: Promise<TransportAddress | undefined>
  readonly #setup: ReflexiveQuestionSetup
  readonly #measurement: PunchMeasurement
  readonly #answer = deferred<TransportAddress | undefined>()
  #timer: Timer | undefined
  #isOver = false

  constructor(setup: ReflexiveQuestionSetup) {
    const { runtime, server } = setup
    this.answer = this.#answer.promise
    this.#setup = setup
    const randomBytes = (length: number) => runtime.random.bytes(length)
    const sockets = [SOCKET]
    const nowMs = runtime.clock.nowMs()
    this.#measurement = new PunchMeasurement(
      { sockets, asking: sockets, servers: [server], randomBytes },
      nowMs,
    )
    this.#measurement.opened(SOCKET, nowMs)
    this.#step()
  }

  receive({ bytes, from }: UdpPacket): void {
    if (this.#isOver) return
    this.#measurement.received(SOCKET, bytes, from)
    this.#step()
  }

  giveUp(): void {
    this.#end(undefined)
  }

  readonly #step = (): void => {
    const { clock } = this.#setup.runtime
    for (const { bytes } of this.#measurement.takeRequests(clock.nowMs())) this.#setup.send(bytes)
    if (this.#measurement.isDone(clock.nowMs())) return this.#end(this.#measurement.seen[0])
    this.#timer?.cancel()
    this.#timer = clock.setTimer(Math.max(0, this.#measurement.deadlineMs - clock.nowMs()), this.#step)
  }

  #end(address: TransportAddress | undefined): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#answer.resolve(address)
  }
}
