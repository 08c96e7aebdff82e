import type { Socket } from 'node:net'
import { LEG_MAGIC } from '../lib/protocol/relay/data-leg.ts'

/** What speaks on a new connection, told by its first byte (docs/wire.md). */
export type ConnectionKind = 'stun' | 'tls' | 'data-leg' | 'http' | 'unknown'

/** RFC 8446 §5.1: the first byte of a TLS handshake record. */
const TLS_HANDSHAKE = 0x16

/**
 * STUN messages start with two zero bits (RFC 8489 §5) and, as requests, with 0x00; HTTP methods with a capital. SSH
 * clients say `SSH-2.0-` (RFC 4253 §4.2), and no method of HTTP in use begins with `SS`: with that, the second byte will
 * tell SSH from SEARCH.
 */
export function kindOfFirstByte(byte: number): ConnectionKind {
  if (byte === 0x00 || byte === 0x01) return 'stun'
  if (byte === TLS_HANDSHAKE) return 'tls'
  if (byte === LEG_MAGIC[0]) return 'data-leg'
  return byte >= 0x41 && byte <= 0x5a ? 'http' : 'unknown'
}

/**
 * Waits for the first byte without taking it: what was read is put back. Sets no time limit; a connection that ends
 * before is destroyed and never reported.
 */
export function sniffFirstByte(socket: Socket, onKind: (kind: ConnectionKind) => void): void {
  const onReadable = () => {
    const chunk: unknown = socket.read()
    if (!(chunk instanceof Uint8Array) || chunk.length === 0) return
    stop()
    socket.unshift(chunk)
    onKind(kindOfFirstByte(chunk[0] ?? 0))
  }
  const stop = () => {
    socket.off('readable', onReadable)
    socket.off('close', stop)
  }
  socket.on('readable', onReadable)
  socket.once('close', stop)
}
