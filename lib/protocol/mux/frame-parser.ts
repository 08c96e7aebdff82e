import { viewOf } from '../../base/byte-views.ts'
import { decodeFrameHeader, FRAME_HEADER_LENGTH, FRAME_TYPES } from './frame.ts'
import type { FrameHeader } from './frame.ts'

/** Takes what a {@link FrameParser} finds. May throw; the parser must not be used afterwards. */
export interface FrameSink {
  /** A frame begins; all of it unless it is a data frame, whose payload follows. */
  onFrame(header: FrameHeader): void
  /**
   * A part of the payload of the frame begun last, not empty: a view of the chunk that it came in.
   * @param left bytes of the payload that are still to come
   */
  onPayload(bytes: Uint8Array, left: number): void
}

/**
 * Cuts a byte stream into frames. Payloads are passed on as they come, neither collected nor copied; only a header that
 * was cut is held. So a length field, whatever it says, allocates nothing.
 */
export class FrameParser {
  readonly #held = new Uint8Array(FRAME_HEADER_LENGTH)
  #heldLength = 0
  #payloadLeft = 0

  /** True between two frames: a stream that ends elsewhere was cut off. */
  get isAtBoundary(): boolean {
    return this.#heldLength === 0 && this.#payloadLeft === 0
  }

  /**
   * Takes the next bytes, however they are cut.
   * @throws {ReachError} ERR_REACH_DECODE, and whatever the sink throws. There is no way back into step then.
   */
  push(chunk: Uint8Array, sink: FrameSink): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        at += this.#passPayload(chunk, at, sink)
      } else if (this.#heldLength === 0 && chunk.length - at >= FRAME_HEADER_LENGTH) {
        this.#begin(decodeFrameHeader(chunk, at), sink)
        at += FRAME_HEADER_LENGTH
      } else {
        at += this.#holdHeader(chunk, at, sink)
      }
    }
  }

  #passPayload(chunk: Uint8Array, at: number, sink: FrameSink): number {
    const length = Math.min(this.#payloadLeft, chunk.length - at)
    this.#payloadLeft -= length
    // Most chunks of bulk data lie within one payload: no view is needed then.
    sink.onPayload(length === chunk.length ? chunk : viewOf(chunk, at, at + length), this.#payloadLeft)
    return length
  }

  #holdHeader(chunk: Uint8Array, at: number, sink: FrameSink): number {
    const length = Math.min(FRAME_HEADER_LENGTH - this.#heldLength, chunk.length - at)
    this.#held.set(chunk.subarray(at, at + length), this.#heldLength)
    this.#heldLength += length
    if (this.#heldLength === FRAME_HEADER_LENGTH) {
      this.#heldLength = 0
      this.#begin(decodeFrameHeader(this.#held), sink)
    }
    return length
  }

  #begin(header: FrameHeader, sink: FrameSink): void {
    if (header.type === FRAME_TYPES.data) this.#payloadLeft = header.length
    sink.onFrame(header)
  }
}
