import { formatAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { candidatePriority } from '../ice/candidate.ts'
import {
  CheckKeys,
  encodeCheck,
  encodeCheckSuccess,
  readCheck,
  readCheckAnswer,
  readCheckMessage,
} from '../ice/connectivity-check.ts'
import type { ReceivedCheck } from '../ice/connectivity-check.ts'
import { transactionKey } from '../stun/message.ts'
import { PunchAllowance } from './punch-allowance.ts'
import type { PunchCounters, PunchEffect, PunchOptions } from './punch-options.ts'
import { traitsOf } from './punch-recipe.ts'

/** Ours: checks that answer a check, and nominations, are sent again after this, so many times. */
export const REPEAT_MS = 150
const REPEATS = 4
export const NOMINATION_REPEATS = 20
/** Ours: sources that are answered with checks of ours in one round; each has proven that it knows our password. */
const MAX_HEARD = 64
/** Ours: past one NAT of ours. */
const DEFAULT_OPENER_TTL = 2

/** Where a check went, from which socket, and whether it nominates. */
export interface SentCheck {
  readonly socket: number
  readonly to: TransportAddress
  readonly isNomination: boolean
}

/** What a packet of the peer means for the punch. */
export type CheckNews =
  /** It came through to us. `isNew`: from there for the first time in this round. */
  | {
      readonly kind: 'heard'
      readonly socket: number
      readonly from: TransportAddress
      readonly isNew: boolean
    }
  /** It has chosen this pair (RFC 8445 §8.1). */
  | { readonly kind: 'nominated'; readonly socket: number; readonly from: TransportAddress }
  /** It got a check of ours. */
  | ({ readonly kind: 'answered' } & SentCheck)

interface Repeat extends SentCheck {
  left: number
  dueMs: number
}

/** The authenticated checks of a punch: sends, repeats, answers and reads them, within its allowance. */
export class PunchChecks {
  readonly #options: PunchOptions
  readonly #counters: PunchCounters
  readonly #emit: (effect: PunchEffect) => void
  readonly #keys: CheckKeys
  readonly #allowance = new PunchAllowance()
  readonly #sent = new Map<string, SentCheck>()
  readonly #repeats: Repeat[] = []
  readonly #heard = new Set<string>()
  /** Where each socket has sent to; kept only where that decides what is answered. */
  readonly #searched: Set<string> | undefined

  constructor(options: PunchOptions, counters: PunchCounters, emit: (effect: PunchEffect) => void) {
    const { isPerPort } = traitsOf(options.ours)
    this.#searched = isPerPort && isMutualSearch(counters.recipe) ? new Set() : undefined
    this.#options = options
    this.#counters = counters
    this.#emit = emit
    this.#keys = new CheckKeys(options.localCredentials, options.remoteCredentials)
  }

  /** When the next repetition is due. */
  get deadlineMs(): number | undefined {
    let next: number | undefined
    for (const { dueMs } of this.#repeats) if (next === undefined || dueMs < next) next = dueMs
    return next
  }

  /** Forgets what was sent and heard: a round begins, or all is over. */
  clear(): void {
    this.#sent.clear()
    this.#heard.clear()
    this.#searched?.clear()
    this.#repeats.length = 0
  }

  /** Whether anything may go to an address that the peer announced. */
  maySendTo(address: TransportAddress): boolean {
    return (
      address.family === this.#options.family &&
      this.#options.maySendTo(address) &&
      this.#allowance.admits(address.ip)
    )
  }

  /** Sends a check of the search; answers when to ask again where there are too many packets. */
  search(socket: number, to: TransportAddress, isOpener: boolean, nowMs: number): number | undefined {
    if (!this.#allowance.take('search', nowMs)) return this.#allowance.searchAgainMs(nowMs)
    this.#send({ socket, to, isNomination: false }, isOpener)
    return undefined
  }

  /** Nominates a pair until that is answered, and checks no others any more. */
  nominate(socket: number, to: TransportAddress, nowMs: number): void {
    this.#repeats.length = 0
    this.#repeats.push({ socket, to, isNomination: true, left: NOMINATION_REPEATS, dueMs: nowMs })
  }

  /** Answers checks, and sends no more of them. */
  settle(): void {
    this.#repeats.length = 0
  }

  /** Repeats what is due. */
  handleTimeout(nowMs: number): void {
    for (const repeat of [...this.#repeats]) {
      if (repeat.dueMs > nowMs) continue
      if (this.#allowance.take('answer', nowMs)) this.#send(repeat, false)
      repeat.left--
      repeat.dueMs = nowMs + REPEAT_MS
      if (repeat.left <= 0) this.#repeats.splice(this.#repeats.indexOf(repeat), 1)
    }
  }

  /** Reads a packet; answers it if it is a check of the peer. What nobody but the peer could have made is news. */
  receive(socket: number, bytes: Uint8Array, from: TransportAddress, nowMs: number): CheckNews | undefined {
    const message = readCheckMessage(bytes)
    if (message === undefined || message.class === 'indication') return undefined
    if (message.class === 'request') {
      const { localUfrag, localKey, remoteUfrag } = this.#keys
      const check = readCheck(message, localUfrag, localKey, remoteUfrag)
      return check === undefined ? undefined : this.#checked(check, socket, from, nowMs)
    }
    const sent = this.#sent.get(transactionKey(message.transactionId))
    if (sent?.socket !== socket) return undefined
    if (readCheckAnswer(message, this.#keys.remoteKey)?.kind !== 'success') return undefined
    this.#counters.wasHeard = true
    return { kind: 'answered', ...sent }
  }

  /** Goes on checking back to where a check came from (RFC 8445 §7.3.1.4). */
  checkBack(socket: number, to: TransportAddress, nowMs: number): void {
    this.#repeats.push({ socket, to, isNomination: false, left: REPEATS, dueMs: nowMs })
  }

  #checked(
    check: ReceivedCheck,
    socket: number,
    from: TransportAddress,
    nowMs: number,
  ): CheckNews | undefined {
    if (check.role === this.#options.role || !this.maySendTo(from)) return undefined
    this.#counters.checksReceived++
    this.#counters.heard = true
    // Our answer would come from another port than that which the peer wrote to, and its NAT lets nobody else in.
    if (this.#searched?.has(sourceKey(socket, from)) === false) return undefined
    if (this.#allowance.take('answer', nowMs)) {
      const bytes = encodeCheckSuccess(this.#keys.localKey, check.transactionId, from)
      this.#emit({ kind: 'send', socket, bytes, to: from })
      this.#counters.packetsSent++
    }
    if (check.useCandidate && this.#options.role === 'controlled') return { kind: 'nominated', socket, from }
    return { kind: 'heard', socket, from, isNew: this.#isNewSource(socket, from) }
  }

  #isNewSource(socket: number, from: TransportAddress): boolean {
    const key = sourceKey(socket, from)
    if (this.#heard.has(key) || this.#heard.size >= MAX_HEARD) return false
    this.#heard.add(key)
    return true
  }

  #send({ socket, to, isNomination }: SentCheck, isOpener: boolean): void {
    const { role, randomBytes, openerTtl = DEFAULT_OPENER_TTL } = this.#options
    const transactionId = randomBytes(12)
    const bytes = encodeCheck(this.#keys, {
      transactionId,
      role,
      // Signalling has given out the roles, so there is no conflict to resolve.
      tieBreaker: role === 'controlling' ? 1n : 0n,
      priority: PRIORITY,
      useCandidate: isNomination,
    })
    this.#sent.set(transactionKey(transactionId), { socket, to, isNomination })
    this.#searched?.add(sourceKey(socket, to))
    this.#emit({ kind: 'send', socket, bytes, to, ...(isOpener ? { ttl: openerTtl } : {}) })
    this.#counters.packetsSent++
  }
}

const PRIORITY = candidatePriority('prflx', 65_535)

/** Both sides try ports of which each leads to one port of the other only. */
function isMutualSearch(recipe: PunchCounters['recipe']): boolean {
  return recipe === 'block-search' || recipe === 'sequence-search'
}

function sourceKey(socket: number, address: TransportAddress): string {
  return `${socket} ${formatAddress(address)}`
}
