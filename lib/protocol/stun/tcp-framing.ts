import { ReachError } from '../../base/errors.ts'
import { HEADER_LENGTH, MAGIC_COOKIE } from './header.ts'

/** Ours: a Binding exchange takes a few hundred bytes; this leaves room and caps what one connection can make us hold. */
export const DEFAULT_MAX_STREAM_MESSAGE_LENGTH = 4096

/** What is being collected: first a header, then, when its length is known, the whole message. */
interface Collecting {
  readonly bytes: Uint8Array
  readonly filled: number
}

/**
 * Cuts a TCP or TLS stream into STUN messages: each header says how long its message is (RFC 8489 §6.2.2). Holds at most
 * one message, copies each byte at most twice. After garbage there is no way back into step: `push` has thrown, and
 * throws again; close the connection.
 */
export class StunStreamParser {
  readonly #maxMessageLength: number
  #collecting: Collecting = { bytes: new Uint8Array(HEADER_LENGTH), filled: 0 }
  #error: ReachError | undefined

  /** @param options.maxMessageLength of one message with its header, in bytes */
  constructor(options: { readonly maxMessageLength?: number } = {}) {
    this.#maxMessageLength = options.maxMessageLength ?? DEFAULT_MAX_STREAM_MESSAGE_LENGTH
  }

  /** Bytes held of a message that is not whole yet. */
  get pendingLength(): number {
    return this.#collecting.filled
  }

  /**
   * Takes what the stream brought, of any length, and gives the messages that are now whole, each its own copy.
   * @throws {ReachError} ERR_REACH_DECODE when this is not STUN of RFC 5389 or later, or a message is too long. The
   * messages in front of it are lost, too.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#error !== undefined) throw this.#error
    const messages: Uint8Array[] = []
    let offset = 0
    while (offset < chunk.length) {
      const { bytes, filled } = this.#collecting
      const taken = Math.min(bytes.length - filled, chunk.length - offset)
      bytes.set(chunk.subarray(offset, offset + taken), filled)
      offset += taken
      this.#collecting = { bytes, filled: filled + taken }
      if (filled + taken === bytes.length) this.#complete(bytes, messages)
    }
    return messages
  }

  /** Either the header is complete, and says how much more to collect, or the message is. */
  #complete(bytes: Uint8Array, messages: Uint8Array[]): void {
    const length = bytes.length === HEADER_LENGTH ? this.#messageLength(bytes) : bytes.length
    if (length > bytes.length) {
      const message = new Uint8Array(length)
      message.set(bytes)
      this.#collecting = { bytes: message, filled: bytes.length }
    } else {
      messages.push(bytes)
      this.#collecting = { bytes: new Uint8Array(HEADER_LENGTH), filled: 0 }
    }
  }

  #messageLength(header: Uint8Array): number {
    const view = new DataView(header.buffer, header.byteOffset, HEADER_LENGTH)
    const type = view.getUint16(0)
    const length = HEADER_LENGTH + view.getUint16(2)
    if (type > 0x3fff || length % 4 !== 0 || view.getUint32(4) !== MAGIC_COOKIE)
      throw this.#fail('not STUN', length)
    if (length > this.#maxMessageLength) throw this.#fail('a message that is too long', length)
    return length
  }

  #fail(what: string, length: number): ReachError {
    this.#error = new ReachError('ERR_REACH_DECODE', `the stream carries ${what}`, {
      details: { length, maxMessageLength: this.#maxMessageLength },
    })
    return this.#error
  }
}
