import type { SeededRandom } from './seeded-random.ts'
import type { PortChoice } from './virtual-nat-options.ts'

const DEFAULT_MIN_PORT = 1024
const MAX_PORT = 65_535
/** Random draws before all ports are tried in order. */
const RANDOM_TRIES = 32

/** Who needs a port, and which ports are taken. */
export interface PortRequest {
  readonly internalIp: number
  readonly internalPort: number
  isFree(port: number): boolean
}

interface Range {
  readonly min: number
  readonly max: number
}

/** Chooses external ports as one kind of NAT does. Each external address and protocol has its own. */
export class PortAllocator {
  readonly #choice: PortChoice
  readonly #keepsParity: boolean
  readonly #random: SeededRandom
  readonly #nowMs: () => number
  readonly #range: Range
  readonly #blocks = new Map<number, Range>()
  #next: number
  #noiseCountedMs: number

  constructor(choice: PortChoice, keepsParity: boolean, random: SeededRandom, nowMs: () => number) {
    this.#choice = choice
    this.#keepsParity = keepsParity
    this.#random = random
    this.#nowMs = nowMs
    this.#range =
      choice.kind === 'block'
        ? { min: choice.base ?? DEFAULT_MIN_PORT, max: MAX_PORT }
        : { min: choice.min ?? DEFAULT_MIN_PORT, max: choice.max ?? MAX_PORT }
    const start = choice.kind === 'sequential' ? choice.start : undefined
    this.#next = start ?? random.int(this.#range.min, this.#range.max)
    this.#noiseCountedMs = nowMs()
  }

  /** A free port; undefined when none is left. */
  allocate(request: PortRequest): number | undefined {
    const choice = this.#choice
    switch (choice.kind) {
      case 'preserving':
        if (request.isFree(request.internalPort)) return request.internalPort
        return choice.whenTaken === 'next'
          ? this.#scan(request, this.#range, request.internalPort + 1, 1)
          : this.#draw(request, this.#range)
      case 'sequential':
        return this.#inSequence(request, choice.step ?? 1, choice.noisePerSecond ?? 0)
      case 'random':
        return this.#draw(request, this.#range)
      case 'block':
        return this.#inBlock(request, choice.size, choice.order ?? 'random')
    }
  }

  #inSequence(request: PortRequest, step: number, noisePerSecond: number): number | undefined {
    const nowMs = this.#nowMs()
    const others = this.#random.poisson(((nowMs - this.#noiseCountedMs) / 1000) * noisePerSecond)
    this.#noiseCountedMs = nowMs
    const port = this.#scan(request, this.#range, this.#next + others * step, step)
    if (port !== undefined) this.#next = port + step
    return port
  }

  #inBlock(request: PortRequest, size: number, order: 'random' | 'sequential'): number | undefined {
    let block = this.#blocks.get(request.internalIp)
    if (block === undefined) {
      const min = this.#range.min + this.#blocks.size * size
      block = { min, max: min + size - 1 }
      if (block.max > MAX_PORT) return undefined
      this.#blocks.set(request.internalIp, block)
    }
    return order === 'sequential' ? this.#scan(request, block, block.min, 1) : this.#draw(request, block)
  }

  #draw(request: PortRequest, range: Range): number | undefined {
    for (let i = 0; i < RANDOM_TRIES; i++) {
      const port = this.#random.int(range.min, range.max)
      if (this.#fits(request, port)) return port
    }
    return this.#scan(request, range, this.#random.int(range.min, range.max), 1)
  }

  /** Tries ports from `from` on in steps, wrapping around; where the steps miss some, those after. */
  #scan(request: PortRequest, range: Range, from: number, step: number): number | undefined {
    const size = range.max - range.min + 1
    for (const stride of this.#leadsNowhere(request, from, step) ? [1] : [step, 1]) {
      for (let i = 0; i < size; i++) {
        const port = range.min + modulo(from + i * stride - range.min, size)
        if (this.#fits(request, port)) return port
      }
    }
    return undefined
  }

  /** Even steps never leave the wrong parity. */
  #leadsNowhere(request: PortRequest, from: number, step: number): boolean {
    return this.#keepsParity && step % 2 === 0 && (from & 1) !== (request.internalPort & 1)
  }

  #fits(request: PortRequest, port: number): boolean {
    if (this.#keepsParity && (port & 1) !== (request.internalPort & 1)) return false
    return request.isFree(port)
  }
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor
}
