import type { Random } from '../../lib/base/runtime.ts'

/** Weyl increment of SplitMix: 2^32 divided by the golden ratio. */
const GOLDEN = 0x9e3779b9
/** FNV-1a's 32-bit offset basis and prime. */
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/**
 * Random numbers that one seed decides: xoshiro128** of Blackman and Vigna ("Scrambled linear pseudorandom number
 * generators", ACM TOMS 2021). Good statistics, no secrecy whatsoever.
 */
export class SeededRandom implements Random {
  readonly #identity: number
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number | string) {
    this.#identity = typeof seed === 'number' ? avalanche(seed ^ GOLDEN) : hashLabel(FNV_OFFSET, seed)
    this.#a = avalanche(this.#identity + GOLDEN)
    this.#b = avalanche(this.#identity + 2 * GOLDEN)
    this.#c = avalanche(this.#identity + 3 * GOLDEN)
    this.#d = avalanche(this.#identity + 4 * GOLDEN)
  }

  /** Continues from a state of the generator, for checks against published outputs. Not all words may be zero. */
  static fromState(a: number, b: number, c: number, d: number): SeededRandom {
    const random = new SeededRandom(0)
    random.#a = a >>> 0
    random.#b = b >>> 0
    random.#c = c >>> 0
    random.#d = d >>> 0
    return random
  }

  /**
   * An independent generator. It depends on this one's seed and the label, not on what was drawn from this one, so a
   * new part of a scenario does not change the luck of the others.
   */
  fork(label: string): SeededRandom {
    return new SeededRandom(hashLabel(this.#identity ^ FNV_OFFSET, label))
  }

  /** 32 random bits as an unsigned integer. */
  next(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotateLeft(this.#d, 11)
    return result
  }

  /** At least `min` and less than `max`; [0, 1) when not told. */
  uniform(min = 0, max = 1): number {
    return min + (this.next() / 0x1_0000_0000) * (max - min)
  }

  /** An integer from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.uniform() * (max - min + 1))
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability
  }

  /** How many events of a Poisson process happen where `mean` are expected (Knuth's method; normal above 50). */
  poisson(mean: number): number {
    if (mean <= 0) return 0
    if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.#normal()))
    const limit = Math.exp(-mean)
    let product = this.uniform()
    let count = 0
    while (product > limit) {
      product *= this.uniform()
      count++
    }
    return count
  }

  /** A copy in random order (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const left = [...items]
    const shuffled: T[] = []
    while (left.length > 0) shuffled.push(...left.splice(this.int(0, left.length - 1), 1))
    return shuffled
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    const [item] = items.slice(this.int(0, items.length - 1))
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    let word = 0
    for (let i = 0; i < length; i++) {
      word = i % 4 === 0 ? this.next() : word >>> 8
      bytes[i] = word
    }
    return bytes
  }

  /** Box and Muller. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }
}

/** MurmurHash3's 32-bit finalizer: each input bit flips each output bit half of the time. */
function avalanche(value: number): number {
  let mixed = value | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function hashLabel(start: number, label: string): number {
  let hash = start
  for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), FNV_PRIME)
  return avalanche(hash)
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
