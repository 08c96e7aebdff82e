import { ReachError } from '../../lib/base/errors.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Ledger, Member } from './ledger.ts'
import { newestEndMs } from './ledger.ts'

/** Ours: a fortnight, for a notebook that was left in a drawer over the holidays. */
export const RENEW_GRACE_MS = 14 * 86_400_000

const JOIN_AGAIN = 'join again with a new string, made with  p2p-reach invite NAME'

/**
 * The member that gets another certificate for its key.
 * @param renewGraceMs how long after the end of its newest one
 * @throws {ReachError} ERR_REACH_PEER_UNKNOWN, ERR_REACH_TRUST_REVOKED, ERR_REACH_RENEWAL_TOO_LATE
 */
export function memberToRenew(ledger: Ledger, peerId: PeerId, nowMs: number, renewGraceMs: number): Member {
  const member = ledger.members.get(peerId)
  if (member === undefined) {
    throw new ReachError('ERR_REACH_PEER_UNKNOWN', 'the network does not know this key', { hint: JOIN_AGAIN })
  }
  if (member.revokedAtMs !== undefined) {
    throw new ReachError('ERR_REACH_TRUST_REVOKED', `the key of ${member.name} was revoked`, {
      hint: JOIN_AGAIN,
    })
  }
  const lateMs = nowMs - newestEndMs(member)
  if (lateMs <= renewGraceMs) return member
  const days = (lateMs / 86_400_000).toFixed(1)
  throw new ReachError(
    'ERR_REACH_RENEWAL_TOO_LATE',
    `the certificate of ${member.name} expired ${days} days ago, too long to renew it`,
    { hint: JOIN_AGAIN, details: { lateMs, renewGraceMs } },
  )
}
