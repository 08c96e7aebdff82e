import { parseEndpoint } from '../../lib/base/endpoint.ts'
import type { TrustReport } from '../../lib/protocol/relay/control-request.ts'
import type { Member } from './ledger.ts'

/** Ours: a relay has a few addresses, and all relays together stand in every welcome. */
const MAX_ADDRESSES = 4

/** What the ledger keeps of what a member says of itself. */
export type MemberReport = Pick<Member, 'roots' | 'addresses'>

/** @param addresses where others reach it, if it said so; only a relay's count. @returns undefined when nothing is news */
export function newsOf(
  member: Member,
  { roots }: TrustReport,
  addresses: readonly string[] = member.addresses,
): MemberReport | undefined {
  const good = member.role === 'relay' ? addresses.filter(isEndpoint).slice(0, MAX_ADDRESSES) : []
  return isSame(roots, member.roots) && isSame(good, member.addresses)
    ? undefined
    : { roots, addresses: good }
}

function isEndpoint(text: string): boolean {
  try {
    parseEndpoint(text)
    return true
  } catch {
    return false // the only question is whether it is one
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index])
}
