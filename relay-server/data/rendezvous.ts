import type { Clock, Timer } from '../../lib/base/runtime.ts'
import type { LegStatus } from '../../lib/protocol/relay/data-leg.ts'
import { SourceQuota } from '../source-quota.ts'
import type { Party } from './presence.ts'

/** Two members that are to be joined. */
export interface Match {
  readonly dialling: Party
  readonly dialled: Party
}

/** Two legs that have met. */
export interface Meeting<Leg> extends Match {
  readonly diallingLeg: Leg
  readonly dialledLeg: Leg
}

/** A data leg, as far as it waits. */
export interface WaitingLeg {
  /** Where it comes from, for limits. */
  readonly source: string
  /** Set by who waits for it: called when it has ended by itself, never after a refusal. */
  onGone: (() => void) | undefined
  /** A member has vouched for its ticket. */
  recognised(): void
  /** Says why it gets no peer, and ends it. Harmless on one that has ended by itself. */
  refuse(status: Exclude<LegStatus, 'go'>): void
}

export type Side = 'dialling' | 'dialled'

interface Pair<Leg> {
  readonly match: Match
  /** Keys of the tickets. */
  readonly tickets: Readonly<Record<Side, string>>
  /** Mutable: filled as they come. */
  readonly legs: { dialling?: Leg; dialled?: Leg }
  readonly timer: Timer
}

/**
 * What is known of a ticket:
 * - `early`: its leg is there, but nobody has vouched for it yet
 * - `expected`: a member has, and the pair is not complete
 * - `over`: it was used, or came to nothing; whoever still brings it is told so at once
 */
type TicketState<Leg> =
  | { readonly kind: 'early'; readonly leg: Leg; readonly timer: Timer }
  | { readonly kind: 'expected'; readonly pair: Pair<Leg>; readonly side: Side }
  | { readonly kind: 'over'; readonly status: Exclude<LegStatus, 'go'>; readonly timer: Timer }

/** How much may wait, and how long. */
export interface RendezvousLimits {
  /** For both legs of a pair, from the request on. */
  readonly timeoutMs: number
  /** For a leg that came before its request. */
  readonly earlyMs: number
  readonly maxWaiting: number
  readonly maxWaitingPerSource: number
  /** Tickets that are known, in all. */
  readonly maxTickets: number
}

/** Defaults of {@link RendezvousLimits}. */
export const rendezvousLimits: RendezvousLimits = Object.freeze({
  // Ours: a round trip of a second, several times over, as for handshakes.
  timeoutMs: 10_000,
  // Ours: leg and request leave together; one of them may be sent again twice.
  earlyMs: 5000,
  // Ours: a leg that waits costs a socket and some KiB.
  maxWaiting: 4096,
  // Ours: a program that starts behind the address of a whole office and dials all its peers.
  maxWaitingPerSource: 1024,
  // Ours: two for each path that was asked for in the last twenty seconds; some 300 B each.
  maxTickets: 100_000,
})

/**
 * Where the two data legs of a path meet. A ticket is good for one leg, for a while. The dialling side sends its leg and
 * its request together, so a leg may come before anybody vouches for its ticket: it waits, too.
 */
export class Rendezvous<Leg extends WaitingLeg> {
  readonly #clock: Clock
  readonly #limits: RendezvousLimits
  readonly #onMeeting: (meeting: Meeting<Leg>) => void
  readonly #tickets = new Map<string, TicketState<Leg>>()
  readonly #quota: SourceQuota
  /** A leg that is counted → what counts it no more. */
  readonly #releases = new Map<Leg, () => void>()

  constructor(
    clock: Clock,
    onMeeting: (meeting: Meeting<Leg>) => void,
    limits: Partial<RendezvousLimits> = {},
  ) {
    this.#clock = clock
    this.#onMeeting = onMeeting
    this.#limits = { ...rendezvousLimits, ...limits }
    this.#quota = new SourceQuota(this.#limits.maxWaiting, this.#limits.maxWaitingPerSource)
  }

  /** Legs that wait for their ticket or for the other leg. */
  get waiting(): number {
    return this.#quota.size
  }

  /** Tickets that are known, those that are over included. */
  get ticketCount(): number {
    return this.#tickets.size
  }

  get isFull(): boolean {
    return this.#tickets.size >= this.#limits.maxTickets
  }

  /** True when somebody has vouched for a ticket: it can't be used for another path. */
  isTaken(ticket: Uint8Array): boolean {
    const state = this.#tickets.get(keyOf(ticket))
    return state !== undefined && state.kind !== 'early'
  }

  /** Expects two legs. */
  expect(match: Match, diallingTicket: Uint8Array, dialledTicket: Uint8Array): void {
    const tickets = { dialling: keyOf(diallingTicket), dialled: keyOf(dialledTicket) }
    const timer = this.#clock.setTimer(this.#limits.timeoutMs, () => this.#giveUp(pair, 'peer-late'))
    const pair: Pair<Leg> = { match, tickets, legs: {}, timer }
    const early = this.#tickets.get(tickets.dialling)
    this.#tickets.set(tickets.dialling, { kind: 'expected', pair, side: 'dialling' })
    this.#tickets.set(tickets.dialled, { kind: 'expected', pair, side: 'dialled' })
    if (early?.kind !== 'early') return
    early.timer.cancel()
    this.#join(pair, 'dialling', early.leg)
  }

  /** A leg has come. */
  arrived(ticket: Uint8Array, leg: Leg): void {
    const key = keyOf(ticket)
    const state = this.#tickets.get(key)
    if (state?.kind === 'over') leg.refuse(state.status)
    else if (state?.kind === 'early') leg.refuse('ticket-unknown')
    else if (state?.kind === 'expected' && state.pair.legs[state.side] !== undefined)
      leg.refuse('ticket-unknown')
    else if (!this.#admit(leg)) leg.refuse('busy')
    else if (state?.kind === 'expected') this.#join(state.pair, state.side, leg)
    else this.#holdEarly(key, leg)
  }

  /** The request that a leg came for, or is coming for, was refused. */
  refuse(ticket: Uint8Array, status: Exclude<LegStatus, 'go'>): void {
    const key = keyOf(ticket)
    const state = this.#tickets.get(key)
    if (state !== undefined && state.kind !== 'early') return
    this.#remember([key], status)
    if (state === undefined) return
    state.timer.cancel()
    this.#release(state.leg)
    state.leg.refuse(status)
  }

  /** Gives up pairs whose members are gone, or must go. @param isOver is told which legs are there already */
  giveUpWhere(isOver: (match: Match, isThere: (side: Side) => boolean) => boolean): void {
    for (const state of [...this.#tickets.values()]) {
      if (state.kind !== 'expected' || state.side !== 'dialling') continue
      const { pair } = state
      if (isOver(pair.match, (side) => pair.legs[side] !== undefined)) this.#giveUp(pair, 'peer-gone')
    }
  }

  /** Refuses everything that waits. */
  drain(): void {
    for (const [key, state] of [...this.#tickets]) {
      if (state.kind === 'expected') this.#giveUp(state.pair, 'draining')
      else if (state.kind === 'early') this.#endEarly(key, 'draining')
    }
  }

  /** Refuses everything that waits, and forgets everything. */
  close(): void {
    this.drain()
    for (const state of this.#tickets.values()) if (state.kind === 'over') state.timer.cancel()
    this.#tickets.clear()
  }

  #holdEarly(key: string, leg: Leg): void {
    const timer = this.#clock.setTimer(this.#limits.earlyMs, () => this.#endEarly(key, 'ticket-unknown'))
    this.#tickets.set(key, { kind: 'early', leg, timer })
    leg.onGone = () => this.#endEarly(key, 'ticket-unknown')
  }

  #endEarly(key: string, status: Exclude<LegStatus, 'go'>): void {
    const state = this.#tickets.get(key)
    if (state?.kind !== 'early') return
    state.timer.cancel()
    this.#tickets.delete(key)
    this.#release(state.leg)
    state.leg.refuse(status)
  }

  #join(pair: Pair<Leg>, side: Side, leg: Leg): void {
    pair.legs[side] = leg
    leg.onGone = () => this.#giveUp(pair, 'peer-gone')
    leg.recognised()
    const { dialling, dialled } = pair.legs
    if (dialling === undefined || dialled === undefined) return
    this.#end(pair, 'ticket-unknown')
    this.#onMeeting({ ...pair.match, diallingLeg: dialling, dialledLeg: dialled })
  }

  #giveUp(pair: Pair<Leg>, status: Exclude<LegStatus, 'go'>): void {
    if (!this.#end(pair, status)) return
    for (const leg of Object.values(pair.legs)) leg.refuse(status)
  }

  /** From now on, its tickets are only remembered, to be refused. False when they were already. */
  #end(pair: Pair<Leg>, status: Exclude<LegStatus, 'go'>): boolean {
    const { dialling, dialled } = pair.tickets
    const state = this.#tickets.get(dialling)
    if (state?.kind !== 'expected' || state.pair !== pair) return false
    pair.timer.cancel()
    this.#remember([dialling, dialled], status)
    for (const leg of Object.values(pair.legs)) {
      leg.onGone = undefined
      this.#release(leg)
    }
    return true
  }

  #remember(keys: readonly string[], status: Exclude<LegStatus, 'go'>): void {
    const timer = this.#clock.setTimer(this.#limits.timeoutMs, () => {
      for (const key of keys) this.#tickets.delete(key)
    })
    for (const key of keys) this.#tickets.set(key, { kind: 'over', status, timer })
  }

  /** Counts a leg among those that wait. */
  #admit(leg: Leg): boolean {
    const release = this.#quota.take(leg.source)
    if (release === undefined) return false
    this.#releases.set(leg, release)
    return true
  }

  #release(leg: Leg): void {
    this.#releases.get(leg)?.()
    this.#releases.delete(leg)
  }
}

/** A lookup by hash table: what an attacker could time is the table's, not the ticket's. */
function keyOf(ticket: Uint8Array): string {
  return Buffer.from(ticket).toString('hex')
}
