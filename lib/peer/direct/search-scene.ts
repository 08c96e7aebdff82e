import type { TransportAddress } from '../../base/transport-address.ts'
import type { HostAddress } from '../../gather/host-addresses.ts'
import type { IceCredentials } from '../../protocol/ice/connectivity-check.ts'
import type { AttemptStart, DirectMessage } from '../../protocol/signaling/direct-message.ts'
import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'
import type { AttemptContext } from './direct-attempt.ts'
import type { DirectTools, OwnNetwork } from './direct-tools.ts'

/** What both halves of a search, UDP and TCP, know of it. */
export interface SearchScene {
  readonly tools: DirectTools
  readonly context: AttemptContext
  readonly credentials: IceCredentials
  readonly theirs: AttemptStart
  /** Of our own network; undefined where nobody could be asked. */
  readonly ourNetwork: Promise<OwnNetwork | undefined>
  /** As the peer says; rejects when the search ends before. */
  readonly theirNat: Promise<NatSummary>
  readonly maySendTo: (address: TransportAddress) => boolean
  /** Of this host, worth telling the peer. */
  readonly hosts: Promise<readonly HostAddress[]>
  /** Ends everything. */
  readonly signal: AbortSignal
}

/** A search over one transport. */
export interface SearchHalf {
  /** Resolves when there is a path, or nothing more to try. Rejects with the reason of the scene's signal. */
  readonly done: Promise<void>
  /** A message of the peer's other half. */
  receive(message: DirectMessage): void
  /** Ends what is still open; what was found stays. Idempotent. */
  close(): void
}

/**
 * Uses an address that the peer has named: now if it may be sent to, else once the peer has told of its network, as only
 * then it is known whether we share a NAT. Whoever uses it asks `maySendTo` again.
 */
export function onceAllowed(
  { maySendTo, theirNat }: SearchScene,
  address: TransportAddress,
  use: () => void,
): void {
  if (maySendTo(address)) use()
  else theirNat.then(use).catch(() => undefined) // the search ended before
}
