import { ReachError } from './errors.ts'

/** Closes an exhaustive `switch`: a new variant breaks the build here instead of the night. */
export function unreachable(value: never): never {
  throw new ReachError('ERR_REACH_UNREACHABLE_CODE', `no case for ${JSON.stringify(value)}`)
}
