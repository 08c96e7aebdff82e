import { ReachError } from '../../base/errors.ts'
import { offsetIn, u32In } from './offset.ts'
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

type State =
  | { readonly kind: 'header' }
  | { readonly kind: 'offset'; readonly payloadLength: number; readonly wantsAck: boolean }
  | { readonly kind: 'payload'; readonly wantsAck: boolean }
  | { readonly kind: 'control'; readonly type: number; readonly length: number }
  | { readonly kind: 'skip' }

const HEADER: State = { kind: 'header' }
const SKIP: State = { kind: 'skip' }
const PAYLOAD: State = { kind: 'payload', wantsAck: false }
const PAYLOAD_ACK: State = { kind: 'payload', wantsAck: true }

const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(RECORD_TYPES))

/**
 * Cuts a path's bytes into records. Payloads are passed on as they come, without waiting for the end of their record
 * and without copying; only headers and small records are ever held, MAX_CONTROL_LENGTH bytes at most.
 */
export class RecordParser {
  readonly #held = new Uint8Array(MAX_CONTROL_LENGTH)
  #heldLength = 0
  #state: State = HEADER
  /** Of the payload or the record to skip: where its next byte stands in the stream, and how many are to come. */
  #offset = 0
  #left = 0

  /** True between two records: a path that ends elsewhere was cut off. */
  get isAtBoundary(): boolean {
    return this.#state.kind === 'header' && this.#heldLength === 0
  }

  /**
   * Takes the next bytes of the path, however they are cut.
   * @throws {ReachError} ERR_REACH_DECODE for a length that is not allowed or a type that must be understood and is
   * not, and whatever the sink throws. Close the path then: there is no way back into step.
   */
  push(chunk: Uint8Array, sink: RecordSink): void {
    let at = 0
    while (at < chunk.length) {
      const state = this.#state
      if (state.kind === 'payload' || state.kind === 'skip') at += this.#pass(state, chunk, at, sink)
      else if (this.#isWholeDataHeader(chunk, at)) at += this.#startData(chunk, at)
      else at += this.#collect(state, chunk, at, sink)
    }
  }

  #pass(
    state: Extract<State, { kind: 'payload' | 'skip' }>,
    chunk: Uint8Array,
    at: number,
    sink: RecordSink,
  ): number {
    const taken = Math.min(this.#left, chunk.length - at)
    const offset = this.#offset
    this.#offset += taken
    this.#left -= taken
    if (this.#left === 0) this.#state = HEADER
    if (state.kind === 'payload') {
      // Most chunks lie within one payload: no view is needed then.
      const bytes = taken === chunk.length ? chunk : chunk.subarray(at, at + taken)
      sink.onData(offset, bytes, state.wantsAck && this.#left === 0)
    }
    return taken
  }

  /** What stands in front of a payload is here in one piece, as nearly always. */
  #isWholeDataHeader(chunk: Uint8Array, at: number): boolean {
    if (this.#state !== HEADER || this.#heldLength > 0 || chunk.length - at < DATA_HEADER_LENGTH) return false
    return chunk[at] === RECORD_TYPES.data || chunk[at] === RECORD_TYPES.dataAck
  }

  #startData(chunk: Uint8Array, at: number): number {
    const word = u32In(chunk, at)
    const type = Math.floor(word / 0x100_0000)
    this.#left = payloadLength(type, word % 0x100_0000)
    this.#offset = offsetIn(chunk, 'data offset', at + RECORD_HEADER_LENGTH)
    this.#state = type === RECORD_TYPES.dataAck ? PAYLOAD_ACK : PAYLOAD
    return DATA_HEADER_LENGTH
  }

  /** Waits until all bytes are there that the state needs; they are copied only when they come in pieces. */
  #collect(
    state: Exclude<State, { kind: 'payload' | 'skip' }>,
    chunk: Uint8Array,
    at: number,
    sink: RecordSink,
  ): number {
    const needed = lengthOf(state)
    const taken = Math.min(needed - this.#heldLength, chunk.length - at)
    const piece = chunk.subarray(at, at + taken)
    if (taken === needed) {
      this.#complete(state, piece, sink)
      return taken
    }
    this.#held.set(piece, this.#heldLength)
    this.#heldLength += taken
    if (this.#heldLength === needed) {
      this.#heldLength = 0
      this.#complete(state, this.#held.subarray(0, needed), sink)
    }
    return taken
  }

  #complete(state: Exclude<State, { kind: 'payload' | 'skip' }>, bytes: Uint8Array, sink: RecordSink): void {
    if (state.kind === 'header') {
      this.#startRecord(bytes)
    } else if (state.kind === 'offset') {
      this.#offset = offsetIn(bytes, 'data offset')
      this.#left = state.payloadLength
      this.#state = state.wantsAck ? PAYLOAD_ACK : PAYLOAD
    } else {
      this.#state = HEADER
      sink.onControl(state.type, bytes)
    }
  }

  #startRecord(header: Uint8Array): void {
    const word = u32In(header, 0)
    const type = Math.floor(word / 0x100_0000)
    const length = word % 0x100_0000
    if (type === RECORD_TYPES.data || type === RECORD_TYPES.dataAck) {
      const wantsAck = type === RECORD_TYPES.dataAck
      this.#state = { kind: 'offset', payloadLength: payloadLength(type, length), wantsAck }
    } else if (KNOWN_TYPES.has(type)) {
      requireLength(type, length, 1, MAX_CONTROL_LENGTH)
      this.#state = { kind: 'control', type, length }
    } else if (type >= FIRST_IGNORABLE_TYPE) {
      this.#left = length
      this.#state = length === 0 ? HEADER : SKIP
    } else {
      throw new ReachError('ERR_REACH_DECODE', `no record has type ${type}`, { details: { type, length } })
    }
  }
}

function lengthOf(state: Exclude<State, { kind: 'payload' | 'skip' }>): number {
  if (state.kind === 'header') return RECORD_HEADER_LENGTH
  return state.kind === 'offset' ? OFFSET_LENGTH : state.length
}

/** Of a DATA record with a body of that length. */
function payloadLength(type: number, length: number): number {
  requireLength(type, length, OFFSET_LENGTH + 1, OFFSET_LENGTH + MAX_PAYLOAD_LENGTH)
  return length - OFFSET_LENGTH
}

function requireLength(type: number, length: number, min: number, max: number): void {
  if (length >= min && length <= max) return
  throw new ReachError('ERR_REACH_DECODE', `a record of type ${type} with ${length} bytes`, {
    details: { type, length, min, max },
  })
}
