import { verify } from 'node:crypto'
import { fromBase64 } from '../../lib/base/base64.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { decideTrust } from '../../lib/identity/trust/decide-trust.ts'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'
import type { AuthenticateRequest } from '../../lib/protocol/relay/control-request.ts'
import { proofBytes } from '../../lib/protocol/relay/control-request.ts'
import { notIssuing } from './control-refusal.ts'
import type { RelayNetwork } from './relay-network.ts'

/** Who has proven its key, and what that is worth. */
export interface Recognised {
  readonly identity: PeerIdentity
  /** The end of its certificate, in calendar milliseconds. */
  readonly validUntilMs: number
  /** It gets a new certificate, and nothing else before it has one. */
  readonly mustRenew: boolean
}

/**
 * Who authenticates. The proof first: nothing that the chain says counts before the key is proven. Whose certificate has
 * expired, or was issued by a CA that was replaced, may still get a new one if the ledger knows it.
 * @param exported keying material of the connection that the proof was made for
 * @throws {ReachError} ERR_REACH_TRUST_…, ERR_REACH_PEER_UNKNOWN, ERR_REACH_RENEWAL_TOO_LATE, ERR_REACH_NO_AUTHORITY
 */
export function recognise(
  request: AuthenticateRequest,
  exported: Uint8Array,
  network: RelayNetwork,
  nowMs: number,
): Recognised {
  const chain = request.chain.map((text) => Certificate.decode(fromBase64(text)))
  const [leaf] = chain
  const [own] = network.credentials.chain
  const proven = proofBytes(exported, own?.spkiSha256 ?? '')
  if (leaf?.peerId === undefined || !verify(null, proven, leaf.publicKey, fromBase64(request.signature))) {
    throw new ReachError('ERR_REACH_TRUST_WRONG_KEY', 'the proof of the key does not hold')
  }
  const { trust, authority } = network
  const decision = decideTrust(chain, trust.policy(), nowMs)
  if (decision.kind === 'trusted') {
    return { identity: decision.identity, validUntilMs: leaf.notAfterMs, mustRenew: false }
  }
  const isLate = decision.code === 'ERR_REACH_TRUST_EXPIRED' || decision.code === 'ERR_REACH_TRUST_REVOKED'
  if (!isLate || trust.denied.has(leaf.spkiSha256)) {
    throw new ReachError(decision.code, `the relay does not trust us: ${decision.message}`)
  }
  if (authority === undefined) throw notIssuing()
  const { name } = authority.mayRenew(leaf.peerId)
  const identity = { peerId: leaf.peerId, by: 'key', name, roles: [], keys: [leaf.spkiSha256] } as const
  return { identity, validUntilMs: 0, mustRenew: true }
}

/**
 * Who somebody is after the deny list has changed. When only the CA is denied that vouched for a member's roles, they are
 * gone: it may renew, if the ledger knows it.
 * @throws {ReachError} ERR_REACH_TRUST_REVOKED, and what forbids to renew
 */
export function recogniseAgain(identity: PeerIdentity, { trust, authority }: RelayNetwork): PeerIdentity {
  if (trust.stillTrusts(identity)) return identity
  const { name, peerId, keys } = identity
  if (trust.denied.has(keys[0] ?? '')) {
    throw new ReachError('ERR_REACH_TRUST_REVOKED', `the key of ${name ?? peerId} was revoked`)
  }
  if (authority === undefined) throw notIssuing()
  authority.mayRenew(peerId)
  return { ...identity, by: 'key', roles: [], keys: keys.slice(0, 1) }
}
