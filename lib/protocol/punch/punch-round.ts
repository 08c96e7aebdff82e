import type { NatBehavior } from '../../base/nat-behavior.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { announce } from './punch-announcement.ts'
import { PunchMeasurement } from './punch-measurement.ts'
import type { PunchMessage } from './punch-message.ts'
import type { PunchOptions } from './punch-options.ts'
import { traitsOf } from './punch-recipe.ts'
import type { PunchRecipe } from './punch-recipe.ts'

/** A recipe that is one. */
export type TriedRecipe = Exclude<PunchRecipe, { name: 'none' }>

/** Ours: 32 samples find a block's ends to a 33rd of it (docs/nat.md). */
const LEARNING_SOCKETS = 32

/** Ours: eight sockets show all IPs of a pool of two (99 %), or of three (88 %). */
const POOL_SAMPLES = 8

/** One round of a punch: its sockets, and how they look from outside. */
export class PunchRound {
  readonly number: number
  /** Those that fire, in order; then those that only ask. */
  readonly sockets: readonly number[]
  readonly measurement: PunchMeasurement
  readonly #options: PunchOptions
  readonly #asking: readonly number[]
  readonly #localPorts = new Map<number, number>()

  /** @param firstSocket the number of its first socket; the others follow */
  constructor(
    number: number,
    recipe: TriedRecipe,
    options: PunchOptions,
    firstSocket: number,
    nowMs: number,
  ) {
    const { ours, servers, randomBytes } = options
    this.number = number
    this.#options = options
    const askers = asksApart(ours) ? 1 : learnsRange(recipe, ours) ? LEARNING_SOCKETS : 0
    this.sockets = Array.from({ length: recipe.ours.sockets + askers }, (_, i) => firstSocket + i)
    const extra = this.sockets.slice(recipe.ours.sockets)
    this.#asking = asksApart(ours) ? extra : [...this.sockets.slice(0, askingOf(recipe)), ...extra]
    this.measurement = new PunchMeasurement(
      { sockets: this.sockets, asking: this.#asking, servers, randomBytes },
      nowMs,
    )
  }

  opened(socket: number, local: TransportAddress, nowMs: number): void {
    if (!this.sockets.includes(socket)) return
    this.#localPorts.set(socket, local.port)
    this.measurement.opened(socket, nowMs)
  }

  /** What to tell the peer; undefined when no server has answered. */
  announcement(): PunchMessage | undefined {
    const { seen } = this.measurement
    if (seen.length === 0) return undefined
    const punching = this.sockets[0] ?? 0
    const freshPort = this.#asking.includes(punching) ? undefined : this.#localPorts.get(punching)
    return announce(this.number, this.#options.ours, seen, freshPort)
  }
}

/** Many sockets come from all IPs of a pool: some must ask for the peer to know them. */
function askingOf({ ours }: TriedRecipe): number {
  return ours.sockets >= POOL_SAMPLES && ours.targets === 'announced' ? POOL_SAMPLES : 1
}

/** Where a NAT gives the first packet of a socket a port that can be told, that packet has to go to the peer. */
function asksApart(ours: NatBehavior): boolean {
  const { isEim, isKnownOnce } = traitsOf(ours)
  return isKnownOnce && !isEim
}

function learnsRange(recipe: TriedRecipe, ours: NatBehavior): boolean {
  return ours.portAllocation === 'block' && recipe.name !== 'plain'
}
