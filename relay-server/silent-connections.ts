import type { Socket } from 'node:net'

/**
 * Connections that have not said anything, by where they come from. A source that has too many of them loses its oldest:
 * a flood costs the flooder, and whoever shares its address and speaks at once is served.
 */
export class SilentConnections {
  readonly #maxPerSource: number
  readonly #bySource = new Map<string, Set<Socket>>()

  constructor(maxPerSource: number) {
    this.#maxPerSource = maxPerSource
  }

  /** Counts one, until it is closed or the function that is answered is called: it has spoken. */
  add(source: string, socket: Socket): () => void {
    const silent = this.#bySource.get(source) ?? new Set()
    this.#bySource.set(source, silent)
    silent.add(socket)
    if (silent.size > this.#maxPerSource) {
      const [oldest] = silent // a Set keeps the order
      oldest?.destroy()
      if (oldest !== undefined) silent.delete(oldest)
    }
    const remove = () => {
      silent.delete(socket)
      if (silent.size === 0 && this.#bySource.get(source) === silent) this.#bySource.delete(source)
    }
    socket.once('close', remove)
    return remove
  }
}
