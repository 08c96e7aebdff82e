import type { Gone } from './session-record.ts'
import type { LinkPath } from './link-path.ts'

/** The paths of a link, and which of them carries what we send. */
export class LinkPaths {
  readonly #paths = new Map<number, LinkPath>()
  /** The same, to be walked with every packet. */
  #list: readonly LinkPath[] = []
  #active: LinkPath | undefined

  /** The path that carries what we send. Before the session is established it need not be attached. */
  get active(): LinkPath | undefined {
    return this.#active
  }

  get size(): number {
    return this.#paths.size
  }

  get(id: number): LinkPath | undefined {
    return this.#paths.get(id)
  }

  /** A list that does not change. */
  all(): readonly LinkPath[] {
    return this.#list
  }

  add(path: LinkPath): void {
    if (this.#paths.has(path.id)) throw new RangeError(`path ${path.id} exists`)
    this.#paths.set(path.id, path)
    this.#list = [...this.#paths.values()]
  }

  /** @returns true when it was there */
  remove(path: LinkPath): boolean {
    if (this.#active === path) this.#active = undefined
    if (!this.#paths.delete(path.id)) return false
    this.#list = [...this.#paths.values()]
    return true
  }

  activate(path: LinkPath): void {
    this.#active = path
  }

  attached(): LinkPath[] {
    return this.#list.filter((path) => path.isAttached)
  }

  /** Of the attached paths the one with the shortest round trip; one that was never measured comes last. */
  best(): LinkPath | undefined {
    const rtt = (path: LinkPath) => path.liveness.rttMs ?? Infinity
    return this.attached().toSorted((a, b) => rtt(a) - rtt(b))[0]
  }

  /** The attached paths that a GONE, which came over `from`, speaks of. */
  named(gone: Gone, from: LinkPath): LinkPath[] {
    if (gone.kind === 'others') return this.olderThan(from)
    const dialler = gone.byInitiator ? 'initiator' : 'responder'
    return this.attached().filter((path) => {
      return path.dialledBy === dialler && path.generation === gone.generation
    })
  }

  /**
   * The attached paths that were there before this one. A later one is not meant by "all others": it was on its way.
   * Of one dialler's paths the generation says which is later, whatever order they arrived in.
   */
  olderThan(path: LinkPath): LinkPath[] {
    return this.attached().filter((other) => {
      if (other.dialledBy === path.dialledBy) return other.generation < path.generation
      return other.order < path.order
    })
  }
}
