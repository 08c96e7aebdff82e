import type { Transport } from '../../base/transport-address.ts'
import type { ProbeOutcome } from './probe-outcome.ts'

/** A port of ours at the IP that the relay sees us as, and the random bytes that shall come in there. */
export interface ProofTarget {
  readonly transport: Transport
  readonly port: number
  /** Fresh for each attempt; of the length that proof-packet.ts says. */
  readonly nonce: Uint8Array
}

/** A relay as whoever wants a proof sees it. */
export interface ProofRelay {
  /** HOST:PORT, for messages. */
  readonly name: string
  /** The IP that we come from, as the relay sees it; undefined when it can't prove anything: it is too old. */
  readonly seenAs: string | undefined
  /**
   * Lets the relay send the nonce from a port that we have never talked to.
   * @throws {ReachError} ERR_REACH_RATE_LIMITED, ERR_REACH_REQUEST_REFUSED, why the relay is gone
   */
  prove(target: ProofTarget, signal?: AbortSignal): Promise<ProbeOutcome>
}
