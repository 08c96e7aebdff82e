import type { SeededRandom } from '../../../sim/seeded-random.ts'

/** What a simulated path is like. */
export interface PathCharacter {
  readonly latencyMs: number
  readonly jitterMs: number
  /** Bytes under way at most in each direction, as socket buffers and the network hold them. */
  readonly bufferLength: number
  /** Bytes are handed over in pieces of this length at most. */
  readonly maxPiece: number
}

/** How a path dies. Silent: nobody is told, and what is written vanishes. */
export type Death = 'loud' | 'silent' | 'told-to-a' | 'told-to-b'

/** One direction of a path. */
class Direction {
  readonly #queue: { bytes: Uint8Array; readonly atMs: number }[] = []
  #inFlight = 0
  #lastMs = 0
  /** The reader is told then that no more comes. */
  endAtMs: number | undefined
  isBroken = false

  get inFlight(): number {
    return this.#inFlight
  }

  get nextMs(): number {
    return this.#queue[0]?.atMs ?? this.endAtMs ?? Infinity
  }

  get isDrained(): boolean {
    return this.#queue.length === 0
  }

  put(bytes: Uint8Array, atMs: number): void {
    this.#inFlight += bytes.length
    if (this.isBroken) return
    this.#lastMs = Math.max(this.#lastMs, atMs)
    this.#queue.push({ bytes, atMs: this.#lastMs })
  }

  /** The next piece that has arrived. */
  take(maxPiece: number, nowMs: number, random: SeededRandom): Uint8Array | undefined {
    const first = this.#queue[0]
    if (first === undefined || first.atMs > nowMs) return undefined
    const length = Math.min(first.bytes.length, random.int(1, maxPiece))
    const piece = first.bytes.subarray(0, length)
    first.bytes = first.bytes.subarray(length)
    if (first.bytes.length === 0) this.#queue.shift()
    this.#inFlight -= length
    return piece
  }

  /** From a random byte on, nothing arrives any more. */
  cut(random: SeededRandom): void {
    this.isBroken = true
    const kept = random.int(0, this.#queue.length)
    const last = this.#queue[kept]
    this.#queue.length = kept
    if (last !== undefined && random.chance(0.7)) {
      const bytes = last.bytes.subarray(0, random.int(0, last.bytes.length))
      if (bytes.length > 0) this.#queue.push({ bytes, atMs: last.atMs })
    }
  }

  end(atMs: number): void {
    this.endAtMs ??= Math.max(atMs, this.#lastMs)
  }
}

/** An ordered, reliable byte pipe between ends a and b that can die at any byte. */
export class SimulatedPath {
  readonly id: number
  readonly character: PathCharacter
  readonly #random: SeededRandom
  readonly #directions = { a: new Direction(), b: new Direction() }

  constructor(id: number, character: PathCharacter, random: SeededRandom) {
    this.id = id
    this.character = character
    this.#random = random
  }

  /** When something arrives next, at either end. */
  get nextMs(): number {
    return Math.min(this.#directions.a.nextMs, this.#directions.b.nextMs)
  }

  hasRoom(from: 'a' | 'b'): boolean {
    return this.#directions[from].inFlight < this.character.bufferLength
  }

  write(from: 'a' | 'b', bytes: Uint8Array, nowMs: number): void {
    const { latencyMs, jitterMs } = this.character
    if (bytes.length > 0)
      this.#directions[from].put(bytes, nowMs + latencyMs + this.#random.uniform(0, jitterMs))
  }

  /** What arrives at an end: a piece, or the news that no more comes, or nothing now. */
  arrive(at: 'a' | 'b', nowMs: number): Uint8Array | 'end' | undefined {
    const direction = this.#directions[at === 'a' ? 'b' : 'a']
    const piece = direction.take(this.character.maxPiece, nowMs, this.#random)
    if (piece !== undefined) return piece
    if (!direction.isDrained || direction.endAtMs === undefined || direction.endAtMs > nowMs) return undefined
    direction.endAtMs = Infinity
    return 'end'
  }

  /** One end closes the path: what it wrote arrives, then the other end is told. */
  close(by: 'a' | 'b', nowMs: number): void {
    this.#directions[by].end(nowMs + this.character.latencyMs)
  }

  die(how: Death, nowMs: number): void {
    for (const direction of [this.#directions.a, this.#directions.b]) direction.cut(this.#random)
    const toldMs = nowMs + this.character.latencyMs
    if (how === 'loud' || how === 'told-to-a') this.#directions.b.end(toldMs)
    if (how === 'loud' || how === 'told-to-b') this.#directions.a.end(toldMs)
  }
}
