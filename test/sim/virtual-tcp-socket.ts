import { Duplex } from 'node:stream'
import type { TcpSocket } from '../../lib/base/runtime.ts'
import { formatAddress } from '../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import type { TcpSegment } from './virtual-packet.ts'

/** Segments under way without acknowledgement; what comes after them waits. */
const WINDOW_SEGMENTS = 64
/** Large, to be quick: the virtual links count packets, not bytes. */
const MAX_SEGMENT_BYTES = 16_384
/** RFC 6298 §2: one second before there is a measurement; then twice what the handshake took, within bounds. */
const INITIAL_RTO_MS = 1000
const MIN_RTO_MS = 200
const MAX_RTO_MS = 120_000
/** Linux's tcp_syn_retries (gives up after 127 s) and tcp_retries2 (after a quarter of an hour). */
const MAX_SYN_RETRANSMISSIONS = 6
const MAX_RETRANSMISSIONS = 15
const NO_DATA = new Uint8Array()

/** What a TCP socket needs of its host. */
export interface TcpSocketOwner {
  nowMs(): number
  later(delayMs: number, callback: () => void): { cancel(): void }
  /** Hands a segment to the network; answers the system's code when there is no way. */
  sendTcp(socket: VirtualTcpSocket, segment: TcpSegment, bytes: Uint8Array): string | undefined
  forgetTcp(socket: VirtualTcpSocket): void
}

type Kind = 'syn' | 'data' | 'fin'

interface Part {
  readonly sequence: number
  readonly kind: Kind
  readonly bytes: Uint8Array
}

/** `orphaned`: the program has closed it, the last bytes are still under way. */
type State = 'opening' | 'established' | 'orphaned' | 'closed'

/**
 * A small TCP whose segments are packets of the virtual internet: handshake, simultaneous open, retransmission, order,
 * window, half-close and reset. No congestion control. Emits 'connect' once both sides have said SYN.
 */
export class VirtualTcpSocket extends Duplex implements TcpSocket {
  readonly local: TransportAddress
  readonly remote: TransportAddress
  readonly #owner: TcpSocketOwner
  readonly #openedAtMs: number
  readonly #early = new Map<number, Part>()
  #state: State = 'opening'
  #queued: Part[] = []
  #unacknowledged: Part[] = []
  #nextSequence = 0
  #expected = 0
  #wantsData = true
  #retransmissions = 0
  #rtoMs = INITIAL_RTO_MS
  #timer: { cancel(): void } | undefined
  #whenQueueIsEmpty: (() => void) | undefined
  #whenFinArrived: (() => void) | undefined

  constructor(owner: TcpSocketOwner, local: TransportAddress, remote: TransportAddress) {
    super({ allowHalfOpen: true })
    this.#owner = owner
    this.local = local
    this.remote = remote
    this.#openedAtMs = owner.nowMs()
  }

  /** Sends the SYN. */
  open(): void {
    this.#enqueue('syn', NO_DATA)
    this.#pump()
  }

  /** Answers the other side's SYN with its own. */
  accept(): void {
    this.#expected = 1
    this.open()
  }

  /** Takes a segment from the network. */
  receiveSegment(segment: TcpSegment, bytes: Uint8Array): void {
    if (segment.rst) return this.#fail(this.#state === 'opening' ? 'ECONNREFUSED' : 'ECONNRESET')
    if (segment.ack) this.#acknowledge(segment.acknowledgement)
    const kind = kindOf(segment, bytes)
    if (kind !== undefined) {
      // Nobody is left to read what still comes.
      if (this.#state === 'orphaned' && kind === 'data') return this.#abandon()
      if (segment.sequence >= this.#expected) {
        this.#early.set(segment.sequence, { sequence: segment.sequence, kind, bytes })
      }
      this.#takeInOrder()
      this.#sendBare('ack')
    }
    if (this.#state === 'opening' && this.#expected > 0 && this.#nextSequence > this.#unacknowledged.length) {
      this.#establish()
    }
  }

  override _read(): void {
    this.#wantsData = true
    const before = this.#expected
    this.#takeInOrder()
    if (this.#expected > before) this.#sendBare('ack')
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: () => void): void {
    for (let at = 0; at < chunk.length; at += MAX_SEGMENT_BYTES) {
      this.#enqueue('data', Uint8Array.from(chunk.subarray(at, at + MAX_SEGMENT_BYTES)))
    }
    this.#whenQueueIsEmpty = callback
    this.#pump()
  }

  override _final(callback: () => void): void {
    this.#whenFinArrived = callback
    this.#enqueue('fin', NO_DATA)
    this.#pump()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // RFC 9293 §3.6.1: closing with bytes unread is told by a reset. What made the program close it is not.
    const hasUnread = this.#early.size > 0 || this.readableLength > 0
    if (this.#state === 'opening') this.#close()
    else if (this.#state === 'established' && hasUnread) this.#abandon()
    else if (this.#state === 'established') this.#orphan()
    callback(error)
  }

  #establish(): void {
    this.#state = 'established'
    const handshakeMs = this.#owner.nowMs() - this.#openedAtMs
    this.#rtoMs = Math.min(MAX_RTO_MS, Math.max(MIN_RTO_MS, 2 * handshakeMs))
    this.#pump()
    this.emit('connect')
  }

  #enqueue(kind: Kind, bytes: Uint8Array): void {
    this.#queued.push({ sequence: this.#nextSequence++, kind, bytes })
  }

  #pump(): void {
    while (this.#unacknowledged.length < WINDOW_SEGMENTS) {
      const [part] = this.#queued
      if (part === undefined || (this.#state === 'opening' && part.kind !== 'syn')) break
      this.#queued.shift()
      this.#unacknowledged.push(part)
      if (!this.#send(part)) return
    }
    this.#armTimer()
    if (this.#queued.length > 0) return
    const callback = this.#whenQueueIsEmpty
    this.#whenQueueIsEmpty = undefined
    callback?.()
  }

  /** False when the socket has failed of it. */
  #send(part: Part): boolean {
    const flags = { syn: part.kind === 'syn', fin: part.kind === 'fin', rst: false }
    return this.#transmit({ ...flags, sequence: part.sequence }, part.bytes)
  }

  #sendBare(kind: 'ack' | 'rst'): void {
    this.#transmit({ syn: false, fin: false, rst: kind === 'rst', sequence: this.#nextSequence }, NO_DATA)
  }

  #transmit(segment: Omit<TcpSegment, 'ack' | 'acknowledgement'>, bytes: Uint8Array): boolean {
    const acknowledging = { ack: this.#expected > 0, acknowledgement: this.#expected }
    const code = this.#owner.sendTcp(this, { ...segment, ...acknowledging }, bytes)
    if (code === undefined || this.#state === 'closed') return true
    this.#fail(code)
    return false
  }

  #acknowledge(upTo: number): void {
    // Whatever it acknowledges, the other side is alive: a reader that rests must not look like a dead peer.
    this.#retransmissions = 0
    const arrived = this.#unacknowledged.filter((part) => part.sequence < upTo)
    if (arrived.length === 0) return
    this.#unacknowledged = this.#unacknowledged.filter((part) => part.sequence >= upTo)
    this.#timer?.cancel()
    this.#timer = undefined
    const isFinished = arrived.some((part) => part.kind === 'fin')
    if (isFinished && this.#state === 'orphaned') return this.#close()
    this.#pump()
    if (isFinished) this.#whenFinArrived?.()
  }

  #takeInOrder(): void {
    for (;;) {
      const part = this.#early.get(this.#expected)
      if (part === undefined || (part.kind === 'data' && !this.#wantsData)) return
      this.#early.delete(this.#expected++)
      if (part.kind === 'data') this.#wantsData = this.push(part.bytes)
      else if (part.kind === 'fin') this.push(null)
    }
  }

  #armTimer(): void {
    if (this.#timer !== undefined || this.#unacknowledged.length === 0) return
    const delayMs = Math.min(MAX_RTO_MS, this.#rtoMs * 2 ** this.#retransmissions)
    this.#timer = this.#owner.later(delayMs, () => {
      this.#timer = undefined
      this.#retransmit()
    })
  }

  #retransmit(): void {
    const limit = this.#state === 'opening' ? MAX_SYN_RETRANSMISSIONS : MAX_RETRANSMISSIONS
    if (this.#retransmissions >= limit) return this.#fail('ETIMEDOUT')
    this.#retransmissions++
    for (const part of this.#unacknowledged) if (!this.#send(part)) return
    this.#armTimer()
  }

  /** Lets the last bytes and a FIN go out although the program has closed the socket. */
  #orphan(): void {
    this.#state = 'orphaned'
    if (!this.writableEnded) this.#enqueue('fin', NO_DATA)
    if (this.#queued.length === 0 && this.#unacknowledged.length === 0) this.#close()
    else this.#pump()
  }

  #abandon(): void {
    this.#sendBare('rst')
    this.#close()
  }

  #fail(code: string): void {
    if (this.#state === 'closed') return
    this.#close()
    const error = new Error(`${code}: TCP ${formatAddress(this.local)} to ${formatAddress(this.remote)}`)
    this.destroy(Object.assign(error, { code }))
  }

  #close(): void {
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#owner.forgetTcp(this)
  }
}

function kindOf(segment: TcpSegment, bytes: Uint8Array): Kind | undefined {
  if (segment.syn) return 'syn'
  if (segment.fin) return 'fin'
  return bytes.length > 0 ? 'data' : undefined
}
