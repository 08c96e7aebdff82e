import type { Attachment, ForwardingNode, TraceHop } from './virtual-node.ts'

/** More boxes than this on a way mean that the walk goes in circles. */
const MAX_BOXES = 64

/** The routers on the way to a destination, in order, and whether the destination itself answers at its end. */
export interface TracedRoute {
  readonly hops: readonly TraceHop[]
  readonly isReached: boolean
  /** One way, to the end of what was found. */
  readonly delayMs: number
}

/** Walks the topology as packets from a host would, asking every router that takes part in the TTL. */
export function traceRoute(from: Attachment, destination: number): TracedRoute {
  const { world } = from.parent
  const walk = new Walk(world.ips.family(destination))
  walk.cross(from, 'up')
  let node = from.parent
  for (let i = 0; i < MAX_BOXES; i++) {
    const below = node.routeTo(destination)
    if (below !== undefined) {
      // Only the core is a hop between what hangs on it; other boxes switch.
      if (node.uplink === undefined) walk.visit(node)
      return descend(walk, below, destination)
    }
    if (node.ownsOutside(destination)) return walk.end(true)
    walk.visit(node)
    if (node.uplink === undefined) break
    walk.cross(node.uplink, 'up')
    node = node.uplink.parent
  }
  return walk.end(false)
}

function descend(walk: Walk, first: Attachment, destination: number): TracedRoute {
  let link = first
  for (let i = 0; i < MAX_BOXES; i++) {
    walk.cross(link, 'down')
    const { box, answersTraces } = link.inner
    if (box === undefined) return walk.end(answersTraces)
    if (box.ownsOutside(destination)) return walk.end(box.traceHop('ipv4')?.ip !== undefined)
    walk.visit(box)
    const below = box.routeTo(destination)
    if (below === undefined) break
    link = below
  }
  return walk.end(false)
}

class Walk {
  readonly #family: 'ipv4' | 'ipv6'
  readonly #hops: TraceHop[] = []
  #isBlocked = false
  #delayMs = 0

  constructor(family: 'ipv4' | 'ipv6') {
    this.#family = family
  }

  visit(node: ForwardingNode): void {
    const hop = node.traceHop(this.#family)
    if (hop !== undefined) this.#hops.push(this.#isBlocked ? { ip: undefined } : hop)
    if (node.blocksTraces) this.#isBlocked = true
  }

  cross(link: Attachment, direction: 'up' | 'down'): void {
    const { hops, delayMs, isCut } = link[direction].options
    for (let i = 0; i < hops; i++) this.#hops.push({ ip: undefined })
    this.#delayMs += delayMs
    if (isCut) this.#isBlocked = true
  }

  end(isReached: boolean): TracedRoute {
    return { hops: this.#hops, isReached: isReached && !this.#isBlocked, delayMs: this.#delayMs }
  }
}
