import { toBase64 } from '../../lib/base/base64.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import { toWireStatement } from '../../lib/identity/trust/statement.ts'
import type { MemberStatus, NetworkStatus } from '../../lib/protocol/relay/admin-result.ts'
import type { Ledger, Member } from './ledger.ts'
import { newestEndMs } from './ledger.ts'
import type { AuthorityMaterial } from './material.ts'

/** The state of a network, for an administrator. */
export function networkStatus(
  { members, tokens, denyListNumber }: Ledger,
  { rootSet, issuingChain }: AuthorityMaterial,
  nowMs: number,
  isConnected: (peerId: PeerId) => boolean,
): Omit<NetworkStatus, 'sshHostKey'> {
  const open = [...tokens.values()].filter(
    ({ expiresAtMs, uses, usedBy }) => expiresAtMs > nowMs && usedBy.length < uses,
  )
  return {
    domain: rootSet.domain,
    rootSet: toWireStatement(rootSet.statement),
    issuingChain: issuingChain.map(({ der }) => toBase64(der)),
    denyListNumber,
    members: [...members.values()].map((member) => memberStatus(member, isConnected(member.peerId))),
    openTokens: open.length,
  }
}

function memberStatus(member: Member, isConnected: boolean): MemberStatus {
  const { peerId, name, role, roots, revokedAtMs } = member
  return {
    ...{ peerId, name, role, roots, isConnected },
    isRevoked: revokedAtMs !== undefined,
    notAfterMs: newestEndMs(member),
  }
}
