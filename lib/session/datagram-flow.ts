import { ReachError } from '../base/errors.ts'
import type { Timer } from '../base/runtime.ts'
import { DatagramReader, MAX_UDP_LENGTH } from '../protocol/datagram/datagram-frame.ts'
import { DatagramQueue } from '../protocol/datagram/datagram-queue.ts'
import type { ResetReason } from '../protocol/mux/reset-reason.ts'
import { DatagramSender } from './datagram-sender.ts'
import { IdleTimer } from './idle-timer.ts'
import type { SessionStream } from './session-stream.ts'

/** What a flow needs of the session around it. */
export interface FlowSurroundings {
  /** We opened it. */
  readonly isOurs: boolean
  nowMs(): number
  setTimer(delayMs: number, callback: () => void): Timer
  /** Sends a datagram beside the stream; false when it has to go through it. */
  sendSealed(bytes: Uint8Array): boolean
  /** Takes what comes beside the stream from now on; the result ends that. */
  receiveSealed(take: (bytes: Uint8Array) => void): () => void
}

/** Ours: four datagrams of UDP's greatest length wait for a path that is slower than the sender; others not for long. */
const SEND_LIMITS = { maxBytes: 4 * 65_536 + 1024, maxAgeMs: 1000 } as const
/** Ours: the same for a reader that is slower; it alone knows how old is too old. */
const RECEIVE_LIMITS = { maxBytes: 4 * 65_536 + 1024, maxAgeMs: Infinity } as const

/**
 * A conversation of datagrams with a service of a peer: each arrives whole or not at all, with up to 65,507 bytes. They go
 * sealed over UDP while there is a direct path that carries them, and else through a stream of the session; a change of
 * paths ends nothing. When they come faster than the path or the reader takes them, the oldest are dropped.
 *
 * What came is read by `onMessage` or, when that is not set, by iterating.
 */
export class DatagramFlow implements AsyncIterable<Uint8Array>, AsyncDisposable {
  /** What it leads to. */
  readonly service: string
  /** Resolves when it is over; with the reason unless one side had closed it. Never rejects. */
  readonly closed: Promise<ReachError | undefined>
  /** @internal It opens, refuses and ends the flow, and carries datagrams when nothing else does. */
  readonly stream: SessionStream
  readonly #around: FlowSurroundings
  readonly #sender: DatagramSender
  readonly #came = new DatagramQueue(RECEIVE_LIMITS)
  readonly #idle: IdleTimer
  readonly #stopReceiving: () => void
  #onMessage: ((bytes: Uint8Array) => void) | undefined
  #wakeReader: (() => void) | undefined
  #lastActiveMs: number
  #tooLate = 0
  #error: ReachError | undefined
  #isOver = false

  constructor(stream: SessionStream, around: FlowSurroundings) {
    this.stream = stream
    this.service = stream.service
    this.#around = around
    this.#lastActiveMs = around.nowMs()
    this.#sender = new DatagramSender(stream, SEND_LIMITS, () => around.nowMs())
    this.#stopReceiving = around.receiveSealed((bytes) => this.#take(bytes))
    const surroundings = {
      nowMs: () => around.nowMs(),
      setTimer: (delayMs: number, callback: () => void) => around.setTimer(delayMs, callback),
      queuedLength: () => 0,
    }
    this.#idle = new IdleTimer(surroundings, () => this.#finish())
    this.closed = new Promise((resolve) => stream.once('close', () => resolve(this.#settle())))
    this.#readStream()
  }

  /** Datagrams that were dropped here, in either direction: too many, too old, or the flow was over. Those lost on the way are not known. */
  get droppedDatagrams(): number {
    return this.#sender.dropped + this.#came.dropped + this.#tooLate
  }

  /** When something was last sent or came, in monotonic ms. */
  get lastActiveMs(): number {
    return this.#lastActiveMs
  }

  /** True until one side has ended it. */
  get isOpen(): boolean {
    return !this.#isOver
  }

  /**
   * Sends a datagram. It may be lost; nobody tells.
   * @throws {RangeError} for more than 65,507 bytes
   */
  send(bytes: Uint8Array): void {
    if (bytes.length > MAX_UDP_LENGTH) {
      throw new RangeError(`a datagram has at most ${MAX_UDP_LENGTH} bytes, not ${bytes.length}`)
    }
    if (this.#isOver) {
      this.#tooLate++
      return
    }
    this.#touch()
    // Before the peer has taken the flow, it knows of no such packets.
    if (!this.stream.isAccepted || !this.#around.sendSealed(bytes)) this.#sender.send(bytes)
  }

  /** Hears of each datagram, and at once of those that wait. Who sets it does not iterate. */
  get onMessage(): ((bytes: Uint8Array) => void) | undefined {
    return this.#onMessage
  }

  set onMessage(onMessage: ((bytes: Uint8Array) => void) | undefined) {
    this.#onMessage = onMessage
    while (this.#onMessage !== undefined) {
      const next = this.#next()
      if (next === undefined) break
      this.#onMessage(next)
    }
  }

  /** Each datagram, until the flow is over. Leaving the loop closes it. @throws {ReachError} why it ended, unless closed */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const next = this.#next()
        if (next !== undefined) yield next
        else if (this.#isOver) break
        else await new Promise<void>((resolve) => (this.#wakeReader = resolve))
      }
      if (this.#error !== undefined) throw this.#error
    } finally {
      this.#finish()
    }
  }

  /** Ends the flow when nothing was sent and nothing came for so long; 0: never. @throws {RangeError} for no span of time */
  setIdleTimeout(idleMs: number): void {
    if (!this.#isOver) this.#idle.set(idleMs)
  }

  /** Ends it: what was sent in time still goes. Resolves when that has left, or the session is over. Idempotent. */
  async close(): Promise<void> {
    this.#finish()
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Takes a flow that the peer opened. */
  accept(): void {
    this.stream.accept()
  }

  /** Ends it at once and tells the peer why; before it was accepted: refuses it. @internal */
  reset(reason: ResetReason): void {
    this.stream.reset(reason)
  }

  #readStream(): void {
    const { stream } = this
    const reader = new DatagramReader(MAX_UDP_LENGTH)
    stream.on('error', (error) => {
      this.#error = ReachError.is(error)
        ? error
        : new ReachError('ERR_REACH_STREAM_RESET', 'the flow broke', { cause: error })
    })
    stream.once('end', () => this.#finish())
    stream.on('data', (chunk: Uint8Array) => {
      try {
        for (const bytes of reader.push(chunk)) this.#take(bytes)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
        this.#error = error
        stream.reset('malformed')
      }
    })
  }

  #take(bytes: Uint8Array): void {
    if (this.#isOver) return
    this.#touch()
    if (this.#onMessage !== undefined) {
      this.#onMessage(bytes)
      return
    }
    this.#came.push(bytes, this.#around.nowMs())
    this.#wake()
  }

  #next(): Uint8Array | undefined {
    return this.#came.shift(this.#around.nowMs())
  }

  #touch(): void {
    this.#lastActiveMs = this.#around.nowMs()
    this.#idle.touch()
  }

  #wake(): void {
    const wake = this.#wakeReader
    this.#wakeReader = undefined
    wake?.()
  }

  /** Nothing more is sent or taken; the stream takes leave. */
  #finish(): void {
    const { stream } = this
    this.#end()
    if (stream.destroyed) return
    if (stream.isAccepted || this.#around.isOurs) {
      this.#sender.end()
      stream.destroySoon()
    } else stream.reset('cancelled')
  }

  #settle(): ReachError | undefined {
    this.#end()
    return this.#error
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#idle.stop()
    this.#stopReceiving()
    this.#wake()
  }
}
