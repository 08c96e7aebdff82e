import { deadlineSignal } from '../base/deadline.ts'
import type { Runtime } from '../base/runtime.ts'
import type { MappingTrial } from '../protocol/port-mapping/mapping-trial.ts'
import { mapPortWith } from './map-port.ts'
import type { MapPortOptions, MappedPort, OpenLease } from './map-port.ts'
import type { PeerLife } from './peer-life.ts'
import { PortLeases } from './port-leases.ts'
import type { RelayLinks } from './relay-links.ts'

/** What mapping ports needs. */
export interface MappedPortsSetup {
  readonly runtime: Runtime
  readonly home: string
  readonly life: PeerLife
  /** Their relays try mappings from outside. */
  readonly links: RelayLinks
}

/** Ours: how long a mapping waits for the first relay, which could prove it. */
const PROOF_RELAY_TIMEOUT_MS = 5000

/** The ports that a peer has its gateway forward, proven by relays. What makes them is opened at the first use. */
export class MappedPorts {
  readonly #setup: MappedPortsSetup
  #leases: PortLeases | undefined

  constructor(setup: MappedPortsSetup) {
    this.#setup = setup
  }

  readonly openLease: OpenLease = (request) => this.#opened().open(request)

  /** @throws {RangeError} {ReachError} as `Peer.mapPort` does */
  async map(port: number, options: MapPortOptions): Promise<MappedPort> {
    const { runtime, links } = this.#setup
    const leases = this.#opened()
    await this.#proofRelay(options.signal)
    return await mapPortWith({ runtime, openLease: leases.open, relays: () => links.clients }, port, options)
  }

  /** Maps a port for the time of a test. @throws the signal's reason */
  async try(signal: AbortSignal | undefined): Promise<MappingTrial> {
    const leases = this.#opened()
    await this.#proofRelay(signal)
    return await leases.try(() => this.#setup.links.clients, signal)
  }

  #opened(): PortLeases {
    const { life, runtime, home } = this.#setup
    life.checkOpen()
    return (this.#leases ??= life.resources.use(new PortLeases(runtime, home)))
  }

  /** Waits a while for the first relay; without one, a mapping is unproven. Rejects with the signal's reason. */
  async #proofRelay(signal: AbortSignal | undefined): Promise<void> {
    const { runtime, links } = this.#setup
    using deadline = deadlineSignal(runtime.clock, PROOF_RELAY_TIMEOUT_MS, signal)
    await links.ready(deadline.signal).catch(() => signal?.throwIfAborted())
  }
}
