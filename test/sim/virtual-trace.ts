import type { Packet } from './virtual-packet.ts'

/** Why a packet did not arrive. */
export type DropReason =
  | 'asleep' // the host is suspended
  | 'blocked' // a firewall rule
  | 'cut' // the link is down, or its node moved away
  | 'filtered' // a mapping exists, but not for this sender
  | 'fragment' // a NAT that drops fragments
  | 'hairpin' // a NAT that does not hairpin
  | 'isolated' // client isolation
  | 'loss'
  | 'mapping-limit'
  | 'mtu'
  | 'no-mapping'
  | 'no-port' // the NAT has none left
  | 'no-route'
  | 'no-socket' // nobody listens there
  | 'tcp-state' // not a SYN, and no connection known
  | 'ttl'

/** What happened to a packet: a host sent it, a host got it, or it was dropped. */
export interface TraceEvent {
  readonly atMs: number
  readonly kind: 'sent' | 'delivered' | DropReason
  /** The host or box where it happened. */
  readonly where: string
  readonly packet: Packet
}

const FNV_PRIME = 0x01000193

/**
 * Counts what becomes of packets. With `record`, also folds each event, its time and the packet's addresses, TTL and
 * bytes into a hash, so that two runs can be compared; `listener` sees every event.
 */
export class PacketTrace {
  sent = 0
  delivered = 0
  listener: ((event: TraceEvent) => void) | undefined
  readonly #drops = new Map<DropReason, number>()
  readonly #isRecording: boolean
  readonly #nowMs: () => number
  readonly #timeBits = new Float64Array(1)
  #low = 0x811c9dc5
  #high = 0x01000193

  constructor(nowMs: () => number, isRecording: boolean) {
    this.#nowMs = nowMs
    this.#isRecording = isRecording
  }

  /** Packets dropped, for one reason or for all. */
  dropped(reason?: DropReason): number {
    if (reason !== undefined) return this.#drops.get(reason) ?? 0
    return [...this.#drops.values()].reduce((sum, count) => sum + count, 0)
  }

  /** 64 bits in hexadecimal that two runs share when the same happened in the same order. Needs recording. */
  hash(): string {
    if (!this.#isRecording)
      throw new Error('the trace is not recorded: new VirtualInternet({ recordTrace: true })')
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }

  noteSent(packet: Packet, where: string): void {
    this.sent++
    this.#note('sent', where, packet)
  }

  noteDelivered(packet: Packet, where: string): void {
    this.delivered++
    this.#note('delivered', where, packet)
  }

  drop(packet: Packet, reason: DropReason, where: string): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1)
    this.#note(reason, where, packet)
  }

  #note(kind: TraceEvent['kind'], where: string, packet: Packet): void {
    if (this.listener === undefined && !this.#isRecording) return
    const atMs = this.#nowMs()
    this.listener?.({ atMs, kind, where, packet })
    if (this.#isRecording) this.#fold(atMs, kind + where, packet)
  }

  #fold(atMs: number, text: string, packet: Packet): void {
    this.#timeBits[0] = atMs
    this.#foldBytes(new Uint8Array(this.#timeBits.buffer))
    this.#foldBytes(new TextEncoder().encode(text))
    this.#foldWord(packet.sourceIp)
    this.#foldWord(packet.sourcePort)
    this.#foldWord(packet.destinationIp)
    this.#foldWord(packet.destinationPort)
    this.#foldWord(packet.ttl)
    this.#foldBytes(packet.bytes)
  }

  #foldBytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.#foldWord(byte)
  }

  /** Two lanes of FNV-1a; the second sees the first, so both would have to collide. */
  #foldWord(word: number): void {
    this.#low = Math.imul(this.#low ^ word, FNV_PRIME)
    this.#high = Math.imul(this.#high ^ (this.#low >>> 15) ^ word, FNV_PRIME)
  }
}
