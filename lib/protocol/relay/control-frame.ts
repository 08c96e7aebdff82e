import { ReachError } from '../../base/errors.ts'

/** RFC 7301: what runs inside TLS between a member and its relay. */
export const CONTROL_ALPN = 'p2p-reach-control/1'
/** RFC 8446 §7.5: label of the keying material that a proof of a member's key is bound to. */
export const CONTROL_EXPORTER_LABEL = 'EXPORTER-p2p-reach-control-1'
/** Ours: what a stranger may send in one frame: a chain of RSA certificates, or a token and a request. */
export const MAX_STRANGER_FRAME = 64 * 1024
/** Ours: what a member may receive: a deny list of 10,000 keys, and roots. */
export const MAX_FRAME = 4 * 1024 * 1024

const HEADER_LENGTH = 4

/** One frame: 4 B length of the rest, big-endian · a JSON object in UTF-8. */
export function encodeFrame(message: Readonly<Record<string, unknown>>): Uint8Array {
  const body = Buffer.from(JSON.stringify(message), 'utf8')
  const frame = Buffer.alloc(HEADER_LENGTH + body.length)
  frame.writeUInt32BE(body.length)
  body.copy(frame, HEADER_LENGTH)
  return frame
}

/** Takes frames out of a stream of bytes, whatever pieces it comes in. Memory is bounded by the limit and one chunk. */
export class FrameReader {
  #limit: number
  #chunks: Uint8Array[] = []
  #buffered = 0

  /** @param limit the longest body that is accepted, in bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Changes what is accepted from the next frame on. */
  setLimit(limit: number): void {
    this.#limit = limit
  }

  /**
   * The bodies of the frames that are complete now, as text.
   * @throws {ReachError} ERR_REACH_DECODE when a frame is longer than the limit: the stream is of no use any more
   */
  *push(chunk: Uint8Array): Generator<string> {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    while (this.#buffered >= HEADER_LENGTH) {
      const header = this.#peek(HEADER_LENGTH)
      const length = header.readUInt32BE()
      if (length > this.#limit) {
        throw new ReachError('ERR_REACH_DECODE', `a control frame of ${length} bytes, ${this.#limit} allowed`)
      }
      if (this.#buffered < HEADER_LENGTH + length) return
      const frame = this.#take(HEADER_LENGTH + length)
      yield frame.toString('utf8', HEADER_LENGTH)
    }
  }

  #peek(length: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= length)
      return Buffer.from(first.buffer, first.byteOffset, length)
    this.#chunks = [Buffer.concat(this.#chunks)]
    return Buffer.from(this.#chunks[0] ?? []).subarray(0, length)
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks)
    const rest = all.subarray(length)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#buffered = rest.length
    return Buffer.from(all.buffer, all.byteOffset, length)
  }
}
