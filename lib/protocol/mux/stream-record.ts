import type { ControlState } from './control-queue.ts'
import { INITIAL_WINDOW } from './frame.ts'
import type { MuxStream } from './mux-stream.ts'
import type { StreamContent } from './open-header.ts'
import type { ReceiveWindow } from './receive-window.ts'
import { MAX_RESET_CODE } from './reset-reason.ts'
import { SendQueue } from './send-queue.ts'
import type { RingLinks, StreamRing } from './stream-ring.ts'

/** Ours: from here on `write` answers false: enough for four turns on the link. */
export const QUEUE_HIGH = 256 * 1024
/** Ours: `writable` comes when this much is left, so that the link does not run dry while the user writes. */
export const QUEUE_LOW = 64 * 1024
/** Ours: the same for datagrams, which are worth less with each moment that they wait: where they can't be dropped. */
const DATAGRAM_QUEUE_HIGH = 32 * 1024
const DATAGRAM_QUEUE_LOW = 8 * 1024

/** How far the two sides have agreed on a stream. */
export type Opening =
  /** Ours, and too many others wait for the peer's answer. */
  | 'parked'
  /** Ours, and the peer does not know of it yet. */
  | 'syn-due'
  /** Ours, without an answer. */
  | 'syn-sent'
  /** The peer's, and not decided on. */
  | 'offered'
  /** The peer's, accepted, and it does not know that yet. */
  | 'ack-due'
  | 'established'

/** What a stream asks of its session. */
export interface StreamHost {
  /** It has something to send, or may have. */
  schedule(record: StreamRecord): void
  /** It owes the peer an acknowledgement or credit. */
  scheduleControl(record: StreamRecord): void
  accepted(record: StreamRecord): void
  /** It is to be torn down by us. */
  abandon(record: StreamRecord, code: number): void
  consumed(record: StreamRecord, length: number, nowMs: number): void
}

/** What a stream is for. */
export interface StreamSubject {
  /** Undefined on a session without OPEN. */
  readonly service: string | undefined
  readonly carries: StreamContent
}

/** All that a session knows of one stream. `MuxStream` is the part for users. */
export class StreamRecord implements MuxStream, RingLinks<StreamRecord> {
  readonly id: number
  readonly isOurs: boolean
  readonly service: string | undefined
  readonly carries: StreamContent
  readonly window: ReceiveWindow
  readonly queue = new SendQueue()
  readonly #host: StreamHost

  opening: Opening
  sending: 'open' | 'fin-due' | 'ended' = 'open'
  receiving: 'open' | 'ended' = 'open'
  /** `finished` by both ends, or `reset`; the rest does not count any more then. */
  life: 'live' | 'finished' | 'reset' = 'live'
  /** What we may still send. */
  sendWindow = INITIAL_WINDOW
  /** The user waits for `writable`. */
  wantsRoom = false

  control: ControlState = 'none'

  ring: StreamRing<StreamRecord> | undefined = undefined
  before: StreamRecord | undefined = undefined
  after: StreamRecord | undefined = undefined

  constructor(
    host: StreamHost,
    id: number,
    isOurs: boolean,
    { service, carries }: StreamSubject,
    window: ReceiveWindow,
  ) {
    this.#host = host
    this.id = id
    this.isOurs = isOurs
    this.service = service
    this.carries = carries
    this.window = window
    this.opening = isOurs ? 'parked' : 'offered'
  }

  /** The peer may speak of it. */
  get isKnownToPeer(): boolean {
    return this.opening !== 'parked' && this.opening !== 'syn-due'
  }

  get isAccepted(): boolean {
    return this.opening === 'established' || this.opening === 'ack-due'
  }

  get isOver(): boolean {
    return this.life !== 'live'
  }

  get queuedLength(): number {
    return this.queue.length
  }

  /** So much is left in the queue when its user is told to write again. */
  get queueLow(): number {
    return this.carries === 'datagrams' ? DATAGRAM_QUEUE_LOW : QUEUE_LOW
  }

  #queueHigh(): number {
    return this.carries === 'datagrams' ? DATAGRAM_QUEUE_HIGH : QUEUE_HIGH
  }

  get heldLength(): number {
    return this.window.held
  }

  get receiveWindow(): number {
    return this.window.size
  }

  /** True when a turn on the link would not be in vain. */
  get isSendable(): boolean {
    if (this.life !== 'live' || this.opening === 'offered' || this.opening === 'parked') return false
    if (this.opening === 'syn-due') return true
    return this.queue.length > 0 ? this.sendWindow > 0 : this.sending === 'fin-due'
  }

  accept(): void {
    if (this.isOurs) throw new RangeError('a stream that we opened is for the peer to accept')
    if (this.isOver || this.isAccepted) return
    this.opening = 'ack-due'
    this.#host.accepted(this)
  }

  write(chunk: Uint8Array): boolean {
    if (this.isOver) return false
    if (this.opening === 'offered') throw new RangeError('write before accept')
    if (this.sending !== 'open') throw new RangeError('write after end')
    this.queue.push(chunk)
    this.#host.schedule(this)
    // Once it has said false, `writable` follows, whatever is written meanwhile.
    if (this.queue.length >= this.#queueHigh()) this.wantsRoom = true
    return !this.wantsRoom
  }

  end(): void {
    if (this.isOver || this.sending !== 'open') return
    if (this.opening === 'offered') throw new RangeError('end before accept')
    this.sending = 'fin-due'
    this.#host.schedule(this)
  }

  reset(code: number): void {
    if (!Number.isInteger(code) || code < 0 || code > MAX_RESET_CODE) {
      throw new RangeError(`reset code ${code} is not from 0 to 2^32 - 1`)
    }
    if (this.life === 'live') return this.#host.abandon(this, code)
    this.life = 'reset'
    this.window.close()
  }

  consume(length: number, nowMs: number): void {
    if (this.life !== 'reset') this.#host.consumed(this, length, nowMs)
  }
}
