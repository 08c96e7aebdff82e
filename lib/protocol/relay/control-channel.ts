import type { ReachError } from '../../base/errors.ts'
import type { ControlStream } from '../../base/relay-dialer.ts'
import type { ControlReply } from './control-reply.ts'

/** The reply of a type. */
export type ReplyOf<T extends ControlReply['type']> = Extract<ControlReply, { readonly type: T }>

/** A control connection to a relay on which we are known. */
export interface ControlChannel {
  /** Resolves with the reason when the connection is over. */
  readonly closed: Promise<ReachError>
  /** What it runs over: data follow it to the very relay that answers, as a name may stand for several. */
  readonly via: Pick<ControlStream, 'openLeg' | 'remote'>
  /** The IP that we come from, as the relay sees it; undefined when it did not say: an older one, or too early. */
  readonly seenAs: string | undefined
  /** UDP ports of the relay's host that answer STUN; undefined when it did not say: an older one, or too early. */
  readonly stunPorts: readonly number[] | undefined
  /** Number for the next request that has one: its answer is told by it. */
  nextId(): number
  /**
   * Asks, and waits for an answer of one of these types; a refusal rejects. A request with an `id` is answered by its id:
   * many may run at once, and a refusal ends none but its own. Requests without one are answered in their order.
   * @throws {ReachError} the refusal; ERR_REACH_TIMEOUT; why the connection ended
   * @throws the signal's reason, at once when it has fired before
   */
  ask<T extends ControlReply['type']>(
    request: Readonly<Record<string, unknown>>,
    types: readonly T[],
    signal?: AbortSignal,
  ): Promise<ReplyOf<T>>
  /** Calls back with each message that nobody asked for, until the function that it answers is called. */
  watch(listener: (reply: ControlReply) => void): () => void
}
