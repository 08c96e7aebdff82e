import { sameBytes } from '../../base/same-bytes.ts'
import type { Certificate } from './certificate.ts'
import { isSameCertificate } from './certificate.ts'
import { KEY_USAGE } from './extensions.ts'
import { brokenConstraint } from './name-constraints.ts'

/** Why a chain does not hold. */
export type ChainProblem =
  /** It ends at a certificate whose issuer is no root that was given. */
  | 'unknown-issuer'
  /** The issuer is there by name, but its key did not make the signature. */
  | 'bad-signature'
  | 'expired'
  | 'not-yet-valid'
  /** A certificate signed another without being a CA. */
  | 'not-a-ca'
  /** More intermediates than a CA allows below it, or than anybody needs. */
  | 'too-long'
  | 'name-constraint'
  | 'critical-extension'

/** What became of the validation of a chain. */
export type ChainOutcome =
  | { readonly kind: 'valid'; readonly path: readonly Certificate[] }
  | {
      readonly kind: 'invalid'
      readonly problem: ChainProblem
      /** The certificate at fault. */
      readonly certificate: Certificate
      /** For a person: which name, which extension. */
      readonly detail: string
    }

/** Ours: a leaf, an intermediate, a cross-signed root, a root, and room for somebody's corporate CA. */
const MAX_PATH_LENGTH = 6
/** Ours: certificates that a stranger may hand us to build a path from. */
export const MAX_CHAIN_CERTIFICATES = 8

/**
 * Validates the path from a certificate to one of the roots (RFC 5280 §6.1): signatures, dates, CA flags, path lengths,
 * key usage, name constraints, critical extensions. Stricter than the RFC where it leaves a choice: the root's own dates
 * count too, and names of unknown types fail under any constraint. Revocation and meaning are for `decideTrust`.
 * @param nowMs calendar time in milliseconds since 1970
 */
export function verifyChain(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
  nowMs: number,
): ChainOutcome {
  const built = buildPath(leaf, intermediates.slice(0, MAX_CHAIN_CERTIFICATES), roots)
  if (built.kind === 'invalid') return built
  for (const check of [checkDates(nowMs), checkCritical, checkAuthorities, checkNames]) {
    const problem = check(built.path)
    if (problem !== undefined) return problem
  }
  return built
}

/** Climbs from issuer to issuer until one of the roots has signed. No certificate is used twice, so this ends. */
function buildPath(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
): ChainOutcome {
  const path = [leaf]
  let current = leaf
  while (path.length < MAX_PATH_LENGTH) {
    const below = current
    const root = roots.find((candidate) => below.isIssuedBy(candidate))
    if (root !== undefined && !isSameCertificate(root, leaf)) return { kind: 'valid', path: [...path, root] }
    const unused = intermediates.filter(
      (candidate) => !path.some((used) => isSameCertificate(used, candidate)),
    )
    const next = unused.find((candidate) => below.isIssuedBy(candidate))
    if (next === undefined) return noIssuer(below, [...roots, ...unused])
    path.push(next)
    current = next
  }
  return invalid('too-long', current, `more than ${MAX_PATH_LENGTH} certificates`)
}

function noIssuer(certificate: Certificate, candidates: readonly Certificate[]): ChainOutcome {
  const namesake = candidates.find(
    (candidate) =>
      sameBytes(candidate.subjectDer, certificate.issuerDer) && !isSameCertificate(candidate, certificate),
  )
  return namesake === undefined
    ? invalid('unknown-issuer', certificate, 'its issuer is not known')
    : invalid('bad-signature', certificate, `${namesake.subject} did not sign it`)
}

type Check = (path: readonly Certificate[]) => ChainOutcome | undefined

function checkDates(nowMs: number): Check {
  return (path) => {
    const expired = path.find(({ notAfterMs }) => nowMs > notAfterMs)
    if (expired !== undefined) return invalid('expired', expired, `since ${isoTime(expired.notAfterMs)}`)
    const early = path.find(({ notBeforeMs }) => nowMs < notBeforeMs)
    return early === undefined
      ? undefined
      : invalid('not-yet-valid', early, `until ${isoTime(early.notBeforeMs)}`)
  }
}

function checkCritical(path: readonly Certificate[]): ChainOutcome | undefined {
  const strange = path.find(({ extensions }) => extensions.unknownCritical.length > 0)
  return strange === undefined
    ? undefined
    : invalid('critical-extension', strange, strange.extensions.unknownCritical.join(', '))
}

/** RFC 5280 §6.1.4 (k) to (n). */
function checkAuthorities(path: readonly Certificate[]): ChainOutcome | undefined {
  for (const [index, certificate] of path.entries()) {
    if (index === 0) continue
    const { basicConstraints, keyUsage } = certificate.extensions
    if (!basicConstraints.isCa) return invalid('not-a-ca', certificate, 'it is no CA')
    if (keyUsage !== undefined && !keyUsage.has(KEY_USAGE.keyCertSign)) {
      return invalid('not-a-ca', certificate, 'its key may not sign certificates')
    }
    const below = path
      .slice(1, index)
      .filter(({ issuerDer, subjectDer }) => !sameBytes(issuerDer, subjectDer)).length
    if (below > (basicConstraints.pathLength ?? Infinity)) {
      return invalid('too-long', certificate, `${below} intermediates below it`)
    }
  }
  return undefined
}

/** Each CA's constraints hold for everything below it (RFC 5280 §6.1.3 (b), (c)). */
function checkNames(path: readonly Certificate[]): ChainOutcome | undefined {
  for (const [index, { extensions }] of path.entries()) {
    const { nameConstraints } = extensions
    if (nameConstraints === undefined) continue
    for (const below of path.slice(0, index)) {
      const broken = brokenConstraint(below.extensions.names, nameConstraints)
      if (broken !== undefined) return invalid('name-constraint', below, broken)
    }
  }
  return undefined
}

function invalid(
  problem: ChainProblem,
  certificate: Certificate,
  detail: string,
): ChainOutcome & { kind: 'invalid' } {
  return { kind: 'invalid', problem, certificate, detail }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
