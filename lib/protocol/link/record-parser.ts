import { viewOf } from '../../base/byte-views.ts'
import { ReachError } from '../../base/errors.ts'
import { offsetIn, u24In } from './offset.ts'
import {
  DATA_HEADER_LENGTH,
  FIRST_IGNORABLE_TYPE,
  MAX_CONTROL_LENGTH,
  MAX_PAYLOAD_LENGTH,
  OFFSET_LENGTH,
  RECORD_HEADER_LENGTH,
  RECORD_TYPES,
} from './record-type.ts'

/** Takes what a {@link RecordParser} finds. May throw; the parser must not be used afterwards. */
export interface RecordSink {
  /**
   * A part of a DATA record, a view into the chunk that it came in.
   * @param offset of its first byte in the stream
   * @param wantsAck the sender waits for an acknowledgement, and this is the end of the record
   */
  onData(offset: number, bytes: Uint8Array, wantsAck: boolean): void
  /** Any other record that is whole. @param body a view: copy what is kept */
  onControl(type: number, body: Uint8Array): void
}

/** What comes next. */
type Expected = 'header' | 'offset' | 'payload' | 'control' | 'skip'

const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(RECORD_TYPES))

/**
 * Cuts a path's bytes into records. Payloads are passed on as they come, without waiting for the end of their record
 * and without copying; only headers and small records are ever held, MAX_CONTROL_LENGTH bytes at most.
 */
export class RecordParser {
  readonly #held = new Uint8Array(MAX_CONTROL_LENGTH)
  #heldLength = 0
  // Fields rather than an object for each state: see the mux's Keepalive.
  #expected: Expected = 'header'
  /** Of the record at hand; of no interest between two. */
  #type = 0
  /** Bytes of it that are to come, but for the offset of DATA. */
  #left = 0
  /** DATA: where the next byte of the payload stands in the stream. */
  #offset = 0

  /** True between two records: a path that ends elsewhere was cut off. */
  get isAtBoundary(): boolean {
    return this.#expected === 'header' && this.#heldLength === 0
  }

  /**
   * Takes the next bytes of the path, however they are cut: those of a chunk from `from` up to `to`.
   * @throws {ReachError} ERR_REACH_DECODE for a length that is not allowed or a type that must be understood and is
   * not, and whatever the sink throws. Close the path then: there is no way back into step.
   */
  push(chunk: Uint8Array, sink: RecordSink, from = 0, to = chunk.length): void {
    let at = from
    while (at < to) {
      if (this.#expected === 'payload' || this.#expected === 'skip') at += this.#pass(chunk, at, to, sink)
      else if (this.#isWholeDataHeader(chunk, at, to)) at += this.#startData(chunk, at)
      else at += this.#collect(chunk, at, to, sink)
    }
  }

  #pass(chunk: Uint8Array, at: number, to: number, sink: RecordSink): number {
    const isPayload = this.#expected === 'payload'
    const taken = Math.min(this.#left, to - at)
    this.#left -= taken
    if (this.#left === 0) this.#expected = 'header'
    if (isPayload) {
      const offset = this.#offset
      this.#offset += taken
      // Most chunks lie within one payload: no view is needed then.
      const bytes = taken === chunk.length ? chunk : viewOf(chunk, at, at + taken)
      sink.onData(offset, bytes, this.#type === RECORD_TYPES.dataAck && this.#left === 0)
    }
    return taken
  }

  /** What stands in front of a payload is here in one piece, as nearly always. */
  #isWholeDataHeader(chunk: Uint8Array, at: number, to: number): boolean {
    if (this.#expected !== 'header' || this.#heldLength > 0 || to - at < DATA_HEADER_LENGTH) return false
    return isData(chunk[at])
  }

  #startData(chunk: Uint8Array, at: number): number {
    this.#startRecord(chunk, at)
    this.#startPayload(chunk, at + RECORD_HEADER_LENGTH)
    return DATA_HEADER_LENGTH
  }

  /** Waits until all bytes are there that are expected; they are copied only when they come in pieces. */
  #collect(chunk: Uint8Array, at: number, to: number, sink: RecordSink): number {
    const needed = this.#expectedLength()
    const taken = Math.min(needed - this.#heldLength, to - at)
    const piece = viewOf(chunk, at, at + taken)
    if (taken === needed) {
      this.#complete(piece, sink)
      return taken
    }
    this.#held.set(piece, this.#heldLength)
    this.#heldLength += taken
    if (this.#heldLength === needed) {
      this.#heldLength = 0
      this.#complete(this.#held.subarray(0, needed), sink)
    }
    return taken
  }

  #expectedLength(): number {
    if (this.#expected === 'header') return RECORD_HEADER_LENGTH
    return this.#expected === 'offset' ? OFFSET_LENGTH : this.#left
  }

  #complete(bytes: Uint8Array, sink: RecordSink): void {
    if (this.#expected === 'header') this.#startRecord(bytes, 0)
    else if (this.#expected === 'offset') this.#startPayload(bytes, 0)
    else {
      this.#expected = 'header'
      sink.onControl(this.#type, bytes)
    }
  }

  /** `type u8 · length u24` */
  #startRecord(bytes: Uint8Array, at: number): void {
    const type = bytes[at] ?? 0
    const length = u24In(bytes, at + 1)
    if (isData(type)) {
      requireLength(type, length, OFFSET_LENGTH + 1, OFFSET_LENGTH + MAX_PAYLOAD_LENGTH)
      this.#left = length - OFFSET_LENGTH
      this.#expected = 'offset'
    } else if (KNOWN_TYPES.has(type)) {
      requireLength(type, length, 1, MAX_CONTROL_LENGTH)
      this.#left = length
      this.#expected = 'control'
    } else if (type >= FIRST_IGNORABLE_TYPE) {
      this.#left = length
      this.#expected = length === 0 ? 'header' : 'skip'
    } else {
      throw new ReachError('ERR_REACH_DECODE', `no record has type ${type}`, { details: { type, length } })
    }
    this.#type = type
  }

  #startPayload(bytes: Uint8Array, at: number): void {
    this.#offset = offsetIn(bytes, 'data offset', at)
    this.#expected = 'payload'
  }
}

function isData(type: number | undefined): boolean {
  return type === RECORD_TYPES.data || type === RECORD_TYPES.dataAck
}

function requireLength(type: number, length: number, min: number, max: number): void {
  if (length >= min && length <= max) return
  throw new ReachError('ERR_REACH_DECODE', `a record of type ${type} with ${length} bytes`, {
    details: { type, length, min, max },
  })
}
