import type { Duplex } from 'node:stream'
import { LEG_MAGIC } from '../lib/protocol/relay/data-leg.ts'

/** What speaks on a new connection, told by its first byte, or two (docs/wire.md). */
export type ConnectionKind = 'stun' | 'tls' | 'data-leg' | 'ssh' | 'http' | 'unknown'

/** RFC 8446 §5.1: the first byte of a TLS handshake record. */
const TLS_HANDSHAKE = 0x16
const CAPITAL_S = 0x53

/**
 * STUN messages start with two zero bits (RFC 8489 §5) and, as requests, with 0x00; HTTP methods with a capital. SSH
 * clients say `SSH-2.0-` (RFC 4253 §4.2), and no method of HTTP in use begins with `SS`: the second byte tells SSH from
 * SEARCH. Undefined when that is needed and not there yet.
 */
export function kindOfFirstBytes([byte = 0, second]: Uint8Array): ConnectionKind | undefined {
  if (byte === CAPITAL_S && second === undefined) return undefined
  if (byte === CAPITAL_S && second === CAPITAL_S) return 'ssh'
  if (byte === 0x00 || byte === 0x01) return 'stun'
  if (byte === TLS_HANDSHAKE) return 'tls'
  if (byte === LEG_MAGIC[0]) return 'data-leg'
  return byte >= 0x41 && byte <= 0x5a ? 'http' : 'unknown'
}

/**
 * Waits for the first byte, or two, without taking them: what was read is put back. Sets no time limit; a connection that
 * ends before is destroyed and never reported.
 */
export function sniffFirstByte(socket: Duplex, onKind: (kind: ConnectionKind) => void): void {
  let read = Buffer.alloc(0)
  const onReadable = () => {
    const chunk: unknown = socket.read()
    if (!(chunk instanceof Uint8Array) || chunk.length === 0) return
    read = Buffer.concat([read, chunk])
    const kind = kindOfFirstBytes(read)
    if (kind === undefined) return
    stop()
    socket.unshift(read)
    onKind(kind)
  }
  const stop = () => {
    socket.off('readable', onReadable)
    socket.off('close', stop)
  }
  socket.on('readable', onReadable)
  socket.once('close', stop)
}
