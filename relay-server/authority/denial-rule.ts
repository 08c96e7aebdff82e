import { ReachError } from '../../lib/base/errors.ts'
import { isPeerId, parsePeerId } from '../../lib/base/peer-id.ts'
import { sha256Hex, spkiOfPeer } from './key-hash.ts'
import type { Ledger, Member } from './ledger.ts'
import { findMember } from './ledger.ts'
import type { AuthorityMaterial } from './material.ts'

/** A key that is to be denied, and whose it is. */
export type Denial = Pick<Member, 'peerId' | 'name' | 'spkiSha256'>

/**
 * Whom an administrator means. A key can be denied before it ever joins; a name can't.
 * @throws {ReachError} ERR_REACH_PEER_UNKNOWN
 */
export function whomToDeny(ledger: Ledger, nameOrId: string): Denial {
  const member = findMember(ledger, nameOrId)
  if (member !== undefined) return member
  if (isPeerId(nameOrId.trim().toLowerCase())) {
    const peerId = parsePeerId(nameOrId)
    return { peerId, name: '', spkiSha256: sha256Hex(spkiOfPeer(peerId)) }
  }
  throw new ReachError('ERR_REACH_PEER_UNKNOWN', `the network has no member ${JSON.stringify(nameOrId)}`, {
    hint: 'p2p-reach relay status  lists the members',
  })
}

/**
 * Denying some keys would shut everybody out; each of them has a way of its own.
 * @param ownKeySha256 of the relay that holds the network
 * @throws {ReachError} ERR_REACH_REQUEST_REFUSED
 */
export function checkMayDeny(
  { spkiSha256, name }: Denial,
  { rootSet, issuingChain }: AuthorityMaterial,
  ownKeySha256: string | undefined,
): void {
  const authorities = [...rootSet.roots, ...issuingChain].map((one) => one.spkiSha256)
  if (authorities.includes(spkiSha256)) {
    throw new ReachError(
      'ERR_REACH_REQUEST_REFUSED',
      'that is the key of a CA of the network, and no member',
      { hint: 'replace it:  p2p-reach root reissue  or  p2p-reach root rotate' },
    )
  }
  if (spkiSha256 !== ownKeySha256) return
  throw new ReachError('ERR_REACH_REQUEST_REFUSED', `${name} is the relay that holds the network`, {
    hint: 'if its key was stolen: stop it, move identity.pem away, start it, then revoke the old PeerId',
  })
}
