import type { TransportAddress } from '../../base/transport-address.ts'
import type { PunchChecks } from './punch-checks.ts'
import type { PunchPart } from './punch-recipe.ts'
import type { PunchTargets } from './punch-targets.ts'

/** Ours: sources that make all our sockets turn to them: the peer's NAT has few ports towards us. */
const MAX_RETARGETS = 3
/**
 * Ours: after each of the two openers of a socket that is alone, by round. At first the peer's openers are believed to
 * have left, too. If it starts later than we think, because signalling takes longer one way or now than when that was
 * measured, our packets have spoilt its port: then both wait ever longer before they send one that arrives.
 */
const OPENER_GAPS_MS = [10, 125, 250, 500]

/** What one side fires in one round, at its pace. */
export class PunchVolley {
  readonly #part: PunchPart
  readonly #sockets: readonly number[]
  readonly #targets: PunchTargets
  readonly #checks: PunchChecks
  readonly #openerGapMs: number
  #dueMs: number | undefined
  #retargets = 0

  /** @param sockets the first of them fire, as many as the part has */
  constructor(
    part: PunchPart,
    sockets: readonly number[],
    targets: PunchTargets,
    checks: PunchChecks,
    round: number,
    nowMs: number,
  ) {
    this.#part = part
    this.#sockets = sockets
    this.#targets = targets
    this.#checks = checks
    this.#openerGapMs = OPENER_GAPS_MS[Math.min(round, OPENER_GAPS_MS.length) - 1] ?? 0
    this.#dueMs = nowMs
  }

  /** When the next shot is due; undefined when there is none for now. */
  get dueMs(): number | undefined {
    return this.#dueMs
  }

  /** Fires what is due. */
  fire(nowMs: number): void {
    while (this.#dueMs !== undefined && nowMs >= this.#dueMs) {
      const shot = this.#targets.peek()
      const socket = shot === undefined ? undefined : this.#sockets[shot.index]
      if (shot === undefined || socket === undefined) {
        this.#dueMs = undefined
        return
      }
      const againMs = this.#checks.search(socket, shot.to, shot.isOpener, nowMs)
      if (againMs !== undefined) {
        this.#dueMs = againMs
        return
      }
      this.#targets.advance()
      const { sockets, packetsPerSecond } = this.#part
      this.#dueMs += shot.isOpener && sockets === 1 ? this.#openerGapMs : 1000 / packetsPerSecond
    }
  }

  /** The peer was heard from here. */
  turnTo(from: TransportAddress, nowMs: number): void {
    if (this.#retargets >= MAX_RETARGETS) return
    this.#retargets++
    this.#targets.retarget(from)
    this.#dueMs ??= nowMs
  }
}
