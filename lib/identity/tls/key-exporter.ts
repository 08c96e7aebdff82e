import type { TLSSocket } from 'node:tls'
import { ReachError } from '../../base/errors.ts'

/** Keys that both ends of a channel can make, and nobody else (RFC 8446 §7.5, RFC 5705). */
export interface KeyExporter {
  /** As RFC 8446 §B.4 names it: `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string
  /** @throws {ReachError} ERR_REACH_TLS when the channel is over */
  exportKeys(label: string, length: number): Uint8Array
}

export function keyExporterOf(socket: TLSSocket): KeyExporter {
  return {
    cipherSuite: socket.getCipher().standardName,
    exportKeys: (label, length) => {
      try {
        return Uint8Array.from(socket.exportKeyingMaterial(length, label, Buffer.alloc(0)))
      } catch (error) {
        throw new ReachError('ERR_REACH_TLS', 'the channel is over: it gives no keys any more', {
          cause: error,
        })
      }
    },
  }
}
