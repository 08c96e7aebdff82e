import type { DatagramFlow } from '../session/datagram-flow.ts'

/**
 * Keeps the flows of a service to a number. When there are too many, who has most of them loses the one that was silent for
 * longest: so nobody can push out the flows of others by opening more of their own.
 */
export class FlowLimit {
  readonly #maxFlows: number
  readonly #flows = new Map<DatagramFlow, string>()

  constructor(maxFlows: number) {
    this.#maxFlows = maxFlows
  }

  get size(): number {
    return this.#flows.size
  }

  /** Counts a flow until it is over. @param owner whose it is */
  add(flow: DatagramFlow, owner: string): void {
    this.#flows.set(flow, owner)
    void flow.closed.then(() => this.#flows.delete(flow))
    if (this.#flows.size <= this.#maxFlows) return
    const silent = this.#longestSilent(this.#greediest())
    if (silent === undefined) return
    this.#flows.delete(silent)
    void silent.close()
  }

  #greediest(): string {
    const counts = new Map<string, number>()
    for (const owner of this.#flows.values()) counts.set(owner, (counts.get(owner) ?? 0) + 1)
    return [...counts].reduce((most, next) => (next[1] > most[1] ? next : most), ['', 0])[0]
  }

  #longestSilent(owner: string): DatagramFlow | undefined {
    let silent: DatagramFlow | undefined
    for (const [flow, its] of this.#flows) {
      if (its === owner && (silent === undefined || flow.lastActiveMs < silent.lastActiveMs)) silent = flow
    }
    return silent
  }
}
