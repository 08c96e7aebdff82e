import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { Membership } from '../membership/membership.ts'
import type { Incoming, RelayClient } from '../relay/relay-client.ts'
import { ChangeWatch } from '../session/change-watch.ts'
import type { PeerNetwork } from '../protocol/ice/pair-prediction.ts'
import type { PeerEvent } from './peer-event.ts'
import { RelayLink } from './relay-link.ts'

/** What the links to all relays tell. */
export interface RelayLinksEvents {
  onEvent(event: PeerEvent): void
  onHopeless(error: ReachError): void
  /** A relay is connected over a better way than before. */
  onImproved(link: RelayLink): void
  /** A relay is about to end. */
  onRestarting(link: RelayLink): void
  onIncoming(link: RelayLink, incoming: Incoming): void
  onRoots(): void
}

export interface RelayLinksSetup {
  readonly membership: Membership
  readonly runtime: Runtime
  readonly events: RelayLinksEvents
}

/** Design §5: two relays at once, so that either can go; a third costs every peer a connection and gains little. */
const MAX_LINKS = 2
/** Ours: how long whoever needs a relay waits for the first one, if the caller sets no shorter limit. */
const READY_TIMEOUT_MS = 10_000

/** The relays that a peer stays connected to: the first two of its network. */
export class RelayLinks {
  readonly #setup: RelayLinksSetup
  readonly #links: RelayLink[] = []
  /** Of what is connected. */
  readonly #watch = new ChangeWatch()

  constructor(setup: RelayLinksSetup) {
    this.#setup = setup
  }

  /** Those that are connected, the network's favourite first. */
  get up(): readonly RelayLink[] {
    return this.#links.filter(({ client }) => client !== undefined)
  }

  /** What those that are connected can be asked through. */
  get clients(): readonly RelayClient[] {
    return this.up.flatMap(({ client }) => client ?? [])
  }

  start(): void {
    const { membership, runtime, events } = this.#setup
    for (const relay of membership.relays.slice(0, MAX_LINKS)) {
      const link = new RelayLink({
        membership,
        runtime,
        relay,
        events: {
          onUp: (up) => {
            const { relay: at, way = 'direct', interceptedBy } = up
            events.onEvent({ kind: 'relay-up', relay: at, way, interceptedBy })
            this.#watch.changed()
          },
          onDown: (down, error, retryInMs) => {
            events.onEvent({ kind: 'relay-down', relay: down.relay, error, retryInMs })
            this.#watch.changed()
          },
          onHopeless: (error) => events.onHopeless(error),
          onImproved: (at) => {
            const { relay: improved, way = 'direct', interceptedBy } = at
            events.onEvent({ kind: 'way-improved', relay: improved, way, interceptedBy })
            events.onImproved(at)
          },
          onSuperseded: (at) => events.onEvent({ kind: 'superseded', relay: at.relay }),
          onRestarting: (at, backInMs) => {
            events.onEvent({ kind: 'relay-restarting', relay: at.relay, backInMs })
            events.onRestarting(at)
          },
          onIncoming: (at, incoming) => events.onIncoming(at, incoming),
          onMembership: (event) => events.onEvent({ kind: 'membership', event }),
          onRoots: () => events.onRoots(),
        },
      })
      this.#links.push(link)
    }
  }

  /**
   * Those that are connected, as soon as one is.
   * @throws {ReachError} why none is, when all have been tried; the signal's reason
   */
  async ready(signal?: AbortSignal): Promise<readonly RelayLink[]> {
    using deadline = deadlineSignal(this.#setup.runtime.clock, READY_TIMEOUT_MS, signal)
    for (;;) {
      signal?.throwIfAborted()
      const { up } = this
      if (up.length > 0) return up
      this.hurry()
      const failure = this.#failure()
      if (failure !== undefined) throw failure
      await this.#watch.next(deadline.signal)
      signal?.throwIfAborted()
      if (deadline.signal.aborted && this.up.length === 0) throw this.#failure() ?? silent()
    }
  }

  /** Tells all relays, now and when they come back, that we take sessions. Resolves when one knows. */
  async register(signal?: AbortSignal): Promise<void> {
    for (const link of this.#links) link.wantRegistration()
    const links = await this.ready(signal)
    const results = await Promise.allSettled(links.map((link) => link.register(signal)))
    const failed = results.find(({ status }) => status === 'rejected')
    if (results.every(({ status }) => status === 'rejected') && failed?.status === 'rejected')
      throw failed.reason
  }

  /** Tells all relays at which we take sessions what others may know of our network. */
  tellNetwork(network: PeerNetwork): void {
    for (const link of this.#links) link.tellNetwork(network)
  }

  hurry(): void {
    for (const link of this.#links) link.hurry()
  }

  /** This host may be in another network. */
  networkChanged(): void {
    for (const link of this.#links) link.networkChanged()
  }

  /** A path fell silent: relays that do not answer now are gone. */
  probe(): void {
    for (const link of this.#links) link.probe()
  }

  close(): void {
    for (const link of this.#links) link.close()
  }

  /** Why none is connected, once each has been tried. */
  #failure(): ReachError | undefined {
    if (this.#links.length === 0)
      return new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'the network has no relay')
    const errors = this.#links.map(({ lastError }) => lastError)
    return errors.every((error) => error !== undefined) ? errors[0] : undefined
  }
}

function silent(): ReachError {
  return new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'no relay of the network answers', {
    hint: 'check that it is up;  p2p-reach diagnose  says which ways out work here',
  })
}
