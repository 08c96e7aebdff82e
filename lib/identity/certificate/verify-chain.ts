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
  /** Its signature is of a kind that can be forged (SHA-1, MD5), or that is not known. */
  | 'weak-signature'
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

type Invalid = ChainOutcome & { readonly kind: 'invalid' }

/** Ours: a leaf, an intermediate, a cross-signed root, a root, and room for somebody's corporate CA. */
const MAX_PATH_LENGTH = 6
/** Ours: certificates that a stranger may hand us to build a path from. */
export const MAX_CHAIN_CERTIFICATES = 8

/** Ours: ways up that are tried. A chain that somebody made in earnest has one or two. */
const MAX_ATTEMPTS = 64

/** Ed25519 and Ed448 (RFC 8410), ECDSA (RFC 5758) and RSA (RFC 8017) with SHA-256, SHA-384 or SHA-512. */
const STRONG_SIGNATURES: ReadonlySet<string> = new Set([
  '1.3.101.112',
  '1.3.101.113',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
])

/**
 * Validates the path from a certificate to one of the roots (RFC 5280 §6.1): signatures, dates, CA flags, path lengths,
 * key usage, name constraints, critical extensions. Where a CA has several certificates (renewed, cross-signed), each is
 * tried; the first path that holds counts. Stricter than the RFC where it leaves a choice: the root's own dates
 * count too, and names of unknown types fail under any constraint. Revocation and meaning are for `decideTrust`.
 * @param nowMs calendar time in milliseconds since 1970
 */
export function verifyChain(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
  nowMs: number,
): ChainOutcome {
  const candidates = { roots, intermediates: intermediates.slice(0, MAX_CHAIN_CERTIFICATES) }
  const checks = [checkDates(nowMs), checkSignatures, checkCritical, checkAuthorities, checkNames]
  let failure: Invalid | undefined
  for (const built of climb([leaf], candidates, issuersIn(candidates), { left: MAX_ATTEMPTS })) {
    const problem = built.kind === 'invalid' ? built : firstProblem(built.path, checks)
    if (problem === undefined) return built
    // Of a path that leads to a root, it says more than that another leads nowhere.
    if (failure === undefined || (isDeadEnd(failure) && !isDeadEnd(problem))) failure = problem
  }
  return failure ?? invalid('too-long', leaf, 'too many ways up')
}

interface Candidates {
  readonly intermediates: readonly Certificate[]
  readonly roots: readonly Certificate[]
}

/** Who issued a certificate, roots first. Signatures are the dear part, so each is verified once. */
function issuersIn({ intermediates, roots }: Candidates): (below: Certificate) => readonly Certificate[] {
  const known = new Map<Certificate, readonly Certificate[]>()
  return (below) => {
    const issuers =
      known.get(below) ?? [...roots, ...intermediates].filter((candidate) => below.isIssuedBy(candidate))
    known.set(below, issuers)
    return issuers
  }
}

/** Climbs from issuer to issuer, all ways up, until one of the roots has signed. None is used twice, so this ends. */
function* climb(
  path: readonly [Certificate, ...Certificate[]],
  candidates: Candidates,
  issuersOf: (below: Certificate) => readonly Certificate[],
  attempts: { left: number },
): Generator<ChainOutcome> {
  const [leaf] = path
  const below = path.at(-1) ?? leaf
  if (path.length === MAX_PATH_LENGTH) {
    yield invalid('too-long', below, `more than ${MAX_PATH_LENGTH} certificates`)
    return
  }
  const isUsed = (one: Certificate) => path.some((used) => isSameCertificate(used, one))
  const issuers = issuersOf(below).filter((issuer) => !isUsed(issuer))
  if (issuers.length === 0) {
    const { roots, intermediates } = candidates
    yield noIssuer(below, [...roots, ...intermediates.filter((one) => !isUsed(one))])
  }
  for (const issuer of issuers) {
    if (attempts.left-- <= 0) return
    if (candidates.roots.includes(issuer)) yield { kind: 'valid', path: [...path, issuer] }
    else yield* climb([...path, issuer], candidates, issuersOf, attempts)
  }
}

function noIssuer(certificate: Certificate, candidates: readonly Certificate[]): Invalid {
  const namesake = candidates.find(
    (candidate) =>
      sameBytes(candidate.subjectDer, certificate.issuerDer) && !isSameCertificate(candidate, certificate),
  )
  return namesake === undefined
    ? invalid('unknown-issuer', certificate, 'its issuer is not known')
    : invalid('bad-signature', certificate, `${namesake.subject} did not sign it`)
}

function isDeadEnd({ problem }: Invalid): boolean {
  return problem === 'unknown-issuer' || problem === 'too-long'
}

type Check = (path: readonly Certificate[]) => Invalid | undefined

function firstProblem(path: readonly Certificate[], checks: readonly Check[]): Invalid | undefined {
  for (const check of checks) {
    const problem = check(path)
    if (problem !== undefined) return problem
  }
  return undefined
}

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

/** OpenSSL itself still takes SHA-1 here. A root's own signature says nothing, so it is not looked at. */
function checkSignatures(path: readonly Certificate[]): Invalid | undefined {
  const weak = path.slice(0, -1).find(({ signatureAlgorithm }) => !STRONG_SIGNATURES.has(signatureAlgorithm))
  return weak === undefined ? undefined : invalid('weak-signature', weak, weak.signatureAlgorithm)
}

function checkCritical(path: readonly Certificate[]): Invalid | undefined {
  const strange = path.find(({ extensions }) => extensions.unknownCritical.length > 0)
  return strange === undefined
    ? undefined
    : invalid('critical-extension', strange, strange.extensions.unknownCritical.join(', '))
}

/** RFC 5280 §6.1.4 (k) to (n). */
function checkAuthorities(path: readonly Certificate[]): Invalid | undefined {
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
function checkNames(path: readonly Certificate[]): Invalid | undefined {
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

function invalid(problem: ChainProblem, certificate: Certificate, detail: string): Invalid {
  return { kind: 'invalid', problem, certificate, detail }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
