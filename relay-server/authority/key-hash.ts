import { createHash } from 'node:crypto'
import type { PeerId } from '../../lib/base/peer-id.ts'
import { publicKeyOf } from '../../lib/base/peer-id.ts'
import { spkiOfPublicKey } from '../../lib/identity/certificate/certificate.ts'

/** In hex digits. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** The SubjectPublicKeyInfo of the key that a PeerId is, in DER. */
export function spkiOfPeer(peerId: PeerId): Uint8Array {
  return spkiOfPublicKey(publicKeyOf(peerId))
}
