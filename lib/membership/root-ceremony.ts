import type { KeyObject } from 'node:crypto'
import { fromBase64, toBase64 } from '../base/base64.ts'
import { ReachError } from '../base/errors.ts'
import { sameBytes } from '../base/same-bytes.ts'
import { Certificate } from '../identity/certificate/certificate.ts'
import { crossSign, issueIntermediate, issueRoot } from '../identity/issue/certificate-profiles.ts'
import type { Issuer } from '../identity/issue/sign-certificate.ts'
import { spkiOf } from '../identity/issue/signing-key.ts'
import { readStoredRootSet, signRootSet } from '../identity/trust/root-set.ts'
import type { AcceptedRootSet } from '../identity/trust/root-set.ts'
import { fromWireStatement, toWireStatement } from '../identity/trust/statement.ts'
import type { InstallRootsRequest } from '../protocol/relay/admin-request.ts'
import type { NetworkStatus } from '../protocol/relay/admin-result.ts'

/** What the holder of a root's key knows of the network, and the key. It never leaves this computer. */
export interface RootCeremony {
  readonly status: NetworkStatus
  readonly rootKey: KeyObject
  readonly nowMs: number
}

/**
 * A new root beside the old one: cross-signed by it, and signing the issuing CA anew. Members follow as they connect.
 * @param newRootKey to be kept offline, as the old one
 */
export async function rotateRoot(
  ceremony: RootCeremony,
  newRootKey: KeyObject,
): Promise<InstallRootsRequest> {
  const { status, rootKey, nowMs } = ceremony
  const { rootSet, old, issuing } = read(ceremony)
  const { domain } = status
  const newRoot = await issueRoot(domain, newRootKey, nowMs)
  const cross = await crossSign(newRoot, old, nowMs)
  const by = { certificate: newRoot, privateKey: newRootKey }
  const intermediate = await issueIntermediate(domain, spkiOf(issuing.publicKey), by, nowMs)
  const roots = [...rootSet.roots, newRoot]
  const statement = signRootSet({ ...rootSet, roots, ...next(rootSet, nowMs) }, rootKey, old.certificate)
  return install(statement, [intermediate, cross], false)
}

/** The root of this key alone, from now on: all others go. */
export function dropOtherRoots(ceremony: RootCeremony): InstallRootsRequest {
  const { status, rootKey, nowMs } = ceremony
  const { rootSet, old: kept } = read(ceremony)
  if (rootSet.roots.length < 2) {
    throw new ReachError('ERR_REACH_REQUEST_REFUSED', 'the network has one root only', {
      hint: 'put another beside it first:  p2p-reach root rotate --root-key FILE',
    })
  }
  const crosses = chainOf(status).filter(({ spkiSha256 }) => spkiSha256 === kept.certificate.spkiSha256)
  const set = { ...rootSet, roots: [kept.certificate], ...next(rootSet, nowMs) }
  return install(signRootSet(set, rootKey, kept.certificate, crosses), undefined, false)
}

/**
 * A certificate for the issuing CA, because its own ends soon, or for a new key in place of one that was stolen.
 * @param issuingSpki SubjectPublicKeyInfo in DER of the key that shall issue
 */
export async function reissueIntermediate(
  ceremony: RootCeremony,
  issuingSpki: Uint8Array,
  denyOldIssuer: boolean,
): Promise<InstallRootsRequest> {
  const { status, rootKey, nowMs } = ceremony
  const { rootSet, old: root } = read(ceremony)
  const intermediate = await issueIntermediate(status.domain, issuingSpki, root, nowMs)
  const crosses = chainOf(status).filter(({ spkiSha256 }) => spkiSha256 === root.certificate.spkiSha256)
  const statement = signRootSet({ ...rootSet, ...next(rootSet, nowMs) }, rootKey, root.certificate, crosses)
  return install(statement, [intermediate, ...crosses], denyOldIssuer)
}

interface Read {
  readonly rootSet: AcceptedRootSet
  /** The root whose key we hold. */
  readonly old: Issuer
  readonly issuing: Certificate
}

function read({ status, rootKey }: RootCeremony): Read {
  const rootSet = readStoredRootSet(fromWireStatement(status.rootSet))
  const certificate = rootSet.roots.find((root) => sameBytes(spkiOf(root.publicKey), spkiOf(rootKey)))
  const [issuing] = chainOf(status)
  if (certificate === undefined || issuing === undefined) {
    throw new ReachError('ERR_REACH_REQUEST_REFUSED', 'that is not the key of a root of this network', {
      hint: `the roots are ${rootSet.roots.map(({ subject }) => subject).join(' and ')}`,
    })
  }
  return { rootSet, old: { certificate, privateKey: rootKey }, issuing }
}

function chainOf({ issuingChain }: NetworkStatus): readonly Certificate[] {
  return issuingChain.map((text) => Certificate.decode(fromBase64(text)))
}

function next(
  { number }: AcceptedRootSet,
  nowMs: number,
): { readonly number: number; readonly issuedAtMs: number } {
  return { number: number + 1, issuedAtMs: nowMs }
}

function install(
  statement: ReturnType<typeof signRootSet>,
  issuingChain: readonly Certificate[] | undefined,
  denyOldIssuer: boolean,
): InstallRootsRequest {
  return {
    op: 'install-roots',
    rootSet: toWireStatement(statement),
    issuingChain: issuingChain?.map(({ der }) => toBase64(der)),
    denyOldIssuer,
  }
}
