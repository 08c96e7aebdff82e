import type { SeededRandom } from './seeded-random.ts'
import type { Packet } from './virtual-packet.ts'
import type { World } from './virtual-world.ts'

/** One direction of a link. Everything may be changed while the world runs. */
export interface LinkOptions {
  /** One way. */
  readonly delayMs?: number
  /** Up to this much is added to the delay of each packet, evenly distributed. */
  readonly jitterMs?: number
  /** Whether jitter lets a packet overtake another; otherwise it waits behind it. @default false */
  readonly reorder?: boolean
  /** Probability that a packet is lost. */
  readonly loss?: number
  /** Probability that a packet arrives twice. */
  readonly duplicate?: number
  /** Largest packet in bytes, IP and UDP headers included. @default Infinity */
  readonly mtu?: number
  /** Whether the sender is told that its packet was too large (`icmp`), or hears nothing. @default 'icmp' */
  readonly mtuMode?: 'icmp' | 'blackhole'
  /** Routers on the link that nobody sees but by their decrement of the TTL. */
  readonly hops?: number
  /** Unplugged: nothing passes, not even what is under way. @default false */
  readonly isCut?: boolean
}

/** A link's options for both directions, with what differs: `up` is away from the node that the link belongs to. */
export interface AccessLinkOptions extends LinkOptions {
  readonly up?: LinkOptions
  readonly down?: LinkOptions
}

const DEFAULTS: Required<LinkOptions> = {
  delayMs: 0,
  jitterMs: 0,
  reorder: false,
  loss: 0,
  duplicate: 0,
  mtu: Infinity,
  mtuMode: 'icmp',
  hops: 0,
  isCut: false,
}

/** Where the packets of a link arrive. */
export interface LinkEnd {
  /** A packet without delay is handed on at once, but to a host always as an event of its own: no callback of code under test runs inside a send. */
  readonly isHost: boolean
  receive(packet: Packet): void
}

/** One direction of a link between two nodes: delays, loses, duplicates, reorders and limits what passes. */
export class Link {
  readonly #world: World
  readonly #name: string
  readonly #random: SeededRandom
  readonly #end: LinkEnd
  #options: Required<LinkOptions>
  #lastArrivalMs = 0
  #underWay = 0
  #isDetached = false

  constructor(world: World, name: string, options: LinkOptions, end: LinkEnd) {
    this.#world = world
    this.#name = name
    this.#random = world.random.fork(`link ${name}`)
    this.#end = end
    this.#options = { ...DEFAULTS, ...options }
  }

  get options(): Required<LinkOptions> {
    return this.#options
  }

  /** Changes some of the options, from now on. */
  configure(changes: LinkOptions): void {
    this.#options = { ...this.#options, ...changes }
  }

  /** Ends the link: what is under way is lost. */
  detach(): void {
    this.#isDetached = true
  }

  send(packet: Packet): void {
    const { hops, mtu, loss, duplicate } = this.#options
    if (this.#isDetached || this.#options.isCut) return this.#drop(packet, 'cut')
    if (hops > 0) {
      if (packet.ttl <= hops) return this.#drop(packet, 'ttl')
      packet.ttl -= hops
    }
    if (packet.fragmentSize > mtu && packet.segment === undefined && !this.#fits(packet, mtu)) return
    if (loss > 0 && this.#random.chance(loss)) return this.#drop(packet, 'loss')
    if (duplicate > 0 && this.#random.chance(duplicate)) this.#pass(packet.copy())
    this.#pass(packet)
  }

  /** @internal A packet that entered reaches the end. */
  arrive(packet: Packet): void {
    this.#underWay--
    if (this.#isDetached || this.#options.isCut) return this.#drop(packet, 'cut')
    this.#end.receive(packet)
  }

  #pass(packet: Packet): void {
    const { delayMs, jitterMs, reorder } = this.#options
    const { clock } = this.#world
    const nowMs = clock.nowMs()
    let arrivalMs = nowMs + delayMs
    if (jitterMs > 0) arrivalMs += this.#random.uniform(0, jitterMs)
    if (!reorder) {
      if (arrivalMs < this.#lastArrivalMs) arrivalMs = this.#lastArrivalMs
      this.#lastArrivalMs = arrivalMs
    }
    if (arrivalMs === nowMs && this.#underWay === 0 && !this.#end.isHost) return this.#end.receive(packet)
    this.#underWay++
    packet.link = this
    clock.schedule(arrivalMs, packet)
  }

  /** False when the packet was too large and is gone. */
  #fits(packet: Packet, mtu: number): boolean {
    if (!packet.dontFragment) {
      packet.fragmentSize = mtu
      return true
    }
    this.#drop(packet, 'mtu')
    if (this.#options.mtuMode === 'icmp') {
      // The message takes the way back, which is as long as the packet's was until here.
      const { clock } = this.#world
      const backMs = clock.nowMs() - packet.sentAtMs
      const run = () => {
        packet.sender.learnPathMtu(packet.addressedTo, mtu)
      }
      clock.schedule(clock.nowMs() + backMs, { isOver: false, run })
    }
    return false
  }

  #drop(packet: Packet, reason: 'cut' | 'ttl' | 'loss' | 'mtu'): void {
    this.#world.trace.drop(packet, reason, this.#name)
  }
}
