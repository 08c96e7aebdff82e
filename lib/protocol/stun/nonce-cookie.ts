/** RFC 8489 §9.2: a nonce that starts like this continues with 24 feature bits in 4 characters of base64. */
const NONCE_COOKIE = 'obMatJos2'
const FEATURES_LENGTH = 4

/** Security features that a server puts into its nonces, so that nobody on the way can take them out (RFC 8489 §18.1). */
export interface SecurityFeatures {
  /** It sent PASSWORD-ALGORITHMS; when that is missing, somebody removed it. */
  readonly passwordAlgorithms: boolean
  /** It understands USERHASH. */
  readonly usernameAnonymity: boolean
}

/**
 * Bit 0 and bit 1 of the 24. RFC 8489 §18.1 counts from the left, verified erratum 6290 and the vector of appendix B.1
 * from the right. We write as the erratum says and read both: the bits in question are unassigned in the other order.
 */
const PASSWORD_ALGORITHMS = { erratum: 0x000001, prose: 0x800000 }
const USERNAME_ANONYMITY = { erratum: 0x000002, prose: 0x400000 }

/** The features that a nonce carries; none when it is no nonce with a cookie. */
export function securityFeaturesOf(nonce: string): SecurityFeatures {
  const bits = nonce.startsWith(NONCE_COOKIE) ? featureBits(nonce.slice(NONCE_COOKIE.length)) : 0
  return {
    passwordAlgorithms: (bits & (PASSWORD_ALGORITHMS.erratum | PASSWORD_ALGORITHMS.prose)) !== 0,
    usernameAnonymity: (bits & (USERNAME_ANONYMITY.erratum | USERNAME_ANONYMITY.prose)) !== 0,
  }
}

/** A nonce for a server: the cookie, the features, then the server's own text. */
export function nonceWithFeatures(features: SecurityFeatures, rest: string): string {
  const bits =
    (features.passwordAlgorithms ? PASSWORD_ALGORITHMS.erratum : 0) |
    (features.usernameAnonymity ? USERNAME_ANONYMITY.erratum : 0)
  const bytes = [bits >> 16, (bits >> 8) & 0xff, bits & 0xff]
  return NONCE_COOKIE + btoa(String.fromCharCode(...bytes)) + rest
}

function featureBits(text: string): number {
  const encoded = text.slice(0, FEATURES_LENGTH)
  if (!/^[A-Za-z0-9+/]{4}$/.test(encoded)) return 0
  const bytes = atob(encoded)
  return (bytes.charCodeAt(0) << 16) | (bytes.charCodeAt(1) << 8) | bytes.charCodeAt(2)
}
