import { ReachError } from '../../base/errors.ts'
import { decodeAttach } from './handshake-record.ts'
import type { AttachRequest } from './handshake-record.ts'
import { MAX_CONTROL_LENGTH, RECORD_HEADER_LENGTH, RECORD_TYPES } from './record-type.ts'

/** What a path that somebody else dialled began with. */
export interface AttachRead {
  readonly request: AttachRequest
  /** What followed in the same chunk: hand it to the link first, when it has accepted. */
  readonly rest: Uint8Array
}

/**
 * Reads the ATTACH at the start of a path that was dialled by the peer, before it is known which link it belongs to.
 * Holds at most one record. The deadline for it is the caller's.
 */
export class AttachReader {
  readonly #held = new Uint8Array(RECORD_HEADER_LENGTH + MAX_CONTROL_LENGTH)
  #length = 0

  /**
   * Takes what the path brought.
   * @returns undefined while the record is not whole
   * @throws {ReachError} ERR_REACH_DECODE when the path begins otherwise; close it
   */
  push(chunk: Uint8Array): AttachRead | undefined {
    let at = this.#take(chunk, 0, RECORD_HEADER_LENGTH)
    if (this.#length < RECORD_HEADER_LENGTH) return undefined
    const total = RECORD_HEADER_LENGTH + this.#bodyLength()
    at += this.#take(chunk, at, total)
    if (this.#length < total) return undefined
    const request = decodeAttach(this.#held.subarray(RECORD_HEADER_LENGTH, total))
    return { request, rest: chunk.subarray(at) }
  }

  /** Fills up to `total`; answers how many bytes it took. */
  #take(chunk: Uint8Array, at: number, total: number): number {
    const taken = Math.max(0, Math.min(total - this.#length, chunk.length - at))
    this.#held.set(chunk.subarray(at, at + taken), this.#length)
    this.#length += taken
    return taken
  }

  #bodyLength(): number {
    const [type = 0, high = 0, middle = 0, low = 0] = this.#held
    const length = high * 0x1_0000 + middle * 0x100 + low
    if (type === RECORD_TYPES.attach && length <= MAX_CONTROL_LENGTH) return length
    throw new ReachError('ERR_REACH_DECODE', 'the path does not begin with an attach', {
      details: { type, length },
    })
  }
}
