import { ReachError } from '../lib/index.ts'

/** What the process ends with; users script against these. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notReachable: 3, notTrusted: 4, interrupted: 130 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The exit code for what a command rejected with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!ReachError.is(error)) return EXIT.failed
  if (error.code.startsWith('ERR_REACH_TRUST_') || error.code.startsWith('ERR_REACH_TOKEN_'))
    return EXIT.notTrusted
  switch (error.code) {
    case 'ERR_REACH_USAGE':
    case 'ERR_REACH_JOIN_STRING':
    case 'ERR_REACH_NAME':
    case 'ERR_REACH_PEER_ID':
    case 'ERR_REACH_EXTERNAL_CA':
    case 'ERR_REACH_CONFIG':
    case 'ERR_REACH_ADDRESS':
    case 'ERR_REACH_HOST_NOT_FOUND':
      return EXIT.usage
    case 'ERR_REACH_JOIN_WRONG_ROOT':
    case 'ERR_REACH_STATEMENT':
    case 'ERR_REACH_TLS_VERSION':
    case 'ERR_REACH_SSH_AUTH':
    case 'ERR_REACH_SSH_HOST_KEY_CHANGED':
    case 'ERR_REACH_SSH_HOST_KEY_UNKNOWN':
      return EXIT.notTrusted
    case 'ERR_REACH_RELAY_UNREACHABLE':
    case 'ERR_REACH_NOT_REACHABLE':
    case 'ERR_REACH_PEER_OFFLINE':
    case 'ERR_REACH_SSH_FORWARDING':
    case 'ERR_REACH_SSH_UNREACHABLE':
    case 'ERR_REACH_NO_GATEWAY':
    case 'ERR_REACH_MAPPING_REFUSED':
    case 'ERR_REACH_MAPPING_UNREACHABLE':
      return EXIT.notReachable
    case 'ERR_REACH_ABORTED':
      return EXIT.interrupted
    default:
      return EXIT.failed
  }
}
