import { ReachError } from '../../lib/base/errors.ts'

/** Who speaks has not proven who it is. */
export function notAMember(): ReachError {
  return new ReachError('ERR_REACH_TRUST_NO_CERTIFICATE', 'say who you are first')
}

/** This relay only serves. */
export function notIssuing(): ReachError {
  return new ReachError('ERR_REACH_NO_AUTHORITY', 'this relay does not issue certificates', {
    hint: 'ask the relay that made the network',
  })
}

/** What strangers are told of a failure: nothing of what failed inside. */
export function asReachError(error: unknown): ReachError {
  if (ReachError.is(error)) return error
  return new ReachError('ERR_REACH_REQUEST_REFUSED', 'the relay failed', { cause: error })
}
