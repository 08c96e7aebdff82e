import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Clock } from '../../lib/base/runtime.ts'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'
import type { Splice } from '../../lib/net/splice.ts'
import { splice } from '../../lib/net/splice.ts'
import type { DataLeg } from './data-leg.ts'
import type { Meeting } from './rendezvous.ts'

interface CarriedPath {
  readonly splice: Splice
  readonly dialling: PeerIdentity
  readonly dialled: PeerIdentity
}

/** The paths that the relay carries, from `go` to their end. They need no control connection any more. */
export class CarriedPaths {
  readonly #clock: Clock
  readonly #paths = new Set<CarriedPath>()
  /** Who dialled → how many. */
  readonly #dialledBy = new Map<PeerId, number>()
  #bytesEnded = 0
  #total = 0
  #onIdle: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#paths.size
  }

  /** Paths that were carried, in all. */
  get total(): number {
    return this.#total
  }

  /** Bytes that were carried, in all. */
  get bytes(): number {
    return this.#sum(({ bytesAToB, bytesBToA }) => bytesAToB + bytesBToA) + this.#bytesEnded
  }

  /** Memory that read buffers take now, in bytes. */
  get bufferBytes(): number {
    return this.#sum(({ bufferBytes }) => bufferBytes)
  }

  /** Paths that this member has dialled. */
  countOf(peerId: PeerId): number {
    return this.#dialledBy.get(peerId) ?? 0
  }

  /** Joins two legs, unless one of them has just ended: then the other one is told. */
  join({ dialling, dialled, diallingLeg, dialledLeg }: Meeting<DataLeg>): void {
    if (!diallingLeg.isWaiting || !dialledLeg.isWaiting) {
      diallingLeg.refuse('peer-gone')
      dialledLeg.refuse('peer-gone')
      return
    }
    const path = {
      splice: splice(diallingLeg.go(), dialledLeg.go(), { clock: this.#clock }),
      dialling: dialling.identity,
      dialled: dialled.identity,
    }
    this.#paths.add(path)
    this.#total++
    this.#count(path.dialling.peerId, 1)
    void path.splice.closed.then(() => this.#ended(path))
  }

  /** Resets those of whom this is true of either side. */
  cutWhere(mustGo: (identity: PeerIdentity) => boolean): void {
    for (const path of this.#paths)
      if (mustGo(path.dialling) || mustGo(path.dialled)) void path.splice.close()
  }

  /** Calls back once when none is left; at once when there is none. */
  whenIdle(callback: () => void): void {
    if (this.#paths.size === 0) callback()
    else this.#onIdle = callback
  }

  /** Resets all. */
  async close(): Promise<void> {
    await Promise.all([...this.#paths].map((path) => path.splice.close()))
  }

  #ended(path: CarriedPath): void {
    this.#paths.delete(path)
    this.#bytesEnded += path.splice.bytesAToB + path.splice.bytesBToA
    this.#count(path.dialling.peerId, -1)
    if (this.#paths.size === 0) this.#onIdle?.()
  }

  #count(peerId: PeerId, change: 1 | -1): void {
    const count = this.countOf(peerId) + change
    if (count === 0) this.#dialledBy.delete(peerId)
    else this.#dialledBy.set(peerId, count)
  }

  #sum(of: (splice: Splice) => number): number {
    let sum = 0
    for (const path of this.#paths) sum += of(path.splice)
    return sum
  }
}
