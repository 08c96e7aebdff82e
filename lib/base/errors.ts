/**
 * Every code that a {@link ReachError} can carry. Stable: programs match on them. Each has a paragraph in
 * docs/errors.md (a test keeps both lists equal).
 */
export const ERROR_CODES = [
  'ERR_REACH_ABORTED',
  'ERR_REACH_ADDRESS',
  'ERR_REACH_ADDRESS_IN_USE',
  'ERR_REACH_ALREADY_MEMBER',
  'ERR_REACH_CLOCK',
  'ERR_REACH_CONFIG',
  'ERR_REACH_DECODE',
  'ERR_REACH_EXTERNAL_CA',
  'ERR_REACH_FILE',
  'ERR_REACH_FILE_EXISTS',
  'ERR_REACH_HOME_DAMAGED',
  'ERR_REACH_HOME_IN_USE',
  'ERR_REACH_HOST_NOT_FOUND',
  'ERR_REACH_JOIN_STRING',
  'ERR_REACH_JOIN_WRONG_ROOT',
  'ERR_REACH_KEY_FILE',
  'ERR_REACH_KEY_FILE_OPEN',
  'ERR_REACH_LAB',
  'ERR_REACH_MAPPING_REFUSED',
  'ERR_REACH_MAPPING_UNREACHABLE',
  'ERR_REACH_NAME',
  'ERR_REACH_NAME_TAKEN',
  'ERR_REACH_NOT_A_MEMBER',
  'ERR_REACH_NOT_REACHABLE',
  'ERR_REACH_NO_AUTHORITY',
  'ERR_REACH_NO_GATEWAY',
  'ERR_REACH_PEER_ID',
  'ERR_REACH_PEER_OFFLINE',
  'ERR_REACH_PEER_UNKNOWN',
  'ERR_REACH_PERMISSION',
  'ERR_REACH_PROTOCOL',
  'ERR_REACH_RATE_LIMITED',
  'ERR_REACH_RELAY_UNREACHABLE',
  'ERR_REACH_RENEWAL_TOO_LATE',
  'ERR_REACH_REQUEST_REFUSED',
  'ERR_REACH_ROOT_IN_USE',
  'ERR_REACH_SERVICE_IN_USE',
  'ERR_REACH_SESSION_LOST',
  'ERR_REACH_SESSION_REFUSED',
  'ERR_REACH_SOCKET',
  'ERR_REACH_SSH_AUTH',
  'ERR_REACH_SSH_FORWARDING',
  'ERR_REACH_SSH_HOST_KEY_CHANGED',
  'ERR_REACH_SSH_HOST_KEY_UNKNOWN',
  'ERR_REACH_SSH_KEY',
  'ERR_REACH_SSH_UNREACHABLE',
  'ERR_REACH_STATEMENT',
  'ERR_REACH_STREAM_REFUSED',
  'ERR_REACH_STREAM_RESET',
  'ERR_REACH_STUN_ERROR',
  'ERR_REACH_SUPERSEDED',
  'ERR_REACH_TIMEOUT',
  'ERR_REACH_TLS',
  'ERR_REACH_TLS_VERSION',
  'ERR_REACH_TOKEN_EXPIRED',
  'ERR_REACH_TOKEN_UNKNOWN',
  'ERR_REACH_TOKEN_USED',
  'ERR_REACH_TRUST_CHAIN',
  'ERR_REACH_TRUST_EXPIRED',
  'ERR_REACH_TRUST_NAME_CONSTRAINT',
  'ERR_REACH_TRUST_NOT_YET_VALID',
  'ERR_REACH_TRUST_NO_CERTIFICATE',
  'ERR_REACH_TRUST_OTHER_NETWORK',
  'ERR_REACH_TRUST_REVOKED',
  'ERR_REACH_TRUST_ROLE',
  'ERR_REACH_TRUST_UNKNOWN_ISSUER',
  'ERR_REACH_TRUST_WRONG_KEY',
  'ERR_REACH_TRUST_WRONG_NAME',
  'ERR_REACH_UNREACHABLE_CODE',
  'ERR_REACH_USAGE',
] as const

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** What a {@link ReachError} carries besides its code and message. */
export interface ReachErrorOptions {
  /** What made it fail, kept for whoever debugs. */
  readonly cause?: unknown
  /** Facts a program can read: addresses, counts, times with their units in the names. Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>
  /** What a person should type or change. One line, no full stop. */
  readonly hint?: string
}

/** Marks a ReachError even when two copies of the library are loaded; `instanceof` would fail there. */
const BRAND = Symbol.for('p2p-reach.ReachError')

/** The only error that the library throws or rejects with on purpose. Match on `code`, never on the message. */
export class ReachError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  readonly hint: string | undefined
  readonly [BRAND] = true

  constructor(code: ErrorCode, message: string, options: ReachErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ReachError'
    this.code = code
    this.details = options.details ?? {}
    this.hint = options.hint
  }

  /** True for a ReachError of this or another copy of the library; with `code`, only for that code. */
  static is(error: unknown, code?: ErrorCode): error is ReachError {
    if (typeof error !== 'object' || error === null || !(BRAND in error)) return false
    return code === undefined || ('code' in error && error.code === code)
  }
}
