import type { Socket } from 'node:net'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'
import type { Clock, Timer } from '../../lib/base/runtime.ts'
import type { LegStatus } from '../../lib/protocol/relay/data-leg.ts'
import { refuseLeg } from './data-leg.ts'

/** Two members that are to be joined. */
export interface Match {
  readonly dialling: PeerIdentity
  readonly dialled: PeerIdentity
}

/** Two legs that have met. */
export interface Meeting extends Match {
  readonly diallingLeg: Socket
  readonly dialledLeg: Socket
}

type Side = 'dialling' | 'dialled'

interface Pair {
  readonly match: Match
  readonly tickets: Readonly<Record<Side, string>>
  readonly legs: Partial<Record<Side, Socket>>
  timer: Timer
}

interface EarlyLeg {
  readonly socket: Socket
  readonly source: string
  readonly timer: Timer
}

/** What bounds a rendezvous. */
export interface RendezvousLimits {
  /** How long a ticket waits for both legs, and a leg for its ticket, in ms. */
  readonly timeoutMs: number
  /** Legs that wait, in all and from one source. */
  readonly maxWaiting: number
  readonly maxWaitingPerSource: number
}

/** Defaults of {@link RendezvousLimits}. */
export const rendezvousLimits: RendezvousLimits = Object.freeze({
  // Ours: a round trip of a second, several times over, as for handshakes.
  timeoutMs: 10_000,
  // Ours: a leg that waits costs a socket and some KiB.
  maxWaiting: 4096,
  maxWaitingPerSource: 256,
})

/**
 * Where the two data legs of a path meet. A ticket is good for one leg, for a while. The dialling side sends its leg and
 * its request together, so a leg may come before anybody knows its ticket: it waits, too.
 */
export class Rendezvous {
  readonly #clock: Clock
  readonly #limits: RendezvousLimits
  readonly #onMeeting: (meeting: Meeting) => void
  /** Ticket in hex → its pair, and which side it is for. */
  readonly #tickets = new Map<string, { readonly pair: Pair; readonly side: Side }>()
  readonly #early = new Map<string, EarlyLeg>()
  readonly #perSource = new Map<string, number>()
  #waiting = 0
  /** A leg that is counted → what counts it no more. */
  readonly #releases = new WeakMap<Socket, () => void>()

  constructor(clock: Clock, onMeeting: (meeting: Meeting) => void, limits = rendezvousLimits) {
    this.#clock = clock
    this.#onMeeting = onMeeting
    this.#limits = limits
  }

  /** Legs that wait for their ticket or for the other leg. */
  get waiting(): number {
    return this.#waiting
  }

  /** True when a ticket is in use: whoever chooses its own must choose well. */
  isKnown(ticket: Uint8Array): boolean {
    return this.#tickets.has(keyOf(ticket))
  }

  /** Expects two legs. */
  expect(match: Match, diallingTicket: Uint8Array, dialledTicket: Uint8Array): void {
    const pair: Pair = {
      match,
      tickets: { dialling: keyOf(diallingTicket), dialled: keyOf(dialledTicket) },
      legs: {},
      timer: this.#clock.setTimer(this.#limits.timeoutMs, () => this.#giveUp(pair, 'peer-late')),
    }
    this.#tickets.set(pair.tickets.dialling, { pair, side: 'dialling' })
    this.#tickets.set(pair.tickets.dialled, { pair, side: 'dialled' })
    const early = this.#early.get(pair.tickets.dialling)
    if (early !== undefined) {
      early.timer.cancel()
      this.#early.delete(pair.tickets.dialling)
      this.#join(pair, 'dialling', early.socket)
    }
  }

  /** A leg has come. @param source where from, for limits */
  arrived(ticket: Uint8Array, socket: Socket, source: string): void {
    if (!this.#admit(socket, source)) return
    const key = keyOf(ticket)
    const known = this.#tickets.get(key)
    if (known !== undefined) {
      if (known.pair.legs[known.side] === undefined) this.#join(known.pair, known.side, socket)
      else this.#refuse(socket, 'ticket-unknown')
      return
    }
    if (this.#early.has(key)) {
      this.#refuse(socket, 'ticket-unknown')
      return
    }
    const timer = this.#clock.setTimer(this.#limits.timeoutMs, () => {
      this.#early.delete(key)
      this.#refuse(socket, 'ticket-unknown')
    })
    this.#early.set(key, { socket, source, timer })
    socket.once('close', () => {
      if (this.#early.get(key)?.socket !== socket) return
      timer.cancel()
      this.#early.delete(key)
    })
  }

  /** The request that a leg came for was refused. */
  refuse(ticket: Uint8Array, status: Exclude<LegStatus, 'go'>): void {
    const early = this.#early.get(keyOf(ticket))
    if (early === undefined) return
    early.timer.cancel()
    this.#early.delete(keyOf(ticket))
    this.#refuse(early.socket, status)
  }

  /** Gives up pairs whose member is gone, or must go. */
  giveUpWhere(isGone: (identity: PeerIdentity) => boolean): void {
    for (const pair of new Set([...this.#tickets.values()].map((known) => known.pair))) {
      if (isGone(pair.match.dialling) || isGone(pair.match.dialled)) this.#giveUp(pair, 'peer-gone')
    }
  }

  /** Refuses everything that waits. */
  close(): void {
    this.giveUpWhere(() => true)
    for (const [key, { socket, timer }] of this.#early) {
      timer.cancel()
      this.#early.delete(key)
      this.#refuse(socket, 'draining')
    }
  }

  #join(pair: Pair, side: Side, socket: Socket): void {
    pair.legs[side] = socket
    socket.once('close', () => this.#giveUp(pair, 'peer-gone'))
    const { dialling, dialled } = pair.legs
    if (dialling === undefined || dialled === undefined) return
    this.#forget(pair)
    this.#onMeeting({ ...pair.match, diallingLeg: dialling, dialledLeg: dialled })
  }

  #giveUp(pair: Pair, status: Exclude<LegStatus, 'go'>): void {
    if (this.#tickets.get(pair.tickets.dialling)?.pair !== pair) return
    this.#forget(pair)
    for (const socket of Object.values(pair.legs)) this.#refuse(socket, status)
  }

  #refuse(socket: Socket, status: Exclude<LegStatus, 'go'>): void {
    this.#releases.get(socket)?.()
    refuseLeg(socket, status, this.#clock)
  }

  #forget(pair: Pair): void {
    pair.timer.cancel()
    this.#tickets.delete(pair.tickets.dialling)
    this.#tickets.delete(pair.tickets.dialled)
    for (const socket of Object.values(pair.legs)) this.#releases.get(socket)?.()
  }

  /** Counts a leg among those that wait, until it has met its peer or is closed. */
  #admit(socket: Socket, source: string): boolean {
    const ofSource = this.#perSource.get(source) ?? 0
    if (ofSource >= this.#limits.maxWaitingPerSource || this.#waiting >= this.#limits.maxWaiting) {
      refuseLeg(socket, 'busy', this.#clock)
      return false
    }
    this.#perSource.set(source, ofSource + 1)
    this.#waiting++
    let isCounted = true
    const unwatch = cutWhenItSpeaks(socket)
    const release = () => {
      if (!isCounted) return
      isCounted = false
      unwatch()
      this.#waiting--
      const left = (this.#perSource.get(source) ?? 1) - 1
      if (left === 0) this.#perSource.delete(source)
      else this.#perSource.set(source, left)
    }
    this.#releases.set(socket, release)
    socket.once('close', release)
    return true
  }
}

/**
 * A leg that waits has nothing to say: one that sends before `go`, or ends, is cut. Nobody else would notice an end: it
 * is found by reading.
 */
function cutWhenItSpeaks(socket: Socket): () => void {
  const onReadable = () => {
    if (socket.read() !== null) socket.destroy()
  }
  const onEnd = () => socket.destroy()
  socket.on('readable', onReadable).once('end', onEnd)
  return () => socket.off('readable', onReadable).off('end', onEnd)
}

/** A lookup by hash table: what an attacker could time is the table's, not the ticket's. */
function keyOf(ticket: Uint8Array): string {
  return Buffer.from(ticket).toString('hex')
}
