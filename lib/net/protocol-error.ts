import { ReachError } from '../base/errors.ts'

/** What a protocol step throws when the other side answers, but not as it should. */
export function protocolError(code: string, message: string): ReachError {
  return new ReachError('ERR_REACH_SOCKET', message, { details: { code } })
}
