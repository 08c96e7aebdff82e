/**
 * Every code that a {@link ReachError} can carry. Stable: programs match on them. Each has a paragraph in
 * docs/errors.md (a test keeps both lists equal).
 */
export const ERROR_CODES = [
  'ERR_REACH_ABORTED',
  'ERR_REACH_ADDRESS',
  'ERR_REACH_ADDRESS_IN_USE',
  'ERR_REACH_CONFIG',
  'ERR_REACH_DECODE',
  'ERR_REACH_HOST_NOT_FOUND',
  'ERR_REACH_LAB',
  'ERR_REACH_NOT_REACHABLE',
  'ERR_REACH_PERMISSION',
  'ERR_REACH_PROTOCOL',
  'ERR_REACH_SESSION_LOST',
  'ERR_REACH_SESSION_REFUSED',
  'ERR_REACH_SOCKET',
  'ERR_REACH_STUN_ERROR',
  'ERR_REACH_TIMEOUT',
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
