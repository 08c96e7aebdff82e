import type { MuxEvent } from '../../../../lib/protocol/mux/mux-event.ts'
import type { MuxOptions } from '../../../../lib/protocol/mux/mux-options.ts'
import { MuxSession } from '../../../../lib/protocol/mux/mux-session.ts'
import { cut } from './cut.ts'

/** What lies between two sessions. */
export interface LinkCharacter {
  /** One way, in ms. */
  readonly delayMs: number
  /** How fast a side may write, in bytes per ms. */
  readonly bytesPerMs: number
  /** The lengths of the pieces in which bytes arrive, over and over. */
  readonly pieces: readonly number[]
  /** How much a side pulls at once. */
  readonly pullLength: number
}

export const fastLink: LinkCharacter = {
  delayMs: 0,
  bytesPerMs: Infinity,
  pieces: [Infinity],
  pullLength: 256 * 1024,
}

/** One side of a pair, and the direction that leads away from it. */
export class MuxSide {
  readonly session: MuxSession
  /** Called for each event, at once. */
  onEvent: (event: MuxEvent) => void = () => undefined
  /** Under way to the other side. */
  readonly flight: { readonly atMs: number; readonly bytes: Uint8Array }[] = []
  /** The direction is busy with what was written until then. */
  busyUntilMs = 0

  constructor(role: 'initiator' | 'responder', options: Partial<MuxOptions>, nowMs: number) {
    this.session = new MuxSession({ role, hasOpenHeaders: true, options }, nowMs)
  }

  drain(): void {
    for (let event = this.session.poll(); event !== undefined; event = this.session.poll())
      this.onEvent(event)
  }
}

/** Two sessions joined in memory, on a virtual clock. */
export class MuxPair {
  nowMs = 0
  readonly a: MuxSide
  readonly b: MuxSide
  readonly #link: LinkCharacter

  constructor(link: Partial<LinkCharacter> = {}, options: Partial<MuxOptions> = {}) {
    this.#link = { ...fastLink, ...link }
    this.a = new MuxSide('initiator', options, 0)
    this.b = new MuxSide('responder', options, 0)
  }

  /** Runs until the time; what is due then has happened. */
  runUntil(untilMs: number): void {
    for (let nextMs = this.#step(); nextMs <= untilMs; nextMs = this.#step()) this.nowMs = nextMs
    this.nowMs = Math.max(this.nowMs, untilMs)
  }

  /** Runs while anything moves but keepalives. @throws {Error} after a virtual hour */
  settle(): void {
    for (let nextMs = this.#step(); this.#isMoving(); nextMs = this.#step()) {
      if (nextMs > 3_600_000) throw new Error('it never comes to rest')
      this.nowMs = nextMs
    }
  }

  #isMoving(): boolean {
    return [this.a, this.b].some(({ flight, session }) => flight.length > 0 || session.hasOutput)
  }

  /** Does all that is due now; answers when something is due next. */
  #step(): number {
    for (let moved = true; moved;) {
      for (const side of [this.a, this.b]) {
        side.session.handleTimeout(this.nowMs)
        side.drain()
      }
      const sent = [this.#write(this.a), this.#write(this.b)]
      const received = [this.#deliver(this.a, this.b), this.#deliver(this.b, this.a)]
      moved = sent.includes(true) || received.includes(true)
    }
    return Math.min(...[this.a, this.b].map((side) => this.#nextMs(side)))
  }

  #nextMs({ flight, session, busyUntilMs }: MuxSide): number {
    const arrivalMs = flight[0]?.atMs ?? Infinity
    const writableMs = session.hasOutput ? busyUntilMs : Infinity
    return Math.max(this.nowMs, Math.min(arrivalMs, writableMs, session.deadlineMs ?? Infinity))
  }

  #write(side: MuxSide): boolean {
    if (side.busyUntilMs > this.nowMs || !side.session.hasOutput) return false
    const { bytesPerMs, delayMs, pullLength } = this.#link
    const chunks = side.session.pull(pullLength, this.nowMs)
    side.drain()
    for (const bytes of chunks) {
      side.busyUntilMs = Math.max(side.busyUntilMs, this.nowMs) + bytes.length / bytesPerMs
      side.flight.push({ atMs: side.busyUntilMs + delayMs, bytes })
    }
    return true
  }

  #deliver(from: MuxSide, to: MuxSide): boolean {
    let moved = false
    for (
      let first = from.flight[0];
      first !== undefined && first.atMs <= this.nowMs;
      first = from.flight[0]
    ) {
      from.flight.shift()
      for (const piece of cut(first.bytes, this.#link.pieces)) {
        to.session.receive(piece, this.nowMs)
        to.drain()
      }
      moved = true
    }
    return moved
  }
}
