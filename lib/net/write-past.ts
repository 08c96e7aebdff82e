import type { Duplex } from 'node:stream'
import { isPlainSocket } from './plain-socket.ts'

/** Told when all of a chunk was taken, so that its memory can be used again, or why it can't be. */
export type OnTaken = (error?: Error | null) => void

/** Under this name a stream has what {@link PastWritable} says. */
export const WRITE_PAST = Symbol('writePast')

/** A stream that takes chunks past the queue of its Writable. */
export interface PastWritable {
  /** Takes a chunk, and calls back before it returns when it needs its memory no longer. */
  [WRITE_PAST](chunk: Uint8Array, onTaken: OnTaken): void
}

/** What Node calls bytes where it asks for the encoding of a text. */
const BYTES = 'buffer' as BufferEncoding

/**
 * How to hand a stream chunks past the queue of its Writable, for whoever waits until one was taken before the next: to them
 * the queue is of no use, and its `nextTick` for each chunk costs as much as to read and write a small one. The stream's end
 * goes behind what was written so. Undefined where it can't be done.
 *
 * A plain socket gets it by `_write`, as from its own Writable: it calls back at once when the system took everything, and is
 * the same in Node 20 to 24 (lib/net.js).
 */
export function pastWriter(stream: Duplex): ((chunk: Uint8Array, onTaken: OnTaken) => void) | undefined {
  if (isPlainSocket(stream)) return (chunk, onTaken) => writePast(stream, chunk, onTaken)
  return isPastWritable(stream) ? (chunk, onTaken) => stream[WRITE_PAST](chunk, onTaken) : undefined
}

/**
 * Hands a socket a chunk by `_write`, as its own Writable would: while nothing waits there, one at a time. A TLSSocket must not
 * be ended either before the chunk was taken; Node aborts the process otherwise.
 */
export function writePast(socket: Duplex, chunk: Uint8Array, onTaken: OnTaken): void {
  socket._write(chunk, BYTES, onTaken)
}

function isPastWritable(stream: Duplex): stream is Duplex & PastWritable {
  return WRITE_PAST in stream
}
