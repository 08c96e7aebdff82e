import type { Duplex } from 'node:stream'
import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { PathAbout } from '../session/path-pipe.ts'
import type { SessionHost } from '../session/session-host.ts'
import type { Session, SessionEvents } from '../session/session.ts'
import { climb } from '../ways/climb.ts'
import { dialledAs } from './dialled-as.ts'
import type { SshRelay } from './ssh-relay.ts'
import type { SshRelays } from './ssh-relays.ts'
import { aboutSsh } from './ssh-relays.ts'

/** What a dialer over SSH servers is made of. */
export interface SshDialerSetup {
  readonly runtime: Runtime
  readonly host: SessionHost
  readonly relays: SshRelays
  readonly events: SessionEvents
}

/** Ours: whoever answers has so long to prove that it is the peer: a dead connection may still answer for it. */
const TRY_TIMEOUT_MS = 3000

/** Begins sessions over SSH servers, and brings sessions a path over one. */
export class SshDialer {
  readonly #setup: SshDialerSetup

  constructor(setup: SshDialerSetup) {
    this.#setup = setup
  }

  /** Begins a session with a peer, by name or PeerId, over the first server that leads to it. @throws {ReachError} */
  begin(peer: string, signal: AbortSignal): Promise<Session> {
    const { host, events } = this.#setup
    return this.#overAny(
      peer,
      signal,
      (stream, about, during) => host.begin(stream, about, dialledAs(peer), events, during),
      (session) => session.destroy(),
    )
  }

  /** Brings a session a path. @throws {ReachError} */
  addPath(session: Session, signal: AbortSignal): Promise<void> {
    const { host } = this.#setup
    // By the name where it has one, as when it was dialled: an SSH command keeps one ssh for each place.
    return this.#overAny(
      session.peer.name ?? session.peer.peerId,
      signal,
      (stream, about, during) => host.addPath(session, stream, about, during),
      () => undefined,
    )
  }

  /** Servers that do not answer are to be dialled anew. */
  probe(): void {
    this.#setup.relays.probe()
  }

  /** All servers at once; the first one wins, the others stop. */
  async #overAny<T>(
    peer: string,
    signal: AbortSignal,
    use: (stream: Duplex, about: PathAbout, signal: AbortSignal) => Promise<T>,
    discard: (surplus: T) => void,
  ): Promise<T> {
    const { runtime, relays } = this.#setup
    const outcome = await climb({
      ...{ clock: runtime.clock, signal, discard, rungs: relays.all, delayMs: 0 },
      attempt: (relay, { signal: during }) => this.#over(relay, peer, during, use),
    })
    if (outcome.kind === 'failed') throw outcome.failures[0]?.error
    return outcome.value
  }

  async #over<T>(
    relay: SshRelay,
    peer: string,
    signal: AbortSignal,
    use: (stream: Duplex, about: PathAbout, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { runtime, relays } = this.#setup
    let failure: unknown
    for await (const stream of relays.streamsTo(peer, relay, signal)) {
      using deadline = deadlineSignal(runtime.clock, TRY_TIMEOUT_MS, signal)
      try {
        return await use(stream, aboutSsh(relay.server), deadline.signal)
      } catch (error) {
        stream.destroy()
        signal.throwIfAborted()
        failure = error
      }
    }
    if (ReachError.is(failure) && failure.code.startsWith('ERR_REACH_TRUST_')) throw failure
    throw offline(peer, relay.server.name, failure)
  }
}

function offline(peer: string, server: string, cause: unknown): ReachError {
  return new ReachError('ERR_REACH_PEER_OFFLINE', `${peer} does not wait at ${server}`, {
    cause,
    hint: `${peer} has to run  p2p-reach expose … --relay ${server}  as the same user of that server`,
    details: { peer, server },
  })
}
