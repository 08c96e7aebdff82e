import { encodeOpen } from './open-header.ts'
import type { OpenHeader } from './open-header.ts'

/** Encodes the OPEN of one stream after another. Many in a row mostly lead to the same service: the last one is kept. */
export class OpenWriter {
  #last: { readonly open: OpenHeader; readonly bytes: Uint8Array } | undefined

  /**
   * The same bytes again for the same OPEN: they must not be changed.
   * @throws {RangeError} when the service is no name of a service
   */
  encode(open: OpenHeader): Uint8Array {
    const last = this.#last
    if (last?.open.service === open.service && last.open.carries === open.carries) return last.bytes
    const bytes = encodeOpen(open)
    this.#last = { open, bytes }
    return bytes
  }
}
