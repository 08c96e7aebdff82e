import { ReachError } from '../../lib/base/errors.ts'
import { JsonReader } from '../../lib/base/json-reader.ts'
import { writeFileAtomically } from '../../lib/identity/files/atomic-file.ts'
import { readTextFile } from '../../lib/identity/files/read-file.ts'
import { makeRevocationList } from '../../lib/identity/issue/revocation-list.ts'
import type { AcceptedDenyList } from '../../lib/identity/trust/deny-list.ts'
import { acceptDenyList, signDenyList } from '../../lib/identity/trust/deny-list.ts'
import { fromWireStatement, toWireStatement } from '../../lib/identity/trust/statement.ts'
import { TrustStore } from '../../lib/identity/trust/trust-store.ts'
import { readWireStatement } from '../../lib/protocol/relay/wire-statement.ts'
import type { AuthorityPaths } from './authority-paths.ts'
import type { Ledger } from './ledger.ts'
import type { AuthorityMaterial } from './material.ts'
import { chainAbove, issuerOf } from './material.ts'

/** What the authority itself believes: its roots, and the deny list that it last published. */
export async function openTrust(
  paths: AuthorityPaths,
  material: AuthorityMaterial,
  ledger: Ledger,
  nowMs: number,
): Promise<TrustStore> {
  const published = await readPublished(paths, material, nowMs)
  // A crash may have come between the ledger and the list: then it is signed again.
  const isCurrent = published?.number === ledger.denyListNumber
  return new TrustStore(material.rootSet, isCurrent ? published : undefined)
}

/** Brings the deny list and the revocation list up to the ledger, on the disk first. */
export async function publishRevocations(
  paths: AuthorityPaths,
  material: AuthorityMaterial,
  ledger: Ledger,
  trust: TrustStore,
  nowMs: number,
): Promise<void> {
  const { denyListNumber: number, denied: keys } = ledger
  if (number > 0 && trust.denyList?.number !== number) {
    const { domain } = material.rootSet
    const { certificate, privateKey } = issuerOf(material)
    const chain = [certificate, ...chainAbove(material).slice(1)]
    const statement = signDenyList({ domain, number, issuedAtMs: nowMs, keys }, privateKey, chain)
    await writeFileAtomically(paths.denyList, JSON.stringify(toWireStatement(statement)))
    trust.applyDenyList(statement, nowMs)
  }
  const revoked = [...ledger.members.values()].flatMap(({ revokedAtMs, certificates }) =>
    revokedAtMs === undefined ? [] : certificates.map(({ serial }) => ({ serial, revokedAtMs })),
  )
  await writeFileAtomically(paths.crl, await makeRevocationList(revoked, issuerOf(material), nowMs), {
    mode: 0o644,
  })
}

async function readPublished(
  paths: AuthorityPaths,
  material: AuthorityMaterial,
  nowMs: number,
): Promise<AcceptedDenyList | undefined> {
  const text = await readTextFile(paths.denyList)
  if (text === undefined) return undefined
  try {
    const statement = fromWireStatement(readWireStatement(JsonReader.parse(text, 'deny list')))
    return acceptDenyList(statement, material.rootSet, undefined, nowMs)
  } catch (error) {
    // The ledger is what counts: a list that does not hold any more is signed again.
    if (ReachError.is(error)) return undefined
    throw error
  }
}
