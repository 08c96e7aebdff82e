import { ReachError } from '../../base/errors.ts'

/**
 * Why a stream was reset or refused: the length field of the window update that carries RST. Others write 0 there and
 * don't read it (docs/wire.md). Numbers that are removed stay as comments; from {@link FIRST_CALLER_RESET} on they
 * belong to who uses the stream.
 */
export const RESET_REASONS = {
  /** No reason given: what plain yamux says. */
  unspecified: 0,
  /** Its user does not want it any more. */
  cancelled: 1,
  /** This peer may not use this service. */
  'not-permitted': 2,
  /** No such service is exposed. */
  'service-unknown': 3,
  /** What the service leads to can't be reached. */
  'target-unreachable': 4,
  /** Too many streams, or too many that wait to be accepted. */
  'too-many-streams': 5,
  /** The session takes no new streams any more. */
  draining: 6,
  /** OPEN is missing, malformed, or of a version that is not spoken. */
  'bad-open': 7,
  /** Its received bytes were not read, and all of the session's memory for such bytes is full. */
  'too-slow': 8,
  /** Something failed that is not the other side's concern. */
  internal: 9,
  /** The service carries datagrams and the stream bytes, or the other way round. */
  'wrong-transport': 10,
  /** What came makes no sense to who reads it. */
  malformed: 11,
} as const

/** A name of {@link RESET_REASONS}. */
export type ResetReason = keyof typeof RESET_REASONS

/** Ours: below this number reasons are the mux's. */
export const FIRST_CALLER_RESET = 0x100

/** The largest number that the field holds. */
export const MAX_RESET_CODE = 0xffff_ffff

const NAMES: ReadonlyMap<number, ResetReason> = new Map<number, ResetReason>([
  [RESET_REASONS.unspecified, 'unspecified'],
  [RESET_REASONS.cancelled, 'cancelled'],
  [RESET_REASONS['not-permitted'], 'not-permitted'],
  [RESET_REASONS['service-unknown'], 'service-unknown'],
  [RESET_REASONS['target-unreachable'], 'target-unreachable'],
  [RESET_REASONS['too-many-streams'], 'too-many-streams'],
  [RESET_REASONS.draining, 'draining'],
  [RESET_REASONS['bad-open'], 'bad-open'],
  [RESET_REASONS['too-slow'], 'too-slow'],
  [RESET_REASONS.internal, 'internal'],
  [RESET_REASONS['wrong-transport'], 'wrong-transport'],
  [RESET_REASONS.malformed, 'malformed'],
])

/** The name of a code; `code N` for one that has none here: a caller's, or of a later version. */
export function resetReasonName(code: number): ResetReason | `code ${number}` {
  return NAMES.get(code) ?? `code ${code}`
}

/** What a reset looks like to who uses the stream; `details.reason` and `details.code` say why. */
export function streamResetError(code: number, options: { readonly wasAccepted: boolean }): ReachError {
  const reason = resetReasonName(code)
  const details = { reason, code }
  return options.wasAccepted
    ? new ReachError('ERR_REACH_STREAM_RESET', `the other side reset the stream: ${reason}`, { details })
    : new ReachError('ERR_REACH_STREAM_REFUSED', `the other side refused the stream: ${reason}`, { details })
}
