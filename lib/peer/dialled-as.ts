import { isPeerId } from '../base/peer-id.ts'
import type { TrustConditions } from '../identity/trust/trust-store.ts'

/** Who has to be at the other end when this was dialled: a PeerId, or the name of a member. */
export function dialledAs(peer: string): TrustConditions {
  return isPeerId(peer) ? { peerId: peer } : { name: peer }
}
