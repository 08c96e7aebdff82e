import { Duplex } from 'node:stream'
import { ReachError } from '../base/errors.ts'
import type { MuxStream } from '../protocol/mux/mux-stream.ts'
import type { ResetReason } from '../protocol/mux/reset-reason.ts'
import { RESET_REASONS, streamResetError } from '../protocol/mux/reset-reason.ts'
import type { BlockWriter, SendMemory } from './send-memory.ts'

/** What a stream needs of the session around it. */
export interface StreamSurroundings {
  /** Where what is written is copied to. */
  readonly memory: SendMemory
  nowMs(): number
  /** Something was done to the stream: what it has to say leaves at the end of this turn. */
  touched(): void
}

/** Ours: read ahead of the application; the window of the stream bounds the rest. */
const READ_AHEAD = 64 * 1024
/** Ours: below this, chunks are joined: a frame of many small pieces costs more than copying them once. */
const JOIN_BELOW = 16 * 1024
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
  readonly #blocks: BlockWriter = { lastSent: undefined }
  /** Received, handed to the Duplex, and not read by the application as far as we know. */
  #unread = 0
  #whenWritable: ((error?: Error | null) => void) | undefined
  #resetCode: number = RESET_REASONS.cancelled
  #isAccepted: boolean
  #isLingering = false

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
      this.#mux.consume(bytes.length, this.#around.nowMs())
      return
    }
    this.#unread += bytes.length
    if (this.push(bytes)) this.#consume()
  }

  /** @internal */
  takeEnd(): void {
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
    this.destroy(streamResetError(code, { wasAccepted: this.#isAccepted }))
  }

  /** @internal The session ended under it. */
  takeSessionEnd(error: ReachError): void {
    this.destroy(error)
  }

  /** @internal True when it waits, destroyed, for its last bytes to leave. */
  get isLingering(): boolean {
    return this.#isLingering
  }

  /** @internal Once all that was written has left, the rest is of no interest. True when it is over. */
  endLingeringIfSent(): boolean {
    if (!this.#mux.isOver && this.#mux.queuedLength > 0) return false
    this.#isLingering = false
    this.#mux.reset(this.#resetCode)
    return true
  }

  override _read(): void {
    this.#consume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // A copy: the writer may use its memory again after the callback, while the link may have to send this once more.
    this.#send(this.#copy(chunk), callback)
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    callback: (error?: Error | null) => void,
  ): void {
    this.#send(this.#copies(chunks), callback)
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

  #copy(chunk: Buffer): readonly Uint8Array[] {
    return chunk.length < JOIN_BELOW ? [Buffer.from(chunk)] : this.#around.memory.copy(this.#blocks, chunk)
  }

  /** Copies of the chunks, small neighbours joined. */
  #copies(chunks: readonly { readonly chunk: Buffer }[]): readonly Uint8Array[] {
    const joined: Uint8Array[] = []
    let small: Buffer[] = []
    const flush = () => {
      if (small.length > 0) joined.push(Buffer.concat(small))
      small = []
    }
    for (const { chunk } of chunks) {
      if (chunk.length < JOIN_BELOW) small.push(chunk)
      else {
        flush()
        joined.push(...this.#copy(chunk))
      }
    }
    flush()
    return joined
  }

  /** What was written leaves, what comes is dropped. */
  #linger(): void {
    this.#isLingering = true
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
