import type { KeyObject } from 'node:crypto'
import { fromBase64, toBase64 } from '../../base/base64.ts'
import { JsonReader } from '../../base/json-reader.ts'
import { Certificate } from '../certificate/certificate.ts'
import { isCrossSignedRoot } from '../certificate/claim.ts'
import { verifyChain } from '../certificate/verify-chain.ts'
import type { SignedStatement } from './statement.ts'
import { refusedStatement, signStatement, verifyStatement } from './statement.ts'

/** The roots of a network, as one of them states. Numbered, as deny lists are. */
export interface RootSet {
  readonly domain: string
  readonly number: number
  readonly issuedAtMs: number
  readonly roots: readonly Certificate[]
}

/** A set that was believed, with what proves it to others. */
export interface AcceptedRootSet extends RootSet {
  readonly statement: SignedStatement
}

/** Ours: two while one is being replaced, and room for a rotation that overlaps another. */
export const MAX_ROOTS = 4

/**
 * States the roots. `signer` is one of them; when not all members trust it yet, its cross-signed certificates follow in
 * `crossCertificates`: the same key and name, signed by a root that they do trust.
 */
export function signRootSet(
  set: RootSet,
  key: KeyObject,
  signer: Certificate,
  crossCertificates: readonly Certificate[] = [],
): SignedStatement {
  const { domain, number, issuedAtMs } = set
  const roots = set.roots.map(({ der }) => toBase64(der))
  const payload = JSON.stringify({ domain, number, issuedAtMs, roots })
  return signStatement('root-set', payload, key, [signer, ...crossCertificates])
}

/**
 * Believes a set, or says why not. Its signer must be in the set itself, and either a root that we trust or one that
 * such a root has cross-signed. So a root can be added and an old one dropped, and whoever slept through the change
 * still follows; but nobody below a root can change the roots.
 * @throws {ReachError} ERR_REACH_STATEMENT, ERR_REACH_DECODE
 */
export function acceptRootSet(statement: SignedStatement, current: RootSet, nowMs: number): AcceptedRootSet {
  const set = readRootSet(statement.payload)
  verifyOwnSignature(statement, set, nowMs)
  if (set.domain !== current.domain) throw refusedStatement('root-set', `it is of the network ${set.domain}`)
  if (set.number <= current.number) {
    throw refusedStatement('root-set', `its number ${set.number} is not above ${current.number}`)
  }
  if (!isVouchedFor(statement.signer, current.roots, nowMs)) {
    throw refusedStatement('root-set', 'no root that is trusted here vouches for its signer')
  }
  return { ...set, statement }
}

/**
 * Believes the first set of a network by a pin: the SHA-256 of a root's public key, from a join string. A set of that
 * root alone says nothing that the pin does not, so any CA below it may state it (a company's root does not sign for
 * us); of several roots only the pinned one may speak.
 * @throws {ReachError} ERR_REACH_STATEMENT, ERR_REACH_DECODE
 */
export function acceptPinnedRootSet(
  statement: SignedStatement,
  pinSha256: string,
  nowMs: number,
): AcceptedRootSet {
  const set = readRootSet(statement.payload)
  const pinned = set.roots.find(({ spkiSha256 }) => spkiSha256 === pinSha256)
  if (pinned === undefined) throw refusedStatement('root-set', 'its root is not the pinned one')
  const signer = verifyStatement('root-set', statement, [pinned], nowMs)
  // Number 0: every set of a root is later.
  if (signer.spkiSha256 !== pinSha256 && (set.roots.length > 1 || set.number > 0)) {
    throw refusedStatement('root-set', 'its signer is not the pinned root')
  }
  return { ...set, statement }
}

/** The root that a join string should pin: the one that speaks for the set. */
export function rootToPin({ roots, statement }: AcceptedRootSet): Certificate | undefined {
  const [signer] = statement.signer
  return roots.find(({ spkiSha256 }) => spkiSha256 === signer?.spkiSha256) ?? roots[0]
}

/** A set out of one's own files, which was believed when it was put there. @throws {ReachError} ERR_REACH_DECODE */
export function readStoredRootSet(statement: SignedStatement): AcceptedRootSet {
  return { ...readRootSet(statement.payload), statement }
}

/** The signer is in the set, and its signature holds. */
function verifyOwnSignature(statement: SignedStatement, set: RootSet, nowMs: number): void {
  const [signer] = statement.signer
  const own = set.roots.find(({ spkiSha256 }) => spkiSha256 === signer?.spkiSha256)
  if (own === undefined) throw refusedStatement('root-set', 'its signer is not in it')
  verifyStatement('root-set', { ...statement, signer: [own] }, set.roots, nowMs)
}

/**
 * A root that we trust, or one that leads to such by nothing but cross-signed roots. An intermediate is none, whatever its
 * key signs: it could make itself a root otherwise.
 */
function isVouchedFor(
  signer: readonly Certificate[],
  trusted: readonly Certificate[],
  nowMs: number,
): boolean {
  const [first] = signer
  if (trusted.some(({ spkiSha256 }) => spkiSha256 === first?.spkiSha256)) return true
  const crossSigned = signer.filter(isCrossSignedRoot)
  return crossSigned.some(
    (candidate) =>
      candidate.spkiSha256 === first?.spkiSha256 &&
      verifyChain(candidate, crossSigned, trusted, nowMs).kind === 'valid',
  )
}

function readRootSet(payload: string): RootSet {
  const reader = JsonReader.parse(payload, 'set of roots')
  const roots = reader.texts('roots', MAX_ROOTS).map((text) => Certificate.decode(fromBase64(text)))
  for (const root of roots) {
    if (!root.extensions.basicConstraints.isCa || !root.isIssuedBy(root)) {
      throw refusedStatement('root-set', `${root.subject} is no root`)
    }
  }
  return {
    domain: reader.text('domain', 253),
    number: reader.count('number'),
    issuedAtMs: reader.count('issuedAtMs'),
    roots,
  }
}
