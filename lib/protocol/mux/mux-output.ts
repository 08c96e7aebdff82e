import { FRAME_FLAGS, FRAME_HEADER_LENGTH, FRAME_TYPES, SESSION_STREAM_ID } from './frame.ts'
import { FrameWriter } from './frame-writer.ts'
import type { MuxCore } from './mux-core.ts'
import { MAX_OPEN_LENGTH } from './open-header.ts'
import type { StreamRecord } from './stream-record.ts'

/** Issue 4: no stream holds the link for more than this before others get their turn. */
export const MAX_PAYLOAD_LENGTH = 64 * 1024

/**
 * Ours: a data frame is not begun with less room than this. It keeps the ends of pulls from being cut into splinters, and
 * holds the longest OPEN, which must be whole in its frame.
 */
export const MIN_ROOM = FRAME_HEADER_LENGTH + MAX_OPEN_LENGTH

/** Writes what a session has to say: first what others wait for (answers, resets, credit), then data, stream by stream. */
export class MuxOutput {
  readonly #core: MuxCore
  readonly #writer = new FrameWriter()
  /** Whose turn it is, and how much of it is left, in bytes of payload. */
  #turnOf: StreamRecord | undefined
  #turnLeft = 0
  /** How long the pull at hand may become. */
  #length = 0
  readonly #put = (piece: Uint8Array): void => this.#writer.payload(piece)

  constructor(core: MuxCore) {
    this.#core = core
  }

  get hasSomething(): boolean {
    const { goAwayDue, pongs, resets, control, ready, keepalive, end } = this.#core
    if (goAwayDue !== undefined || resets.length > 0) return true
    if (end !== undefined) return false
    return pongs.length > 0 || control.size > 0 || ready.size > 0 || keepalive.isPingDue
  }

  /** The next frames: `maxLength` bytes at most, or {@link MIN_ROOM} when that is more. */
  next(maxLength: number, nowMs: number): readonly Uint8Array[] {
    this.#length = Math.max(maxLength, MIN_ROOM)
    this.#writeAnswers(nowMs)
    this.#writeResets()
    this.#writeGoAway()
    if (this.#core.end === undefined) {
      this.#writeControl(nowMs)
      this.#writeData()
    }
    return this.#writer.take()
  }

  /** What still fits into this pull. */
  #room(): number {
    return this.#length - this.#writer.length
  }

  #frame(type: number, flags: number, streamId: number, length: number): void {
    this.#writer.header({ type, flags, streamId, length })
  }

  #writeAnswers(nowMs: number): void {
    if (this.#core.end !== undefined) return
    const { pongs, keepalive } = this.#core
    if (pongs.length > 0) {
      // Seldom: to empty a list that is empty is not free.
      for (const value of pongs) this.#frame(FRAME_TYPES.ping, FRAME_FLAGS.ack, SESSION_STREAM_ID, value)
      pongs.length = 0
    }
    if (keepalive.isPingDue) {
      this.#frame(FRAME_TYPES.ping, FRAME_FLAGS.syn, SESSION_STREAM_ID, keepalive.ping(nowMs))
    }
  }

  #writeResets(): void {
    while (this.#room() >= FRAME_HEADER_LENGTH) {
      const reset = this.#core.resets.shift()
      if (reset === undefined) return
      this.#frame(FRAME_TYPES.windowUpdate, FRAME_FLAGS.rst, reset.id, reset.code)
    }
  }

  /** It stands behind the resets: for some peers it is the last thing that they read. */
  #writeGoAway(): void {
    const { goAwayDue, resets } = this.#core
    if (goAwayDue === undefined || resets.length > 0 || this.#room() < FRAME_HEADER_LENGTH) return
    this.#frame(FRAME_TYPES.goAway, 0, SESSION_STREAM_ID, goAwayDue)
    this.#core.goAwayDue = undefined
  }

  #writeControl(nowMs: number): void {
    while (this.#room() >= FRAME_HEADER_LENGTH) {
      const record = this.#core.control.shift()
      if (record === undefined) return // nearly always at once
      const flags = record.opening === 'ack-due' ? FRAME_FLAGS.ack : 0
      const delta = record.window.grant(nowMs)
      if (flags !== 0) record.opening = 'established'
      if (flags !== 0 || delta > 0) this.#frame(FRAME_TYPES.windowUpdate, flags, record.id, delta)
    }
  }

  #writeData(): void {
    while (this.#room() >= MIN_ROOM) {
      const record = this.#core.ready.first
      if (record === undefined) return
      if (record !== this.#turnOf) this.#beginTurn(record)
      this.#writeFrame(record)
      // A turn that the end of this pull has cut goes on in the next: else a stream could always get the short ones.
      if (this.#turnLeft === 0 || !record.isSendable) this.#endTurn(record)
    }
  }

  #beginTurn(record: StreamRecord): void {
    this.#turnOf = record
    this.#turnLeft = MAX_PAYLOAD_LENGTH
  }

  #endTurn(record: StreamRecord): void {
    this.#turnOf = undefined
    this.#core.ready.remove(record)
    this.#core.schedule(record)
  }

  /** A part of a stream's turn: one data frame, and its end if that comes next. */
  #writeFrame(record: StreamRecord): void {
    const room = this.#room() - FRAME_HEADER_LENGTH
    const length = Math.min(record.queue.length, record.sendWindow, this.#turnLeft, room)
    const flags = record.opening === 'syn-due' ? FRAME_FLAGS.syn : 0
    if (flags !== 0) record.opening = 'syn-sent'
    if (length > 0) {
      this.#frame(FRAME_TYPES.data, flags, record.id, length)
      record.queue.take(length, this.#put)
      record.sendWindow -= length
      this.#turnLeft -= length
    } else if (flags !== 0) {
      this.#frame(FRAME_TYPES.windowUpdate, flags, record.id, 0)
    }
    if (record.wantsRoom && record.queue.length <= record.queueLow) this.#tellRoom(record)
    const isEndNext = record.queue.length === 0 && record.sending === 'fin-due'
    if (isEndNext && this.#room() >= FRAME_HEADER_LENGTH) this.#writeEnd(record)
  }

  /**
   * An end is a frame of its own, without data. Some implementations take it for the end before they look at the data
   * of the same frame, and their readers lose it.
   */
  #writeEnd(record: StreamRecord): void {
    this.#frame(FRAME_TYPES.windowUpdate, FRAME_FLAGS.fin, record.id, 0)
    record.sending = 'ended'
    this.#core.finishIfEnded(record)
  }

  #tellRoom(record: StreamRecord): void {
    record.wantsRoom = false
    if (record.sending === 'open') this.#core.events.push({ kind: 'writable', stream: record })
  }
}
