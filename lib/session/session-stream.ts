import { Buffer } from 'node:buffer'
import { copyTo } from '../base/byte-views.ts'
import { ReachError } from '../base/errors.ts'
import type { Timer } from '../base/runtime.ts'
import { LEND_TO } from '../net/lending.ts'
import type { Borrower, LendingStream } from '../net/lending.ts'
import { WRITE_PAST } from '../net/write-past.ts'
import type { OnTaken, PastWritable } from '../net/write-past.ts'
import type { MuxStream } from '../protocol/mux/mux-stream.ts'
import type { ResetReason } from '../protocol/mux/reset-reason.ts'
import { RESET_REASONS, streamResetError } from '../protocol/mux/reset-reason.ts'
import type { IdleSurroundings } from './idle-timer.ts'
import type { Recipient } from './loans.ts'
import type { SendMemory } from './send-memory.ts'
import { SocketLike } from './socket-like.ts'

/** What streams need of the session around them; one for all of them. */
export interface StreamSurroundings {
  /** Where what is written is copied to. */
  readonly memory: SendMemory
  nowMs(): number
  setTimer(delayMs: number, callback: () => void): Timer
  /** Something was done to the stream: what it has to say leaves at the end of this turn. */
  touched(): void
  /** Destroyed. It may linger: wait for its last bytes to leave, and for the peer's end. */
  destroyed(stream: SessionStream, mux: MuxStream): void
  /** It has lingered, and now nothing of it is left to send or to drop. */
  over(stream: SessionStream, mux: MuxStream): void
}

const RESOLVED = Promise.resolve<undefined>(undefined)

/** Ours: read ahead of the application; the window of the stream bounds the rest. */
const READ_AHEAD = 64 * 1024
/**
 * Ours: less than this is handed on as a copy, in memory that Node cuts from its pool: whoever keeps a small message would
 * keep the 32 KiB that it was received in, and each would be received somewhere else.
 */
const COPIED_BELOW = 4096
/** Ours: as much as the mux takes before it says stop. */
const WRITE_AHEAD = 64 * 1024
/**
 * Ours: how long a stream that was destroyed after its end waits for the peer's end. A reset would make the peer drop what
 * it has not read, so it comes late; TCP waits as long (FIN_WAIT_2).
 */
const LINGER_MS = 60_000
/** Ours: what the peer may send meanwhile, to be dropped; then it is told by a reset that nobody reads it. */
const MAX_DROPPED = 1024 * 1024

/**
 * One conversation inside a session: a Node Duplex with backpressure both ways. `end()` ends our direction, the peer's goes
 * on. `destroy()` ends both at once, and the peer's end fails with ERR_REACH_STREAM_RESET; when that happens here,
 * `details.reason` of the error says why.
 *
 * Events beside a Duplex's: `accepted`, when the peer took a stream that we opened; `timeout`, as `setTimeout` asks.
 */
export class SessionStream extends SocketLike implements LendingStream, PastWritable {
  /** What it leads to. */
  readonly service: string
  readonly #mux: MuxStream
  readonly #around: StreamSurroundings
  /** Received, handed to the Duplex, and not read by the application as far as we know. */
  #unread = 0
  #whenWritable: ((error?: Error | null) => void) | undefined
  #resetCode: number = RESET_REASONS.cancelled
  #isAccepted: boolean
  /** The peer's direction has ended; perhaps not all of it was read. */
  #hasEnd = false
  #isLingering = false
  #lingerTimer: Timer | undefined
  #dropped = 0
  /** Who reads, if it promises to say when it does not need what it has read. */
  #borrower: Borrower | undefined

  constructor(mux: MuxStream, around: StreamSurroundings) {
    super({ readableHighWaterMark: READ_AHEAD, writableHighWaterMark: WRITE_AHEAD })
    this.#mux = mux
    this.#around = around
    this.#isAccepted = mux.isAccepted
    this.service = mux.service ?? ''
  }

  /** The peer has taken it (when we opened it), or we have. */
  get isAccepted(): boolean {
    return this.#isAccepted
  }

  /** Takes a stream that the peer opened; until then nothing can be written. */
  accept(): void {
    if (this.#isAccepted || this.destroyed) return
    this.#isAccepted = true
    this.#mux.accept()
    this.#around.touched()
  }

  /** Ends both directions at once; the peer is told the reason. Before `accept`: refuses the stream. */
  reset(reason: ResetReason | number): void {
    this.#resetCode = typeof reason === 'number' ? reason : RESET_REASONS[reason]
    this.destroy()
  }

  /**
   * As `on('data')`, for who looks at bytes and keeps none, as a hash, a parser or a counter: once the callback has returned,
   * their memory is written to again, so copy what is needed longer. It spares a fresh buffer for each read, which V8 may take
   * for pressure on the heap. `pause()`, `resume()`, `off('data')` and all events work as ever; while others listen for
   * `data`, too, nothing is written over. Like `onread` of a `net.Socket`.
   */
  readInPlace(onBytes: (bytes: Buffer) => void): this {
    this[LEND_TO]({ listener: onBytes, giveBack: () => true })
    return this.on('data', onBytes)
  }

  /** @internal */
  [LEND_TO](borrower: Borrower): void {
    this.#borrower = borrower
  }

  // What the session tells the stream.

  /** @internal @returns who has the bytes now */
  takeData(bytes: Uint8Array): Recipient {
    if (this.#isLingering || this.destroyed) {
      this.#mux.consume(bytes.length, this.#around.nowMs())
      if (this.#lingerTimer === undefined) return 'nobody'
      this.#dropped += bytes.length
      if (this.#dropped > MAX_DROPPED) this.#endLinger()
      return 'nobody'
    }
    this.touch()
    this.#unread += bytes.length
    const borrower = this.#soleBorrower() // those who listen now are told: later there may be others
    const isCopied = borrower === undefined && bytes.length < COPIED_BELOW
    if (this.#give(isCopied ? copyOf(bytes) : asBuffer(bytes))) this.#consume()
    if (isCopied) return 'nobody'
    // What was emitted at once the borrower knows of; what waits in the stream will be the reader's.
    return this.readableLength === 0 && borrower !== undefined ? borrower : 'keeper'
  }

  /** @internal */
  takeEnd(): void {
    this.#hasEnd = true
    if (!this.destroyed) this.push(null)
  }

  /** @internal */
  takeAccepted(): void {
    this.#isAccepted = true
    this.touch()
    this.emit('accepted')
  }

  /** @internal */
  takeWritable(): void {
    const callback = this.#whenWritable
    this.#whenWritable = undefined
    this.touch()
    callback?.()
  }

  /** @internal Both directions have ended. */
  takeClosed(): void {
    if (this.#isLingering) this.#endLinger()
  }

  /** @internal */
  takeReset(code: number): void {
    const error = streamResetError(code, { wasAccepted: this.#isAccepted })
    if (this.#isLingering) this.#endLinger()
    else if (this.#hasEnd && !this.readableEnded && !this.destroyed) this.#giveWhatIsHere(error)
    else this.destroy(error)
  }

  /** @internal The session ended under it. */
  takeSessionEnd(error: ReachError): void {
    if (this.#isLingering) this.#endLinger()
    else this.destroy(error)
  }

  /** @internal True when it waits, destroyed, for its last bytes to leave, and for the peer's end. */
  get isLingering(): boolean {
    return this.#isLingering
  }

  /** @internal True once all that was written has left: only the peer's end is waited for, and not forever. */
  hasLeft(): boolean {
    if (!this.#isLingering) return true
    if (this.#mux.queuedLength > 0) return false
    this.#lingerTimer ??= this.#around.setTimer(LINGER_MS, () => this.#endLinger())
    return true
  }

  override _read(): void {
    this.#consume()
  }

  /**
   * As of Writable. A small chunk that the session takes at once, as nearly always when somebody writes one message at a
   * time, goes past its queue: it would do nothing but call back.
   */
  override write(chunk: unknown, encoding?: BufferEncoding | OnTaken, callback?: OnTaken): boolean {
    const isTaken = encoding === undefined && chunk instanceof Uint8Array && this.#takesNow(chunk.length)
    if (!isTaken) return super.write(chunk, encoding as BufferEncoding, callback)
    this.#pass(this.#around.memory.copy(chunk))
    this.#around.touched()
    return true
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#send(this.#around.memory.copy(chunk), callback)
  }

  /** @internal */
  [WRITE_PAST](chunk: Uint8Array, onTaken: OnTaken): void {
    this.#send(this.#around.memory.copy(chunk), onTaken, true)
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    callback: (error?: Error | null) => void,
  ): void {
    this.#send(this.#around.memory.copyAll(chunks.map(({ chunk }) => chunk)), callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (!this.#mux.isOver) this.#mux.end()
    this.#around.touched()
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const whenWritable = this.#whenWritable
    this.#whenWritable = undefined
    this.stopIdling()
    const isDone = error === null && this.writableFinished && this.#resetCode === RESET_REASONS.cancelled
    if (isDone && this.readableEnded) this.#consume()
    else if (isDone && !this.#mux.isOver) this.#linger()
    else this.#mux.reset(this.#resetCode)
    this.#around.destroyed(this, this.#mux)
    this.#around.touched()
    whenWritable?.(error ?? new ReachError('ERR_REACH_ABORTED', 'the stream was destroyed'))
    callback(error)
  }

  protected override idleSurroundings(): IdleSurroundings {
    return {
      nowMs: () => this.#around.nowMs(),
      setTimer: (delayMs, callback) => this.#around.setTimer(delayMs, callback),
      queuedLength: () => this.#mux.queuedLength,
    }
  }

  /**
   * Hands a chunk to who listens, or puts it into the stream. As `push` would, but for the look ahead that this makes for each
   * chunk, a `nextTick` that costs as much as all else of a small one: somebody who listens reads on anyway.
   * @returns true when more may come
   */
  #give(chunk: Buffer): boolean {
    const isAwaited = this.readableFlowing === true && this.readableLength === 0 && this.readableDidRead
    return (isAwaited && this.readableEncoding === null && this.emit('data', chunk)) || this.push(chunk)
  }

  /** Who reads, if nobody else does. */
  #soleBorrower(): Borrower | undefined {
    const borrower = this.#borrower
    if (borrower === undefined) return undefined
    return this.listenerCount('data', borrower.listener) === this.listenerCount('data') ? borrower : undefined
  }

  /**
   * @param chunks copies, for the writer may use its memory again after the callback, while the link may have to send them
   * once more
   * @param isPast the callback may come before this returns: no Writable is behind it
   */
  #send(chunks: readonly Uint8Array[], callback: OnTaken, isPast = false): void {
    if (this.#mux.isOver) {
      callback(new ReachError('ERR_REACH_STREAM_RESET', 'the stream is over'))
      return
    }
    if (!this.#pass(chunks)) this.#whenWritable = callback
    else if (isPast) callback()
    // Called at once, the Writable would make a `nextTick` of it, which costs as much as the rest of a small write.
    else void RESOLVED.then(callback)
    this.#around.touched() // behind the callback, which may be followed by more
  }

  /** Nothing of what was written before waits, here or in the mux, and so much more makes nobody wait. */
  #takesNow(length: number): boolean {
    if (length >= WRITE_AHEAD || this.#mux.isOver || this.#mux.queuedLength > 0) return false
    return this.writable && this.writableLength === 0 && this.writableCorked === 0
  }

  /** Gives chunks to the mux; false when it would rather not have more. */
  #pass(chunks: readonly Uint8Array[]): boolean {
    if (!this.#isAccepted && !this.#mux.isOurs) this.accept()
    let takesMore = true
    for (const chunk of chunks) takesMore = this.#mux.write(chunk)
    this.touch()
    return takesMore
  }

  /** All of the peer's direction has come before it reset the stream: whoever reads gets it whole. */
  #giveWhatIsHere(error: ReachError): void {
    const isLost = this.writableLength > 0
    this.once('end', () => this.destroy(isLost ? error : undefined))
    const whenWritable = this.#whenWritable
    this.#whenWritable = undefined
    whenWritable?.(error)
  }

  /** What was written leaves, what comes is dropped. */
  #linger(): void {
    this.#isLingering = true
    this.#consume()
  }

  #endLinger(): void {
    this.#isLingering = false
    this.#lingerTimer?.cancel()
    this.#lingerTimer = undefined
    this.#mux.reset(this.#resetCode)
    this.#around.touched()
    this.#around.over(this, this.#mux)
  }

  #consume(): void {
    const length = this.#unread
    if (length === 0) return
    this.#unread = 0
    this.#mux.consume(length, this.#around.nowMs())
    this.#around.touched()
  }
}

/** As `Buffer.from`, which has to look first at what it is given. */
function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length)
  copyTo(copy, bytes, 0)
  return copy
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
