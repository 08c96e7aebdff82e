import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** A Socket and nothing more. Not `instanceof`: a TLSSocket is a Socket, too, and its handle is no use without it. */
export function isPlainSocket(stream: Duplex): boolean {
  return stream.constructor === Socket
}
