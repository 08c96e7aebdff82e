/** What can stand in a {@link StreamRing}; at most in one at a time. The ring alone writes these. */
export interface RingLinks<Node extends RingLinks<Node>> {
  ring: StreamRing<Node> | undefined
  before: Node | undefined
  after: Node | undefined
}

/**
 * A queue that a member can leave from the middle, each step in constant time and without allocating: a stream that is
 * reset while it waits for its turn must not stay behind as a dead entry.
 */
export class StreamRing<Node extends RingLinks<Node>> {
  #first: Node | undefined
  #last: Node | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): Node | undefined {
    return this.#first
  }

  /** Puts a member at the end; it stays where it is when it is in this ring, and leaves the one that it is in. */
  append(node: Node): void {
    if (node.ring === this) return
    node.ring?.remove(node)
    node.ring = this
    node.before = this.#last
    if (this.#last === undefined) this.#first = node
    else this.#last.after = node
    this.#last = node
    this.#size++
  }

  /** Takes a member out; harmless when it is not in this ring. */
  remove(node: Node): void {
    if (node.ring !== this) return
    if (node.before === undefined) this.#first = node.after
    else node.before.after = node.after
    if (node.after === undefined) this.#last = node.before
    else node.after.before = node.before
    node.ring = undefined
    node.before = undefined
    node.after = undefined
    this.#size--
  }

  /** Takes out the first member; undefined when there is none. */
  shift(): Node | undefined {
    const first = this.#first
    if (first !== undefined) this.remove(first)
    return first
  }
}
