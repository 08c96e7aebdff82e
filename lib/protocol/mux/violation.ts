import { ReachError } from '../../base/errors.ts'

/** The other side broke the protocol of the mux. `details` holds the numbers. */
export function violation(what: string, details: Readonly<Record<string, unknown>>): ReachError {
  return new ReachError('ERR_REACH_PROTOCOL', `the peer broke the protocol of streams: ${what}`, { details })
}

/** What receiving threw, as a violation; anything else is no fault of the peer and is thrown on. */
export function asViolation(error: unknown): ReachError {
  if (ReachError.is(error, 'ERR_REACH_PROTOCOL')) return error
  if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
  return new ReachError('ERR_REACH_PROTOCOL', `the peer broke the protocol of streams: ${error.message}`, {
    cause: error,
    details: error.details,
  })
}
