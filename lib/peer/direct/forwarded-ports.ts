import type { Runtime } from '../../base/runtime.ts'
import type { Transport } from '../../base/transport-address.ts'
import type { LeaseState } from '../../portmap/lease-state.ts'
import type { ProofEars } from '../../proof/proof-listener.ts'
import type { ProofRelay } from '../../protocol/relay/proof-relay.ts'
import type { MappedPort, OpenLease } from '../map-port.ts'
import { mapPortWith } from '../map-port.ts'
import type { ForwardedPort } from './direct-tools.ts'

/** What forwarded ports are made of. */
export interface ForwardedPortsSetup {
  readonly runtime: Runtime
  readonly openLease: OpenLease
  readonly relays: () => readonly ProofRelay[]
}

/** A port of ours that is to be reached from outside. */
export interface PortToForward {
  readonly transport: Transport
  readonly port: number
  /** Whoever holds the port's socket. */
  readonly ears?: ProofEars
}

/** Ports of this peer that the gateway forwards, asked for when a direct path needs them, until the peer is closed. */
export class ForwardedPorts {
  readonly #setup: ForwardedPortsSetup
  readonly #watchers = new Set<(port: ForwardedPort) => void>()
  readonly #proven = new Map<MappedPort, ForwardedPort>()
  readonly #stop = new AbortController()
  #isWanted = false

  constructor(setup: ForwardedPortsSetup) {
    this.#setup = setup
  }

  /** Asks the gateway for ports, once. What it refuses is not asked for again until the process starts anew. */
  want(ports: readonly PortToForward[]): void {
    if (this.#isWanted || this.#stop.signal.aborted) return
    this.#isWanted = true
    for (const port of ports) void this.#forward(port).catch(() => undefined) // without one, there are other ways
  }

  /** Tells of each port that is proven, those that are so already at once. */
  watch(onForwarded: (port: ForwardedPort) => void, signal: AbortSignal): void {
    if (signal.aborted) return
    for (const port of this.#proven.values()) onForwarded(port)
    this.#watchers.add(onForwarded)
    signal.addEventListener('abort', () => this.#watchers.delete(onForwarded), { once: true })
  }

  /** Ends the asking; the mappings belong to whoever opens leases. */
  close(): void {
    this.#stop.abort()
    this.#watchers.clear()
  }

  async #forward({ transport, port, ears }: PortToForward): Promise<void> {
    const { signal } = this.#stop
    const setup = ears === undefined ? this.#setup : { ...this.#setup, ears }
    const mapped = await mapPortWith(setup, port, { transport, signal })
    for await (const state of mapped.changes(signal)) this.#learn(mapped, state)
  }

  #learn(mapped: MappedPort, state: LeaseState): void {
    // What nobody has tried from outside is not told to others.
    const isProven =
      state.kind === 'active' && state.proof?.proof === 'proven' && state.external !== undefined
    if (!isProven) {
      this.#proven.delete(mapped)
      return
    }
    const forwarded = { external: state.external, internal: state.grant.internal }
    this.#proven.set(mapped, forwarded)
    for (const onForwarded of this.#watchers) onForwarded(forwarded)
  }
}
