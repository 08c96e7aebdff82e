import type { KeyObject } from 'node:crypto'
import { fromBase64 } from '../../lib/base/base64.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { sameBytes } from '../../lib/base/same-bytes.ts'
import { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { permitsDomain } from '../../lib/identity/certificate/name-constraints.ts'
import { verifyChain } from '../../lib/identity/certificate/verify-chain.ts'
import { spkiOf } from '../../lib/identity/issue/signing-key.ts'
import { acceptRootSet } from '../../lib/identity/trust/root-set.ts'
import { fromWireStatement } from '../../lib/identity/trust/statement.ts'
import type { InstallRootsRequest } from '../../lib/protocol/relay/admin-request.ts'
import type { Ledger } from './ledger.ts'
import { newestEndMs } from './ledger.ts'
import type { AuthorityMaterial } from './material.ts'

/**
 * The material after a ceremony of the root. Nothing is taken on trust: the set must be signed as members want it, the
 * issuing chain must hold under every root of the set or be followed by cross-signed roots, and a root goes only when
 * nobody needs it any more.
 * @param keys private keys that the authority has for an issuing CA
 * @throws {ReachError} ERR_REACH_STATEMENT, ERR_REACH_REQUEST_REFUSED, ERR_REACH_ROOT_IN_USE, ERR_REACH_DECODE
 */
export function installRoots(
  request: Omit<InstallRootsRequest, 'op'>,
  material: AuthorityMaterial,
  keys: readonly KeyObject[],
  ledger: Ledger,
  nowMs: number,
): AuthorityMaterial {
  const rootSet = acceptRootSet(fromWireStatement(request.rootSet), material.rootSet, nowMs)
  const issuingChain =
    request.issuingChain?.map((text) => Certificate.decode(fromBase64(text))) ?? material.issuingChain
  const [issuing, ...above] = issuingChain
  if (issuing === undefined) throw refusedInstallation('there is no issuing CA')
  const [before] = material.issuingChain
  // Deny lists are ordered by when their signer begins: one that began earlier would never be believed.
  if (before !== undefined && issuing.notBeforeMs < before.notBeforeMs) {
    throw refusedInstallation('the issuing CA begins before the present one: set the clock where it was made')
  }
  const issuingKey = keys.find((key) => sameBytes(spkiOf(key), spkiOf(issuing.publicKey)))
  if (issuingKey === undefined) throw refusedInstallation('the issuing CA has another key')
  for (const root of rootSet.roots) {
    const outcome = verifyChain(issuing, above, [root], nowMs)
    if (outcome.kind === 'invalid')
      throw refusedInstallation(`the issuing CA does not hold under ${root.subject}: ${outcome.problem}`)
  }
  const { nameConstraints } = issuing.extensions
  if (nameConstraints !== undefined && !permitsDomain(nameConstraints, rootSet.domain)) {
    throw refusedInstallation('the issuing CA may not sign for this network')
  }
  checkNobodyIsLeftBehind(rootSet.roots, material, ledger, nowMs)
  return { issuingKey, issuingChain, rootSet }
}

/** A root may go when every member whose certificate still counts trusts another of the set. */
function checkNobodyIsLeftBehind(
  roots: readonly Certificate[],
  material: AuthorityMaterial,
  ledger: Ledger,
  nowMs: number,
): void {
  const kept = new Set(roots.map(({ spkiSha256 }) => spkiSha256))
  const isDropped = material.rootSet.roots.some(({ spkiSha256 }) => !kept.has(spkiSha256))
  if (!isDropped) return
  const behind = [...ledger.members.values()].filter(
    (member) =>
      member.revokedAtMs === undefined &&
      member.role !== 'relay' &&
      newestEndMs(member) > nowMs &&
      !member.roots.some((root) => kept.has(root)),
  )
  if (behind.length === 0) return
  const names = behind.slice(0, 5).map(({ name }) => name)
  throw new ReachError(
    'ERR_REACH_ROOT_IN_USE',
    `${behind.length === 1 ? 'a member does' : `${behind.length} members do`} not trust the new root yet: ${names.join(', ')}`,
    {
      hint: 'wait until they have connected, or until their certificates have expired',
      details: { names },
    },
  )
}

function refusedInstallation(why: string): ReachError {
  return new ReachError('ERR_REACH_REQUEST_REFUSED', `the new roots are refused: ${why}`)
}
