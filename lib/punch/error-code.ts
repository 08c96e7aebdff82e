import { ReachError } from '../base/errors.ts'

/** The system's code of a failed socket operation, as `lib/net` hands it on. */
export function codeOf(error: unknown): string {
  const code = ReachError.is(error) ? error.details['code'] : undefined
  return typeof code === 'string' ? code : 'UNKNOWN'
}
