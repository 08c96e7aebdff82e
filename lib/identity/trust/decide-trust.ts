import { shortPeerId } from '../../base/peer-id.ts'
import type { PeerId } from '../../base/peer-id.ts'
import type { Certificate } from '../certificate/certificate.ts'
import type { Claim } from '../certificate/claim.ts'
import { claimOf } from '../certificate/claim.ts'
import type { ChainProblem } from '../certificate/verify-chain.ts'
import { verifyChain } from '../certificate/verify-chain.ts'
import { EXTENDED_KEY_USAGE } from '../certificate/extensions.ts'
import type {
  NetworkTrust,
  PresentedChain,
  TrustDecision,
  TrustPolicy,
  TrustRefusal,
} from './trust-policy.ts'

/**
 * Decides whether to trust who shows this chain. The only place where that is decided, for relays and peers, over TLS
 * and in-band; a pure function of its arguments. Anything that no rule allows is refused.
 *
 * A key on the deny list is refused before all else. Then the key that was dialled, or a pinned one, is enough by itself
 * unless a name or a role is asked for: those only a network can vouch for.
 * @param nowMs calendar time in milliseconds since 1970
 */
export function decideTrust(chain: PresentedChain, policy: TrustPolicy, nowMs: number): TrustDecision {
  const [leaf, ...intermediates] = chain
  if (leaf === undefined)
    return refused('ERR_REACH_TRUST_NO_CERTIFICATE', 'the other side shows no certificate')
  if (policy.denied?.has(leaf.spkiSha256) === true) return revoked(leaf)
  const { peerId } = leaf
  if (policy.peerId !== undefined && peerId !== policy.peerId) return wrongKey(peerId, policy.peerId)
  const isNamedKey = peerId !== undefined && (policy.peerId === peerId || policy.pinned?.has(peerId) === true)
  const needsNetwork = policy.name !== undefined || policy.role !== undefined
  const byNetwork = decideByNetwork(leaf, intermediates, policy, nowMs)
  if (!isNamedKey || needsNetwork || byNetwork.kind === 'trusted') return byNetwork
  // A chain that was revoked above the leaf takes its name and roles, not the key that we named ourselves.
  const identity = { peerId, by: 'key', name: undefined, roles: [], keys: [leaf.spkiSha256] } as const
  return { kind: 'trusted', identity }
}

function decideByNetwork(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  policy: TrustPolicy,
  nowMs: number,
): TrustDecision {
  const { network } = policy
  if (network === undefined)
    return refused('ERR_REACH_TRUST_UNKNOWN_ISSUER', 'nobody that is trusted here vouches for its key')
  const outcome = verifyChain(leaf, intermediates, network.roots, nowMs)
  if (outcome.kind === 'invalid') {
    const claim = claimOf(leaf)
    if (outcome.problem === 'unknown-issuer' && claim !== undefined && claim.domain !== network.domain) {
      return otherNetwork(claim, network)
    }
    const who =
      outcome.certificate === leaf ? 'its certificate' : `the certificate of ${outcome.certificate.subject}`
    return refused(REFUSALS[outcome.problem], `${who} ${PROBLEM_WORDS[outcome.problem]} (${outcome.detail})`)
  }
  const denied = outcome.path.find(({ spkiSha256 }) => policy.denied?.has(spkiSha256) === true)
  return denied === undefined ? decideClaim(outcome.path, network, policy) : revoked(denied)
}

/** The chain holds: what does it vouch for? */
function decideClaim(
  path: readonly Certificate[],
  network: NetworkTrust,
  policy: TrustPolicy,
): TrustDecision {
  const [leaf] = path
  const claim = leaf === undefined ? undefined : claimOf(leaf)
  if (leaf?.peerId === undefined || claim === undefined || !isPeerCertificate(leaf)) {
    return refused('ERR_REACH_TRUST_CHAIN', 'its certificate is not made for a peer')
  }
  if (!path.every(mayVouchForPeers)) {
    return refused('ERR_REACH_TRUST_CHAIN', 'a CA above its certificate is for other purposes')
  }
  // A company's root may carry several networks.
  if (claim.domain !== network.domain) return otherNetwork(claim, network)
  if (policy.name !== undefined && claim.name !== policy.name) {
    return refused('ERR_REACH_TRUST_WRONG_NAME', `its name is ${claim.name}, not ${policy.name}`)
  }
  if (policy.role !== undefined && !claim.roles.includes(policy.role)) {
    return refused(
      'ERR_REACH_TRUST_ROLE',
      `${claim.name} has the role ${claim.roles.join(', ')}, not ${policy.role}`,
    )
  }
  const keys = path.map(({ spkiSha256 }) => spkiSha256)
  const { name, roles } = claim
  return { kind: 'trusted', identity: { peerId: leaf.peerId, by: 'network', name, roles, keys } }
}

/** A peer is no CA, and both dials and answers. */
function isPeerCertificate({ extensions }: Certificate): boolean {
  const { basicConstraints, extendedKeyUsage = [] } = extensions
  const { clientAuth, serverAuth } = EXTENDED_KEY_USAGE
  return (
    !basicConstraints.isCa && extendedKeyUsage.includes(clientAuth) && extendedKeyUsage.includes(serverAuth)
  )
}

/** As OpenSSL and the CA/Browser Forum (§7.1.2.2.g) read it: the purposes of a CA bound those of what it issues. */
function mayVouchForPeers({ extensions }: Certificate): boolean {
  const { extendedKeyUsage } = extensions
  if (extendedKeyUsage === undefined) return true
  const { any, clientAuth, serverAuth } = EXTENDED_KEY_USAGE
  const covers = (purpose: string) => extendedKeyUsage.includes(any) || extendedKeyUsage.includes(purpose)
  return covers(clientAuth) && covers(serverAuth)
}

const REFUSALS: Readonly<Record<ChainProblem, TrustRefusal>> = {
  'unknown-issuer': 'ERR_REACH_TRUST_UNKNOWN_ISSUER',
  'bad-signature': 'ERR_REACH_TRUST_CHAIN',
  'weak-signature': 'ERR_REACH_TRUST_CHAIN',
  expired: 'ERR_REACH_TRUST_EXPIRED',
  'not-yet-valid': 'ERR_REACH_TRUST_NOT_YET_VALID',
  'not-a-ca': 'ERR_REACH_TRUST_CHAIN',
  'too-long': 'ERR_REACH_TRUST_CHAIN',
  'name-constraint': 'ERR_REACH_TRUST_NAME_CONSTRAINT',
  'critical-extension': 'ERR_REACH_TRUST_CHAIN',
}

const PROBLEM_WORDS: Readonly<Record<ChainProblem, string>> = {
  'unknown-issuer': 'comes from a stranger',
  'bad-signature': 'has a wrong signature',
  'weak-signature': 'is signed in a way that can be forged',
  expired: 'has expired',
  'not-yet-valid': 'is not valid yet',
  'not-a-ca': 'signed another without being a CA',
  'too-long': 'stands in a chain that is too long',
  'name-constraint': 'has a name that its issuer may not give',
  'critical-extension': 'has a critical extension that is not understood',
}

function revoked(certificate: Certificate): TrustDecision {
  return refused('ERR_REACH_TRUST_REVOKED', `the key of ${certificate.subject} was revoked`)
}

function wrongKey(peerId: PeerId | undefined, wanted: PeerId): TrustDecision {
  const has = peerId === undefined ? 'a key of another type' : shortPeerId(peerId)
  return refused('ERR_REACH_TRUST_WRONG_KEY', `its key is ${has}, not ${shortPeerId(wanted)}`)
}

function otherNetwork(claim: Claim, network: NetworkTrust): TrustDecision {
  return refused(
    'ERR_REACH_TRUST_OTHER_NETWORK',
    `it belongs to the network ${claim.domain}, not ${network.domain}`,
  )
}

function refused(code: TrustRefusal, message: string): TrustDecision {
  return { kind: 'refused', code, message }
}
