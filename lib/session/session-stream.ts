import { Duplex } from 'node:stream'
import { ReachError } from '../base/errors.ts'
import type { MuxStream } from '../protocol/mux/mux-stream.ts'
import type { ResetReason } from '../protocol/mux/reset-reason.ts'
import { RESET_REASONS, streamResetError } from '../protocol/mux/reset-reason.ts'

/** What a stream needs of the session around it. */
export interface StreamSurroundings {
  nowMs(): number
  /** Something was done to the stream: what it has to say leaves at the end of this turn. */
  touched(): void
}

/** Ours: read ahead of the application; the window of the stream bounds the rest. */
const READ_AHEAD = 64 * 1024
/** Ours: how long a stream that was ended and destroyed waits for the peer's end. */
const LINGER_MS = 60_000
/** Ours: as much as the mux takes before it says stop. */
const WRITE_AHEAD = 64 * 1024

/**
 * One conversation inside a session: a Node Duplex with backpressure both ways. `end()` ends our direction, the peer's goes
 * on. `destroy()` ends both at once, and the peer's end fails with ERR_REACH_STREAM_RESET; when that happens here,
 * `details.reason` of the error says why.
 *
 * Events beside a Duplex's: `accepted`, when the peer took a stream that we opened.
 */
export class SessionStream extends Duplex {
  /** What it leads to. */
  readonly service: string
  readonly #mux: MuxStream
  readonly #around: StreamSurroundings
  /** Received, handed to the Duplex, and not read by the application as far as we know. */
  #unread = 0
  #whenWritable: ((error?: Error | null) => void) | undefined
  #resetCode: number = RESET_REASONS.cancelled
  #isAccepted: boolean
  #isLingering = false
  #lingersSinceMs = 0
  /** The peer sends to a stream that nobody reads any more. */
  #isTalkedAt = false
  /** The peer's direction has ended; perhaps not all of it was read. */
  #hasEnd = false

  constructor(mux: MuxStream, around: StreamSurroundings) {
    super({
      allowHalfOpen: true,
      decodeStrings: true,
      readableHighWaterMark: READ_AHEAD,
      writableHighWaterMark: WRITE_AHEAD,
    })
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

  /** As of `net.Socket`: destroys it as soon as what was written has left. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** As of `net.Socket`, for who takes this for one; there is nothing to set. */
  setNoDelay(): this {
    return this
  }

  /** As of `net.Socket`: the session asks by itself whether the peer is there. */
  setKeepAlive(): this {
    return this
  }

  /** As of `net.Socket`: nothing to set, sessions find dead peers themselves. `callback` is for idle time, not used. */
  setTimeout(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  // What the session tells the stream.

  /** @internal */
  takeData(bytes: Uint8Array): void {
    if (this.#isLingering || this.destroyed) {
      this.#isTalkedAt = true
      this.#mux.consume(bytes.length, this.#around.nowMs())
      return
    }
    this.#unread += bytes.length
    if (this.push(bytes)) this.#consume()
  }

  /** @internal */
  takeEnd(): void {
    this.#hasEnd = true
    if (!this.destroyed) this.push(null)
  }

  /** @internal */
  takeAccepted(): void {
    this.#isAccepted = true
    this.emit('accepted')
  }

  /** @internal */
  takeWritable(): void {
    const callback = this.#whenWritable
    this.#whenWritable = undefined
    callback?.()
  }

  /** @internal */
  takeReset(code: number): void {
    const error = streamResetError(code, { wasAccepted: this.#isAccepted })
    const isCut = !this.#hasEnd || this.readableEnded || this.destroyed
    if (isCut) {
      this.destroy(error)
      return
    }
    // All of the peer's direction is here: whoever reads it gets it whole. Only what we wrote is lost.
    const isLost = this.writableLength > 0
    this.once('end', () => this.destroy(isLost ? error : undefined))
    const whenWritable = this.#whenWritable
    this.#whenWritable = undefined
    whenWritable?.(error)
  }

  /** @internal The session ended under it. */
  takeSessionEnd(error: ReachError): void {
    this.destroy(error)
  }

  /** @internal True when it waits, destroyed, for its last bytes to leave. */
  get isLingering(): boolean {
    return this.#isLingering
  }

  /**
   * @internal Once all that was written has left, it is over when the peer goes on sending, or does not end its direction
   * for long. True when it is over; the mux says otherwise when it is.
   */
  endLingering(nowMs: number): boolean {
    if (this.#mux.isOver) return true
    if (this.#mux.queuedLength > 0) return false
    if (!this.#isTalkedAt && nowMs - this.#lingersSinceMs < LINGER_MS) return false
    this.#isLingering = false
    this.#mux.reset(this.#resetCode)
    return true
  }

  override _read(): void {
    this.#consume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // A copy: the writer may use its memory again after the callback, while the link may have to send this once more.
    this.#send([Buffer.from(chunk)], callback)
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    callback: (error?: Error | null) => void,
  ): void {
    this.#send(copies(chunks.map(({ chunk }) => chunk)), callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (!this.#mux.isOver) this.#mux.end()
    this.#around.touched()
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const whenWritable = this.#whenWritable
    this.#whenWritable = undefined
    const isDone = error === null && this.writableFinished && this.#resetCode === RESET_REASONS.cancelled
    if (isDone && this.readableEnded) this.#consume()
    else if (isDone && !this.#mux.isOver) this.#linger()
    else this.#mux.reset(this.#resetCode)
    this.#around.touched()
    whenWritable?.(error ?? new ReachError('ERR_REACH_ABORTED', 'the stream was destroyed'))
    callback(error)
  }

  #send(chunks: readonly Uint8Array[], callback: (error?: Error | null) => void): void {
    if (this.#mux.isOver) {
      callback(new ReachError('ERR_REACH_STREAM_RESET', 'the stream is over'))
      return
    }
    if (!this.#isAccepted && !this.#mux.isOurs) this.accept()
    let takesMore = true
    for (const chunk of chunks) takesMore = this.#mux.write(chunk)
    this.#around.touched()
    if (takesMore) callback()
    else this.#whenWritable = callback
  }

  /** What was written leaves, what comes is dropped. */
  #linger(): void {
    this.#isLingering = true
    this.#lingersSinceMs = this.#around.nowMs()
    this.#consume()
  }

  #consume(): void {
    const length = this.#unread
    if (length === 0) return
    this.#unread = 0
    this.#mux.consume(length, this.#around.nowMs())
    this.#around.touched()
  }
}

/** Ours: below this, chunks are joined: a frame of many small pieces costs more than copying them once. */
const JOIN_BELOW = 16 * 1024

/** Copies of the chunks, small neighbours joined. */
function copies(chunks: readonly Buffer[]): Buffer[] {
  const joined: Buffer[] = []
  let small: Buffer[] = []
  const flush = () => {
    if (small.length > 0) joined.push(Buffer.concat(small))
    small = []
  }
  for (const chunk of chunks) {
    if (chunk.length < JOIN_BELOW) small.push(chunk)
    else {
      flush()
      joined.push(Buffer.from(chunk))
    }
  }
  flush()
  return joined
}
