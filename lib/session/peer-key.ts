import type { PeerIdentity } from '../identity/trust/trust-policy.ts'

/** The key that the link compares on every path. */
export function keyOf({ keys }: PeerIdentity): Uint8Array {
  return Buffer.from(keys[0] ?? '', 'hex')
}
