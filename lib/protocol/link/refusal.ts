/** Why an attach is refused, with its number on the wire. Numbers are never used again for something else. */
export const REFUSAL_NUMBERS = {
  /** We don't speak that version of the link. */
  version: 1,
  /** We know no such session, or no longer. */
  'session-unknown': 2,
  /** The session belongs to a peer with another key. */
  'key-mismatch': 3,
  /** The attempt was seen before, or is far older than others that were seen. */
  'generation-stale': 4,
  /** The peer wants bytes that it acknowledged, and that we therefore dropped. */
  'offset-dropped': 5,
  /** The peer claims to have received more than was sent. */
  'offset-future': 6,
  /** The resume time was over. */
  'session-expired': 7,
  /** The session ended cleanly: both directions were received to their ends. */
  'session-finished': 8,
  /** The session was closed before both directions had ended. */
  'session-closed': 9,
  /** The session has as many paths as it may have. */
  'too-many-paths': 10,
  /** We have as many sessions as we want to have, in all or with this peer. */
  'too-many-sessions': 11,
} as const

/** One of {@link REFUSAL_NUMBERS}: what we refuse with. */
export type KnownRefusal = keyof typeof REFUSAL_NUMBERS

/** What the peer refused with; `unknown` for numbers of later versions. */
export type Refusal = KnownRefusal | 'unknown'

/** The name of a number from the wire. */
export function refusalOf(number: number): Refusal {
  for (const [name, known] of Object.entries(REFUSAL_NUMBERS)) {
    if (known === number && isRefusal(name)) return name
  }
  return 'unknown'
}

function isRefusal(name: string): name is KnownRefusal {
  return name in REFUSAL_NUMBERS
}

/** Refusals that will not change when the same session is tried again: the other side has no use for it any more. */
export function isFinal(refusal: Refusal): boolean {
  return !RETRYABLE.has(refusal)
}

const RETRYABLE: ReadonlySet<Refusal> = new Set([
  'generation-stale',
  'offset-dropped',
  'too-many-paths',
  'too-many-sessions',
  'unknown',
])
