import type { PasswordAlgorithm, StunAttribute } from './attributes.ts'
import { longTermKey, shortTermKey, userhash } from './integrity.ts'
import type { PasswordHash } from './integrity.ts'
import type { IntegrityKind, StunMessage } from './message.ts'
import { findAttribute } from './message.ts'
import { securityFeaturesOf } from './nonce-cookie.ts'
import { opaqueString } from './opaque-string.ts'

export type StunCredentials =
  /**
   * A password that both sides already know for this session (RFC 8489 §9.1), as in ICE. `integrity` says what to send:
   * default `sha1`, which all of ICE speaks; `both` when the other side's choice is unknown.
   */
  | {
      readonly kind: 'short-term'
      readonly username: string
      readonly password: string
      readonly integrity?: IntegrityKind | 'both'
    }
  /**
   * An account at the server (RFC 8489 §9.2). `challenge` is what an earlier transaction ended with, and saves the
   * round trip of being challenged again.
   */
  | {
      readonly kind: 'long-term'
      readonly username: string
      readonly password: string
      readonly challenge?: LongTermChallenge
    }

/** What a server wants to see answered: its 401 or 438, in short. */
export interface LongTermChallenge {
  readonly realm: string
  readonly nonce: string
  /** Its PASSWORD-ALGORITHMS, to be sent back unchanged; undefined from servers of RFC 5389. */
  readonly algorithms: readonly PasswordAlgorithm[] | undefined
  /** True to send USERHASH for USERNAME. */
  readonly hidesUsername: boolean
}

/** What makes a request authentic: attributes, and the integrity that follows them. */
export interface RequestAuth {
  readonly attributes: readonly StunAttribute[]
  readonly integrity: { readonly kind: IntegrityKind | 'both'; readonly key: Uint8Array }
}

/** RFC 8489 §18.5. */
const PASSWORD_HASHES: ReadonlyMap<number, PasswordHash> = new Map([
  [0x0001, 'md5'],
  [0x0002, 'sha256'],
])

/** Ours: we send the list back, so a server can't make our requests as long as it likes. Today's two take 8 bytes. */
const MAX_ALGORITHMS_LENGTH = 256

/** The auth of a request with a short-term credential (RFC 8489 §9.1.2). */
export function shortTermAuth(credentials: Extract<StunCredentials, { kind: 'short-term' }>): RequestAuth {
  return {
    attributes: [{ type: 'username', value: opaqueString(credentials.username) }],
    integrity: { kind: credentials.integrity ?? 'sha1', key: shortTermKey(credentials.password) },
  }
}

/**
 * Reads the challenge in a 401 or 438 (RFC 8489 §9.2.5). Undefined when it must not be answered: realm or nonce are
 * missing, no algorithm is known, or the nonce says that PASSWORD-ALGORITHMS was sent and it is not there, so somebody
 * on the way took it out to weaken us.
 */
export function readChallenge(message: StunMessage): LongTermChallenge | undefined {
  const realm = findAttribute(message, 'realm')?.value
  const nonce = findAttribute(message, 'nonce')?.value
  if (realm === undefined || nonce === undefined) return undefined
  const algorithms = findAttribute(message, 'password-algorithms')?.algorithms
  const features = securityFeaturesOf(nonce)
  if (features.passwordAlgorithms && algorithms === undefined) return undefined
  if (algorithms !== undefined && !isAnswerable(algorithms)) return undefined
  return { realm, nonce, algorithms, hidesUsername: features.usernameAnonymity }
}

/** The auth of a request that answers a challenge (RFC 8489 §9.2.5). */
export function longTermAuth(
  credentials: Extract<StunCredentials, { kind: 'long-term' }>,
  challenge: LongTermChallenge,
): RequestAuth {
  const { username, password } = credentials
  const { realm, nonce, algorithms } = challenge
  const who: StunAttribute = challenge.hidesUsername
    ? { type: 'userhash', value: userhash(username, realm) }
    : { type: 'username', value: opaqueString(username) }
  const common: readonly StunAttribute[] = [
    who,
    { type: 'realm', value: realm },
    { type: 'nonce', value: nonce },
  ]
  const chosen = algorithms === undefined ? undefined : firstKnown(algorithms)
  if (algorithms === undefined || chosen === undefined) {
    return { attributes: common, integrity: { kind: 'sha1', key: longTermKey(username, realm, password) } }
  }
  return {
    attributes: [
      ...common,
      { type: 'password-algorithms', algorithms },
      { type: 'password-algorithm', ...chosen.algorithm },
    ],
    // RFC 8489 §9.2.5: after PASSWORD-ALGORITHMS, MESSAGE-INTEGRITY-SHA256 alone.
    integrity: { kind: 'sha256', key: longTermKey(username, realm, password, chosen.hash) },
  }
}

function isAnswerable(algorithms: readonly PasswordAlgorithm[]): boolean {
  const length = algorithms.reduce((sum, { parameters }) => sum + 4 + parameters.length, 0)
  return length <= MAX_ALGORITHMS_LENGTH && firstKnown(algorithms) !== undefined
}

/** RFC 8489 §9.2.5: the first on the server's list that we support. */
function firstKnown(
  algorithms: readonly PasswordAlgorithm[],
): { readonly algorithm: PasswordAlgorithm; readonly hash: PasswordHash } | undefined {
  for (const algorithm of algorithms) {
    const hash = PASSWORD_HASHES.get(algorithm.algorithm)
    if (hash !== undefined) return { algorithm, hash }
  }
  return undefined
}
