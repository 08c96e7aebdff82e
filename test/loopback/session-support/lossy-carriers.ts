import type { DatagramCarrier } from '../../../lib/session/datagram-carrier.ts'

/** What happens to packets on the way. Decided by a seed, so that each run is the same. */
export interface Weather {
  /** Of so many packets one is lost; 0: none. */
  lossOneIn: number
  /** Of so many packets one comes twice, the second time much later; 0: none. */
  twiceOneIn: number
  /** Of so many packets one is changed on the way; 0: none. */
  damageOneIn: number
  /** Packets that are longer get lost. */
  mtu: number
  /** Nothing arrives any more. */
  isDown: boolean
}

/** Two ends of a way for packets in memory, and what happened on it. */
export interface LossyPair {
  readonly here: TestCarrier
  readonly there: TestCarrier
  readonly weather: Weather
}

/** One end. */
export class TestCarrier implements DatagramCarrier {
  readonly maxLength: number
  readonly #weather: Weather
  onPacket: ((packet: Uint8Array) => void) | undefined
  other: TestCarrier | undefined
  /** Packets that were sent here, as somebody in between sees them. */
  readonly seen: Uint8Array[] = []
  isClosed = false
  #state = 12_345

  constructor(maxLength: number, weather: Weather) {
    this.maxLength = maxLength
    this.#weather = weather
  }

  send(packet: Uint8Array): void {
    if (this.isClosed) throw new Error('sent after close')
    if (packet.length > this.maxLength) throw new Error(`a packet of ${packet.length} bytes`)
    this.seen.push(packet)
    const { lossOneIn, twiceOneIn, damageOneIn, mtu, isDown } = this.#weather
    if (isDown || packet.length > mtu || this.#happens(lossOneIn)) return
    const copy = packet.slice()
    if (this.#happens(damageOneIn)) copy[this.#next() % copy.length] = this.#next() & 0xff
    this.#deliver(copy)
    if (this.#happens(twiceOneIn)) setTimeout(() => this.#deliver(packet.slice()), 5)
  }

  close(): void {
    this.isClosed = true
  }

  #deliver(packet: Uint8Array): void {
    setImmediate(() => this.other?.onPacket?.(packet))
  }

  #happens(oneIn: number): boolean {
    return oneIn > 0 && this.#next() % oneIn === 0
  }

  #next(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return this.#state >>> 8
  }
}

export function lossyCarriers(weather: Partial<Weather> = {}, maxLength = 1472): LossyPair {
  const all = { lossOneIn: 0, twiceOneIn: 0, damageOneIn: 0, mtu: 65_535, isDown: false, ...weather }
  const here = new TestCarrier(maxLength, all)
  const there = new TestCarrier(maxLength, all)
  here.other = there
  there.other = here
  return { here, there, weather: all }
}
