import { ReachError } from '../lib/index.ts'

/** What the process ends with; users script against these. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notReachable: 3, notTrusted: 4, interrupted: 130 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The exit code for what a command rejected with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!ReachError.is(error)) return EXIT.failed
  switch (error.code) {
    case 'ERR_REACH_USAGE':
    case 'ERR_REACH_CONFIG':
    case 'ERR_REACH_ADDRESS':
    case 'ERR_REACH_HOST_NOT_FOUND':
      return EXIT.usage
    case 'ERR_REACH_NOT_REACHABLE':
      return EXIT.notReachable
    case 'ERR_REACH_ABORTED':
      return EXIT.interrupted
    default:
      return EXIT.failed
  }
}
