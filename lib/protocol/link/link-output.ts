import type { LinkPath } from './link-path.ts'
import type { ReceiveHalf } from './receive-half.ts'
import type { RecordWriter } from './record-writer.ts'
import type { SendHalf } from './send-half.ts'
import { writeAck, writeFin, writePing } from './session-record.ts'

const NO_CHUNKS: readonly Uint8Array[] = []
const PLACEHOLDER = new Uint8Array(0)

/** What a path may be given now besides what is queued for it. */
export interface OutputScope {
  /** It carries our direction of the stream. */
  readonly carriesData: boolean
  /** Acknowledgements go here. */
  readonly carriesAcks: boolean
}

/** Makes the next output of a path: what is queued, pings, acknowledgements, then one DATA and perhaps the FIN. */
export class LinkOutput {
  readonly #sending: SendHalf
  readonly #receiving: ReceiveHalf
  readonly #writer: RecordWriter

  constructor(sending: SendHalf, receiving: ReceiveHalf, writer: RecordWriter) {
    this.#sending = sending
    this.#receiving = receiving
    this.#writer = writer
  }

  /** True when `next` would give something. */
  has(path: LinkPath, { carriesData, carriesAcks }: OutputScope, nowMs: number): boolean {
    if (path.hasQueue) return true
    if (path.isAttached && (path.pongDue !== undefined || path.liveness.isPingDue)) return true
    if (carriesAcks && this.#receiving.shouldTell(false, nowMs)) return true
    if (!carriesData) return false
    const cursor = Math.max(path.cursor, this.#sending.acked)
    return this.#sending.hasBehind(cursor) || this.#sending.isFinNext(cursor)
  }

  /** The chunks of one write; none when there is nothing to send. Payloads are the caller's own chunks. */
  next(path: LinkPath, scope: OutputScope, nowMs: number): readonly Uint8Array[] {
    const chunks = path.takeQueue()
    if (path.isAttached) this.#writePings(path, nowMs)
    // The place of the header, which says how long the payload behind it is.
    const at = chunks.length
    chunks.push(PLACEHOLDER)
    const hasPayload = scope.carriesData && this.#addPayload(path, chunks, at, scope, nowMs)
    if (!hasPayload) this.#addAck(scope, false, nowMs)
    if (chunks.length === at + 1) {
      const head = this.#writer.take()
      if (head.length > 0) chunks[at] = head
      else chunks.pop()
    }
    if (scope.carriesData) this.#addFin(path, chunks)
    return chunks.length === 0 ? NO_CHUNKS : chunks
  }

  #writePings(path: LinkPath, nowMs: number): void {
    const received = this.#receiving.received
    if (path.pongDue !== undefined) {
      writePing(this.#writer, 'pong', { id: path.pongDue, received })
      path.pongDue = undefined
    }
    if (path.liveness.isPingDue) {
      writePing(this.#writer, 'ping', { id: path.liveness.pingSent(nowMs), received })
    }
  }

  #addPayload(path: LinkPath, chunks: Uint8Array[], at: number, scope: OutputScope, nowMs: number): boolean {
    path.cursor = Math.max(path.cursor, this.#sending.acked)
    const { length, wantsAck } = this.#sending.collect(path.cursor, chunks)
    if (length === 0) return false
    this.#addAck(scope, true, nowMs)
    this.#writer.dataHeader(path.cursor, length, wantsAck)
    chunks[at] = this.#writer.take()
    path.cursor += length
    return true
  }

  #addAck(scope: OutputScope, isRiding: boolean, nowMs: number): void {
    if (!scope.carriesAcks || !this.#receiving.shouldTell(isRiding, nowMs)) return
    writeAck(this.#writer, this.#receiving.received)
    this.#receiving.told()
  }

  #addFin(path: LinkPath, chunks: Uint8Array[]): void {
    path.cursor = Math.max(path.cursor, this.#sending.acked)
    if (!this.#sending.isFinNext(path.cursor)) return
    writeFin(this.#writer, path.cursor)
    chunks.push(this.#writer.take())
    path.cursor += 1
    this.#sending.sent(path.cursor)
  }
}
