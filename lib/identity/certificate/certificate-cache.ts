import { sameBytes } from '../../base/same-bytes.ts'
import { Certificate } from './certificate.ts'

/** Ours: a process deals with the CAs of a network or two; strangers can only push them out, which costs time alone. */
const MAX_ENTRIES = 8

/**
 * Certificates of CAs that came lately, decoded: most peers show the same. Reading one and checking its signature takes
 * as long as a quarter of a handshake. What a certificate is worth is decided anew each time.
 */
export class CertificateCache {
  #entries: readonly Certificate[] = []

  /** The certificate with these bytes. @throws {ReachError} ERR_REACH_DECODE */
  decode(der: Uint8Array): Certificate {
    const found = this.#entries.find((entry) => sameBytes(entry.der, der))
    if (found !== undefined) return found
    const certificate = Certificate.decode(der)
    this.#entries = [certificate, ...this.#entries].slice(0, MAX_ENTRIES)
    return certificate
  }
}
