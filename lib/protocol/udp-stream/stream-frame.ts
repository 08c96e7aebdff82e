import { ReachError } from '../../base/errors.ts'

/**
 * Frames of a stream over UDP (docs/wire.md, "Streams over UDP"): one byte of type, three of a number, big-endian.
 * What carries them is reliable and in order, but tells its sender nothing of a reader that has stopped.
 */
export const FRAME_TYPES = {
  /** The number: how many bytes of the stream follow. */
  data: 0,
  /** The number: how many more bytes may be sent. */
  credit: 1,
  /** The number is 0: no more data come. Credit may still. */
  end: 2,
} as const

export const FRAME_HEADER_BYTES = 4

/** Ours: a multiple of what TLS hands over at once; the number would hold 16 MiB. */
export const MAX_DATA_FRAME_BYTES = 1 << 20

export function encodeFrameHeader(type: keyof typeof FRAME_TYPES, number: number): Uint8Array {
  return Uint8Array.of(FRAME_TYPES[type], number >>> 16, (number >>> 8) & 0xff, number & 0xff)
}

/** Who hears what a {@link StreamFrameParser} finds. */
export interface StreamFrameSink {
  /** A part of a data frame: a view of what was parsed, no copy. */
  onData(bytes: Uint8Array): void
  onCredit(bytes: number): void
  onEnd(): void
}

/** Splits what came into frames, wherever it is cut. Holds no data, only a header that has come in part. */
export class StreamFrameParser {
  readonly #sink: StreamFrameSink
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerLength = 0
  #dataLeft = 0
  #isEnded = false

  constructor(sink: StreamFrameSink) {
    this.#sink = sink
  }

  /** True between frames: whoever stops here has not cut one. */
  get isBetweenFrames(): boolean {
    return this.#headerLength === 0 && this.#dataLeft === 0
  }

  /** @throws {ReachError} ERR_REACH_DECODE; nothing can be parsed after that */
  parse(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length)
      at += this.#dataLeft > 0 ? this.#takeData(bytes, at) : this.#takeHeader(bytes, at)
  }

  #takeData(bytes: Uint8Array, at: number): number {
    const length = Math.min(this.#dataLeft, bytes.length - at)
    this.#dataLeft -= length
    this.#sink.onData(bytes.subarray(at, at + length))
    return length
  }

  #takeHeader(bytes: Uint8Array, at: number): number {
    const length = Math.min(FRAME_HEADER_BYTES - this.#headerLength, bytes.length - at)
    this.#header.set(bytes.subarray(at, at + length), this.#headerLength)
    this.#headerLength += length
    if (this.#headerLength === FRAME_HEADER_BYTES) this.#takeFrame()
    return length
  }

  #takeFrame(): void {
    const [type = 0, high = 0, middle = 0, low = 0] = this.#header
    const number = (high << 16) | (middle << 8) | low
    this.#headerLength = 0
    if (type === FRAME_TYPES.credit) return this.#sink.onCredit(number)
    if (this.#isEnded) throw violation('data after the end')
    if (type === FRAME_TYPES.data) {
      this.#dataLeft = number
      return
    }
    if (type !== FRAME_TYPES.end) throw violation(`a frame of type ${type}`)
    this.#isEnded = true
    this.#sink.onEnd()
  }
}

/** What the other end of a stream must not do. */
export function violation(what: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', `a stream over UDP brought ${what}`, { details: { what } })
}
