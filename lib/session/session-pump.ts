import type { Clock, Timer } from '../base/runtime.ts'
import type { LinkEffect } from '../protocol/link/link-effect.ts'
import type { Link } from '../protocol/link/link.ts'
import { ACK_DELAY_MS } from '../protocol/link/receive-half.ts'
import type { MuxEvent } from '../protocol/mux/mux-event.ts'
import type { MuxSession } from '../protocol/mux/mux-session.ts'
import type { Loans } from './loans.ts'
import type { SendMemory } from './send-memory.ts'
import type { SessionPaths } from './session-paths.ts'

/** What is pumped, and who hears what the machines have to tell. */
export interface PumpSetup {
  readonly clock: Clock
  readonly link: Link
  readonly mux: MuxSession
  readonly paths: SessionPaths
  readonly memory: SendMemory
  /** Asked for when all that was received is given away. */
  readonly loans: Loans
  readonly onLink: (effect: LinkEffect, nowMs: number) => void
  readonly onMux: (event: MuxEvent) => void
  /** Nothing moves any more, for now. */
  readonly onStill: () => void
}

/** Ours: what a pull of the mux gives the link at once: two whole frames of the mux; TLS is best from 64 KiB on. */
const PULL_LENGTH = 2 * (64 * 1024 + 12)

/** Ours: so much later than due is soon enough for anything; acknowledgements, which are due first, wait that long anyway. */
const MAX_LATE_MS = ACK_DELAY_MS

/** A `queueMicrotask` would make an AsyncResource each time, which is a tenth of what it takes to send a small message. */
const RESOLVED = Promise.resolve()

/** Keeps the promises that mux and link ask for: drained after each call, pulled while there is room, one timer. */
export class SessionPump {
  readonly #setup: PumpSetup
  /** Bytes that the link has taken: the offset of the next one. */
  #written = 0
  #isDue = false
  #isPumping = false
  #nowMs = 0
  #isStopped = false
  #timer: Timer | undefined
  #timerAtMs = Infinity

  constructor(setup: PumpSetup) {
    this.#setup = setup
  }

  /** At the end of the turn: what is written in one turn leaves together. */
  soon(): void {
    if (this.#isDue || this.#isPumping) return
    this.#isDue = true
    // In two steps: the callback of a write comes in between, and may be followed by the next one or the stream's end.
    void RESOLVED.then(this.#onTurn)
  }

  /** Monotonic ms. While bytes are moved it is the time when that began: a look at the clock for each is not free. */
  get nowMs(): number {
    return this.#isPumping ? this.#nowMs : this.#setup.clock.nowMs()
  }

  /** Takes what the machines have to tell, and moves bytes until nothing moves any more; false inside another one. */
  now(nowMs = this.nowMs): boolean {
    if (this.#isPumping) return false
    this.#isPumping = true
    this.#nowMs = nowMs
    try {
      const { link, mux, paths } = this.#setup
      for (;;) {
        this.#drainLink(nowMs)
        if (paths.choose(nowMs)) this.#drainLink(nowMs)
        this.drainMux()
        let moved = this.#fillLink(nowMs)
        // Our direction of the link ends behind the last words of the mux.
        if (mux.end !== undefined && !mux.hasOutput) link.finish()
        if (paths.fill(nowMs)) moved = true
        const mayMoveMore = link.hasEffects || mux.hasEvents || (moved && this.#canFillLink())
        if (!mayMoveMore) break
      }
      this.#setup.onStill()
      this.#arm(nowMs)
    } finally {
      this.#isPumping = false
      // What it makes others write may have to be pumped itself.
      this.#setup.loans.settle()
    }
    return true
  }

  /** Tells what the mux has to tell. */
  drainMux(): void {
    const { mux, onMux } = this.#setup
    for (let event = mux.poll(); event !== undefined; event = mux.poll()) onMux(event)
  }

  /** The session is over: nothing is due any more. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  readonly #onTurn = (): void => {
    void RESOLVED.then(this.#onTurnEnd)
  }

  readonly #onTurnEnd = (): void => {
    this.#isDue = false
    this.now()
  }

  #drainLink(nowMs: number): void {
    const { link, onLink } = this.#setup
    for (let effect = link.poll(); effect !== undefined; effect = link.poll()) {
      onLink(effect, nowMs)
      // Streams are told in between: a burst must not wait in the mux as a whole.
      if (effect.kind === 'data') this.drainMux()
    }
  }

  #canFillLink(): boolean {
    const { link, mux } = this.#setup
    return mux.hasOutput && link.canWrite
  }

  #fillLink(nowMs: number): boolean {
    const { link, mux, memory } = this.#setup
    let moved = false
    memory.acknowledged(link.acknowledged)
    while (this.#canFillLink()) {
      const chunks = mux.pull(PULL_LENGTH, nowMs)
      if (chunks.length === 0) break
      link.write(chunks)
      for (const chunk of chunks) {
        memory.sending(chunk, this.#written)
        this.#written += chunk.length
      }
      moved = true
    }
    return moved
  }

  /** One timer, that is never later than what is due; when it was early it is set anew. */
  #arm(nowMs: number): void {
    // What becomes due before is looked at then: to add up all deadlines for each small message costs more than it.
    if (this.#isStopped || this.#timerAtMs <= nowMs + MAX_LATE_MS) return
    const { clock, link, mux, paths } = this.#setup
    const dueMs = Math.min(link.deadlineMs ?? Infinity, mux.deadlineMs ?? Infinity, paths.deadlineMs(nowMs))
    if (dueMs >= this.#timerAtMs || dueMs === Infinity) return
    this.#timer?.cancel()
    this.#timerAtMs = dueMs
    this.#timer = clock.setTimer(Math.max(0, dueMs - clock.nowMs()), () => this.#timeOut())
  }

  #timeOut(): void {
    const { clock, link, mux } = this.#setup
    this.#timerAtMs = Infinity
    const nowMs = clock.nowMs()
    link.handleTimeout(nowMs)
    mux.handleTimeout(nowMs)
    this.now(nowMs)
  }
}
