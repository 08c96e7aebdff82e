import { AttachReader } from '../../../../lib/protocol/link/attach-reader.ts'
import type { LinkEffect, LinkEnd, PathEnd } from '../../../../lib/protocol/link/link-effect.ts'
import { Link } from '../../../../lib/protocol/link/link.ts'
import type { LinkOptions } from '../../../../lib/protocol/link/link-options.ts'
import { LinkRegistry } from '../../../../lib/protocol/link/link-registry.ts'
import { ReplayBudget } from '../../../../lib/protocol/link/replay-budget.ts'
import { MAX_WRITE_LENGTH } from '../../../../lib/protocol/link/send-half.ts'
import { SeededRandom } from '../../../sim/seeded-random.ts'
import { isPattern, patternAt } from './pattern.ts'
import { SimulatedPath } from './simulated-path.ts'
import type { PathCharacter } from './simulated-path.ts'

/** What the pair is made of. */
export interface LinkPairOptions {
  readonly seed: number
  /** Bytes that each side sends in all. */
  readonly totals: { readonly a: number; readonly b: number }
  readonly budget?: number
  readonly link?: Partial<LinkOptions>
  /** Chunks of one write are of this length at most. */
  readonly maxChunk?: number
}

/** Hands out chunks of the pattern, and checks what arrives against it. */
class Application {
  readonly total: number
  readonly #maxChunk: number
  readonly #random: SeededRandom
  written = 0
  received = 0
  sawEnd = false

  constructor(total: number, maxChunk: number, random: SeededRandom) {
    this.total = total
    this.#maxChunk = maxChunk
    this.#random = random
  }

  /** Writes until the link is full or all is written, then ends. */
  feed(link: Link): void {
    while (this.written < this.total && link.canWrite) {
      const chunks: Uint8Array[] = []
      let length = 0
      for (let count = this.#random.int(1, 4); count > 0 && this.written + length < this.total; count--) {
        const most = Math.min(this.#maxChunk, this.total - this.written - length, MAX_WRITE_LENGTH - length)
        if (most <= 0) break
        const chunk = patternAt(this.written + length, this.#random.int(1, most))
        chunks.push(chunk)
        length += chunk.length
      }
      this.written += length
      link.write(chunks)
    }
    if (this.written === this.total) link.finish()
  }

  take(bytes: Uint8Array): void {
    if (!isPattern(this.received, bytes)) throw new Error(`wrong bytes at ${this.received}`)
    this.received += bytes.length
  }
}

/** One side: a link, its application, and its ends of the paths. */
export interface Side {
  readonly name: 'a' | 'b'
  readonly key: Uint8Array
  readonly registry: LinkRegistry
  readonly budget: ReplayBudget
  readonly app: Application
  readonly paths: Map<number, SimulatedPath>
  readonly readers: Map<number, AttachReader>
  readonly effects: LinkEffect[]
  link: Link | undefined
}

/** Two links joined by simulated paths, on a virtual clock. All luck comes from the seed. */
export class LinkPair {
  readonly a: Side
  readonly b: Side
  readonly #random: SeededRandom
  readonly #paths: SimulatedPath[] = []
  readonly #maxCapacity: number
  nowMs = 1000
  /** The most that any side held for replay over its capacity. */
  worstExcess = -Infinity

  constructor(options: LinkPairOptions) {
    this.#random = new SeededRandom(options.seed)
    this.a = this.#side('a', options)
    this.b = this.#side('b', options)
    this.#maxCapacity = options.link?.maxCapacity ?? Infinity
    this.a.link = this.a.registry.create(this.#random.bytes(16), this.b.key, this.nowMs)
  }

  /** A new path, dialled by one side. */
  dial(by: 'a' | 'b', character: PathCharacter): SimulatedPath {
    const path = new SimulatedPath(
      this.#paths.length,
      character,
      this.#random.fork(`path ${this.#paths.length}`),
    )
    const dialler = this[by]
    const accepter = this.#other(dialler)
    if (dialler.link?.dial(path.id, accepter.key, this.nowMs) === undefined && dialler.link !== undefined) {
      this.#paths.push(path)
      dialler.paths.set(path.id, path)
      accepter.paths.set(path.id, path)
      accepter.readers.set(path.id, new AttachReader())
      this.#pump(dialler)
    }
    return path
  }

  activate(name: 'a' | 'b', path: SimulatedPath): boolean {
    const done = this[name].link?.activate(path.id) ?? false
    this.#pump(this[name])
    return done
  }

  /** Runs to a time. */
  runTo(untilMs: number): void {
    for (let next = this.#nextMs(); next <= untilMs; next = this.#nextMs()) {
      this.nowMs = Math.max(next, this.nowMs)
      this.#turn()
    }
    this.nowMs = Math.max(untilMs, this.nowMs)
  }

  /** Runs until both links have ended, or nothing happens any more. */
  runToEnd(limitMs: number): void {
    const untilMs = this.nowMs + limitMs
    while (this.a.link?.end === undefined || this.b.link?.end === undefined) {
      const next = this.#nextMs()
      if (next > untilMs) return this.runTo(untilMs)
      this.runTo(next)
    }
  }

  /** How often a side told an effect of some kind. */
  effectsOf(name: 'a' | 'b', kind: LinkEffect['kind']): LinkEffect[] {
    return this[name].effects.filter((effect) => effect.kind === kind)
  }

  /** Why a side's paths were closed. */
  closedPaths(name: 'a' | 'b'): PathEnd['kind'][] {
    return this[name].effects.flatMap((effect) => (effect.kind === 'close-path' ? [effect.why.kind] : []))
  }

  end(name: 'a' | 'b'): LinkEnd | undefined {
    return this[name].link?.end
  }

  /** Drains and pulls one side; for tests that call its link themselves. */
  pump(name: 'a' | 'b'): void {
    this.#pump(this[name])
  }

  #side(name: 'a' | 'b', options: LinkPairOptions): Side {
    const budget = new ReplayBudget(options.budget ?? 64 * 1024 * 1024)
    const link = options.link ?? {}
    const random = this.#random.fork(`side ${name}`)
    return {
      name,
      key: random.bytes(32),
      budget,
      registry: new LinkRegistry({ budget, link }),
      app: new Application(options.totals[name], options.maxChunk ?? 20_000, random),
      paths: new Map(),
      readers: new Map(),
      effects: [],
      link: undefined,
    }
  }

  #other(side: Side): Side {
    return side === this.a ? this.b : this.a
  }

  #nextMs(): number {
    const arrivals = this.#paths.map((path) => path.nextMs)
    const deadlines = [this.a, this.b].map((side) => side.link?.deadlineMs ?? Infinity)
    return Math.min(Infinity, ...arrivals, ...deadlines)
  }

  /** All that is due now, in random order. */
  #turn(): void {
    for (const path of this.#random.shuffle(this.#paths)) {
      for (const side of this.#random.shuffle([this.a, this.b])) this.#deliver(path, side)
    }
    for (const side of [this.a, this.b]) {
      if ((side.link?.deadlineMs ?? Infinity) <= this.nowMs) side.link?.handleTimeout(this.nowMs)
      this.#pump(side)
    }
  }

  #deliver(path: SimulatedPath, side: Side): void {
    for (let arrived = path.arrive(side.name, this.nowMs); arrived !== undefined;) {
      if (side.paths.get(path.id) === path) {
        if (arrived === 'end') this.#forget(side, path)
        else this.#receive(side, path, arrived)
        if (this.#random.chance(0.5)) this.#pump(side)
      }
      arrived = path.arrive(side.name, this.nowMs)
    }
  }

  #receive(side: Side, path: SimulatedPath, bytes: Uint8Array): void {
    const reader = side.readers.get(path.id)
    if (reader === undefined) return side.link?.receive(path.id, bytes, this.nowMs)
    const read = reader.push(bytes)
    if (read === undefined) return
    side.readers.delete(path.id)
    const outcome = side.registry.accept(path.id, read.request, this.#other(side).key, this.nowMs)
    if (outcome.kind === 'refused') {
      path.write(side.name, outcome.bytes, this.nowMs)
      return this.#close(side, path)
    }
    side.link = outcome.link
    side.link.receive(path.id, read.rest, this.nowMs)
  }

  #forget(side: Side, path: SimulatedPath): void {
    side.link?.pathLost(path.id, this.nowMs)
    this.#close(side, path)
  }

  #close(side: Side, path: SimulatedPath): void {
    side.paths.delete(path.id)
    side.readers.delete(path.id)
    path.close(side.name, this.nowMs)
  }

  /** What a driver does after each input. */
  #pump(side: Side): void {
    const { link } = side
    if (link === undefined) return
    for (let isMoving = true; isMoving;) {
      isMoving = this.#drain(side, link)
      if (link.end === undefined) side.app.feed(link)
      this.#checkMemory(link)
      for (const path of this.#random.shuffle([...side.paths.values()])) {
        if (!side.readers.has(path.id) && this.#pull(side, link, path)) isMoving = true
      }
    }
  }

  #drain(side: Side, link: Link): boolean {
    let hasAny = false
    for (let effect = link.poll(); effect !== undefined; effect = link.poll()) {
      hasAny = true
      if (effect.kind === 'data') side.app.take(effect.bytes)
      else side.effects.push(effect)
      if (effect.kind === 'end') side.app.sawEnd = true
      if (effect.kind === 'close-path') {
        const path = side.paths.get(effect.path)
        if (path === undefined) continue
        path.write(side.name, effect.lastBytes, this.nowMs)
        this.#close(side, path)
      }
    }
    return hasAny
  }

  #pull(side: Side, link: Link, path: SimulatedPath): boolean {
    if (!path.hasRoom(side.name)) return false
    const chunks = link.pull(path.id, this.nowMs)
    for (const chunk of chunks) path.write(side.name, chunk, this.nowMs)
    return chunks.length > 0
  }

  #checkMemory(link: Link): void {
    const { held, capacity } = link.replay
    this.worstExcess = Math.max(this.worstExcess, held - capacity)
    if (capacity > Math.max(this.#maxCapacity, 32 * 1024)) throw new Error(`a capacity of ${capacity}`)
  }
}
