import type { Socket } from 'node:net'
import { LEG_MAGIC } from '../lib/protocol/relay/data-leg.ts'

/** What speaks on a new connection, told by its first byte (docs/wire.md). */
export type ConnectionKind = 'stun' | 'tls' | 'data-leg' | 'http' | 'unknown'

/** RFC 8446 §5.1: the first byte of a TLS handshake record. */
const TLS_HANDSHAKE = 0x16

/** STUN messages start with two zero bits (RFC 8489 §5) and, as requests, with 0x00; HTTP methods with a capital. */
export function kindOfFirstByte(byte: number): ConnectionKind {
  if (byte === 0x00 || byte === 0x01) return 'stun'
  if (byte === TLS_HANDSHAKE) return 'tls'
  if (byte === LEG_MAGIC[0]) return 'data-leg'
  return byte >= 0x41 && byte <= 0x5a ? 'http' : 'unknown'
}

/**
 * Waits for the first byte without taking it: what was read is put back. A connection that stays silent for
 * `timeoutMs`, or ends, is destroyed and never reported.
 */
export function sniffFirstByte(
  socket: Socket,
  timeoutMs: number,
  onKind: (kind: ConnectionKind) => void,
): void {
  const timer = setTimeout(() => socket.destroy(), timeoutMs)
  const onReadable = () => {
    const chunk: unknown = socket.read()
    if (!(chunk instanceof Uint8Array) || chunk.length === 0) return
    stop()
    socket.unshift(chunk)
    onKind(kindOfFirstByte(chunk[0] ?? 0))
  }
  const stop = () => {
    clearTimeout(timer)
    socket.off('readable', onReadable)
    socket.off('close', stop)
  }
  socket.on('readable', onReadable)
  socket.once('close', stop)
}
