import { deadlineSignal } from '../../base/deadline.ts'
import type { Deadline } from '../../base/deadline.ts'
import { ReachError } from '../../base/errors.ts'
import type { Clock } from '../../base/runtime.ts'

/** How long a step may take, and who may end it before. */
export interface StepLimits {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** What the network did instead of what was asked of it. */
export interface Failure {
  readonly kind: 'failed'
  /** The system's or the protocol's code: ECONNREFUSED, HPE_INVALID_CONSTANT, … `ETIMEDOUT` also for our deadlines. */
  readonly code: string
  /** One sentence for a person. */
  readonly message: string
  readonly ms: number
}

/** A step that ran: what came of it, and how long it took. */
export type Attempt<T> = { readonly kind: 'done'; readonly value: T; readonly ms: number } | Failure

/** Ours: for steps that run out of time, so that programs need to know one code only. */
const TIMEOUT_CODE = 'ETIMEDOUT'

/**
 * Runs one step against a deadline. What the network does, silence included, is a value; it rejects only when
 * `limits.signal` fires (with its reason) and for mistakes of the program itself.
 */
export async function attempt<T>(
  clock: Clock,
  limits: StepLimits,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<Attempt<T>> {
  limits.signal?.throwIfAborted()
  const startMs = clock.nowMs()
  using deadline = stepDeadline(clock, limits)
  try {
    return { kind: 'done', value: await step(deadline.signal), ms: clock.nowMs() - startMs }
  } catch (error) {
    limits.signal?.throwIfAborted()
    const [code, message] = described(error)
    return { kind: 'failed', code, message, ms: clock.nowMs() - startMs }
  }
}

/**
 * A deadline under a signal that any number of steps may share: Node takes more than ten listeners of one signal for a
 * leak and says so on stderr, but counts only those of the signal itself, not the signals that follow it.
 */
export function stepDeadline(clock: Clock, { timeoutMs, signal }: StepLimits): Deadline {
  return deadlineSignal(clock, timeoutMs, signal === undefined ? undefined : AbortSignal.any([signal]))
}

/** Waits for all to end, however they end, and then rejects like the first that did: none runs on unseen. */
export async function all(works: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(works)
  for (const result of settled) if (result.status === 'rejected') throw result.reason
}

/** Code and sentence; throws on what is no outcome of a network but a mistake of ours. */
function described(error: unknown): readonly [code: string, message: string] {
  if (ReachError.is(error, 'ERR_REACH_TIMEOUT')) return [TIMEOUT_CODE, error.message]
  if (ReachError.is(error)) {
    return [typeof error.details.code === 'string' ? error.details.code : error.code, error.message]
  }
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') throw error
  return [error.code, meaningOf(error.code) ?? error.message]
}

/** What the codes of Node, OpenSSL and llhttp say, in the words of somebody who looks at a network. */
function meaningOf(code: string): string | undefined {
  const known = MEANINGS[code]
  if (known !== undefined) return known
  if (code.startsWith('HPE_')) return `what answered is not HTTP (${code})`
  // OpenSSL names what it read: WRONG_VERSION_NUMBER, TLSV1_ALERT_INTERNAL_ERROR, …
  if (code.startsWith('ERR_SSL_')) return `the TLS handshake failed: ${code.slice('ERR_SSL_'.length)}`
  return undefined
}

const MEANINGS: Readonly<Record<string, string>> = {
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection was cut',
  EPROTO: 'what answered does not speak TLS',
  HPE_HEADER_OVERFLOW: 'the answer has too many headers (HPE_HEADER_OVERFLOW)',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what answered does not speak TLS (WRONG_VERSION_NUMBER)',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'what answered does not speak TLS (PACKET_LENGTH_TOO_LONG)',
}
