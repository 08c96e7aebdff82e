import type { TransportAddress } from '../../base/transport-address.ts'
import type { PunchMessage } from './punch-message.ts'
import type { PunchPart } from './punch-recipe.ts'

/** Where the next packet goes, and which of the sockets sends it. */
export interface PunchShot {
  /** Counts from 0 among the sockets of the round. */
  readonly index: number
  readonly to: TransportAddress
  /** Opens our NAT and dies before it reaches the peer's. */
  readonly isOpener: boolean
}

/** Ours: predicted ports before we begin again, with room for the ports that others took meanwhile. */
const SEQUENCE_LENGTH = 40
/** Ours: both sides' predictions may be off by a few ports; offsets are drawn from −4 to 4. */
const SEQUENCE_OFFSET = 4
/** Ours: the next port twice against loss, and two after it, which it is if others take ports meanwhile. */
const NEXT_OFFSETS = [1, 2, 1, 3]
/** Two openers: one may be lost. */
const OPENERS = 2

type Ready = Extract<PunchMessage, { kind: 'ready' }>

/** The order in which one side of a recipe fires (docs/nat.md). */
export class PunchTargets {
  readonly #part: PunchPart
  readonly #peer: Ready
  readonly #isMutual: boolean
  readonly #draw: (below: number) => number
  readonly #stride: number
  readonly #first: number
  #announced: readonly TransportAddress[]
  #count = 0

  /**
   * @param isMutual both sides follow sequences, so each must guess which of its ports the other will meet
   * @param draw a whole number from 0, below its argument, that nobody can guess
   */
  constructor(part: PunchPart, peer: Ready, isMutual: boolean, draw: (below: number) => number) {
    this.#part = part
    this.#peer = peer
    this.#isMutual = isMutual
    this.#draw = draw
    this.#announced = peer.addresses
    const span = peer.max - peer.min + 1
    this.#first = draw(span)
    // Coprime to the span: each port comes once before any comes again.
    let stride = 1 + draw(span)
    while (gcd(stride, span) !== 1) stride++
    this.#stride = stride
  }

  /** The peer was heard from here: it is what all our sockets open now (two-stage birthday). */
  retarget(address: TransportAddress): void {
    if (this.#part.sockets === 1 || this.#part.targets !== 'announced') return
    this.#announced = [address]
    this.#count = 0
  }

  /** The next shot; undefined when there is nothing more to send for now. */
  peek(): PunchShot | undefined {
    const count = this.#count
    switch (this.#part.targets) {
      case 'announced':
        return this.#announcedShot(count)
      case 'next':
        return this.#nextShot(count)
      case 'sequence':
        return this.#sequenceShot(count)
      case 'range':
        return this.#rangeShot(count)
    }
  }

  /** The shot was fired. */
  advance(): void {
    this.#count++
  }

  #announcedShot(count: number): PunchShot | undefined {
    const { sockets } = this.#part
    const length = this.#announced.length
    const lap = Math.floor(count / (sockets * length))
    // Many sockets: one lap opens, another makes up for loss. More would only fill the NAT's table.
    if (sockets > 1 && lap >= OPENERS) return undefined
    const to = this.#announced[Math.floor(count / sockets) % length]
    if (to === undefined) return undefined
    return { index: count % sockets, to, isOpener: sockets > 1 ? lap === 0 : lap < OPENERS }
  }

  /** As {@link #announcedShot}, at the ports that may come next. */
  #nextShot(count: number): PunchShot | undefined {
    const { sockets } = this.#part
    const base = this.#announced[0]
    const offset = NEXT_OFFSETS[Math.floor(count / sockets)]
    if (base === undefined || offset === undefined) return undefined
    const port = wrap(base.port + this.#peer.step * offset)
    return { index: count % sockets, to: { ...base, port }, isOpener: false }
  }

  #sequenceShot(count: number): PunchShot | undefined {
    const base = this.#announced[0]
    if (base === undefined) return undefined
    const offset = this.#isMutual && count > 2 ? this.#draw(2 * SEQUENCE_OFFSET + 1) - SEQUENCE_OFFSET : 0
    const position = this.#isMutual ? Math.max(1, 1 + count + offset) : 1 + this.#turnOf(count)
    const port = wrap(base.port + this.#peer.step * position)
    return { index: count % this.#part.sockets, to: { ...base, port }, isOpener: false }
  }

  /** One socket goes over the ports again and again; of several, each tries a port before the next one's turn. */
  #turnOf(count: number): number {
    const { sockets } = this.#part
    return sockets === 1 ? count % SEQUENCE_LENGTH : Math.floor(count / sockets)
  }

  #rangeShot(count: number): PunchShot | undefined {
    const { min, max } = this.#peer
    const ips = [...new Set(this.#announced.map(({ ip }) => ip))]
    const base = this.#announced.find(({ ip }) => ip === ips[count % ips.length])
    if (base === undefined) return undefined
    // Half-open luck first: where the peer's filter is loose, its announced port is all it takes.
    if (count < OPENERS) return { index: 0, to: base, isOpener: false }
    const span = max - min + 1
    const turn = Math.floor(count / ips.length)
    const port = min + ((this.#first + turn * this.#stride) % span)
    // In each sweep another socket meets the port: the same one would say nothing new.
    const index = (turn + Math.floor(turn / span)) % this.#part.sockets
    return { index, to: { ...base, port }, isOpener: false }
  }
}

/** Ports after 65535 go on at 1024, as NATs do. */
function wrap(port: number): number {
  const span = 65_535 - 1024 + 1
  return 1024 + ((((port - 1024) % span) + span) % span)
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}

/** A whole number from 0, below `below`. */
export function drawNumber(randomBytes: (length: number) => Uint8Array, below: number): number {
  const value = randomBytes(4).reduce((sum, byte) => sum * 256 + byte, 0)
  return Math.floor((value / 2 ** 32) * below)
}
