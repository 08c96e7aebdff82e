import { createHash, timingSafeEqual } from 'node:crypto'
import type { PeerId } from '../../lib/base/peer-id.ts'
import { publicKeyOf } from '../../lib/base/peer-id.ts'
import { spkiOfPublicKey } from '../../lib/identity/certificate/certificate.ts'

/** In hex digits. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** Compares two hashes in hex, in a time that does not tell where they differ. */
export function isSameHash(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'))
}

/** The SubjectPublicKeyInfo of the key that a PeerId is, in DER. */
export function spkiOfPeer(peerId: PeerId): Uint8Array {
  return spkiOfPublicKey(publicKeyOf(peerId))
}
