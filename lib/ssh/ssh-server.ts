import type { Duplex } from 'node:stream'
import type { ReachError } from '../base/errors.ts'
import type { Rendezvous } from '../protocol/ssh/rendezvous.ts'

/** Waiting at places of an SSH server. */
export interface SshListening {
  /** What the server forwards to us: paths of sockets, and ports. */
  readonly at: readonly string[]
  /** Resolves when it is over, with the reason. Never rejects. */
  readonly lost: Promise<ReachError>
}

/** An SSH server where members meet: nothing of ours runs there. */
export interface SshServer {
  /** `ssh://user@host:22`. */
  readonly name: string
  /**
   * Has the server hand us whoever comes to the places: at a socket of each, or at a port where it forwards no sockets.
   * Resolves when it does.
   * @throws {ReachError} ERR_REACH_SSH_…, the signal's reason
   */
  listen(
    places: readonly Rendezvous[],
    onStream: (stream: Duplex) => void,
    signal: AbortSignal,
  ): Promise<SshListening>
  /**
   * Connections to whoever waits at the place, the likeliest first. Who takes one owns it; one that fails says nothing
   * about the next.
   * @throws {ReachError} ERR_REACH_SSH_…, the signal's reason
   */
  dial(place: Rendezvous, signal: AbortSignal): AsyncGenerator<Duplex, void>
  /** Something fell silent: a connection to the server that does not answer now is dead. */
  probe(): void
  /** Ends all that goes over it, and removes what it left there as far as it can. Idempotent. */
  close(): Promise<void>
}
