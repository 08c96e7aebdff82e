import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { nodeRuntime } from '../net/node-runtime.ts'
import { MappingJournal } from '../portmap/mapping-journal.ts'
import { MappingLease } from '../portmap/mapping-lease.ts'
import { natPmpMapper } from '../portmap/nat-pmp-mapper.ts'
import { pcpMapper } from '../portmap/pcp-mapper.ts'
import { newNonce } from '../portmap/mapping-request.ts'
import { PortMapper } from '../portmap/port-mapper.ts'
import { upnpMapper } from '../portmap/upnp-mapper.ts'
import { MappingProver } from '../proof/mapping-prover.ts'
import { listenForProof } from '../proof/proof-listener.ts'
import type { MappingTrial } from '../protocol/port-mapping/mapping-trial.ts'
import type { ProofRelay } from '../protocol/relay/proof-relay.ts'
import { transportAddress } from '../base/transport-address.ts'
import type { MapPortOptions, MappedPort, OpenLease } from './map-port.ts'
import { mapPortWith } from './map-port.ts'

/** Ours: long enough for a proof with all its attempts; what is left behind by a power cut is gone soon. */
const TRIAL_LIFETIME_S = 120

/** The mappings of one program, with one mapper for all. Closing it removes them. */
export class PortLeases implements AsyncDisposable {
  readonly #runtime: Runtime
  readonly #home: string | undefined
  readonly #leases = new Set<MappingLease>()
  readonly #stop = new AbortController()
  readonly #steps = new Set<Promise<unknown>>()
  #mapper: PortMapper | undefined
  #journal: MappingJournal | undefined
  #closing: Promise<void> | undefined

  /** @param home where it is noted what must be removed after a crash; undefined: nowhere */
  constructor(runtime: Runtime, home: string | undefined) {
    this.#runtime = runtime
    this.#home = home
  }

  readonly open: OpenLease = async ({ request, prove, signal }) => {
    const stop = this.#stop.signal
    const either = signal === undefined ? stop : AbortSignal.any([stop, signal])
    either.throwIfAborted()
    const mapper = this.#ready()
    const opening = MappingLease.open({ mapper, request, prove, signal: either })
    return await this.#beforeClose(
      opening.then((lease) => {
        this.#leases.add(lease)
        return lease
      }),
    )
  }

  /** Maps a port that is free, has it tried from outside, and removes the mapping. Rejects with the signal's reason. */
  async try(relays: () => readonly ProofRelay[], signal?: AbortSignal): Promise<MappingTrial> {
    const ears = await listenForProof(this.#runtime, transportAddress('0.0.0.0', 0))
    try {
      const mapper = this.#ready()
      const request = { transport: 'udp', port: ears.local.port, lifetimeS: TRIAL_LIFETIME_S } as const
      const grant = await mapper.map(request, { nonce: newNonce(this.#runtime), signal })
      try {
        const prover = new MappingProver({ runtime: this.#runtime, relays })
        const proof = await prover.prove(grant, { ears, ...(signal === undefined ? {} : { signal }) })
        return { kind: 'granted', grant, proof }
      } finally {
        await mapper.unmap(grant).catch(() => undefined) // it ends by itself in two minutes
      }
    } catch (error) {
      signal?.throwIfAborted()
      if (!ReachError.is(error)) throw error
      return { kind: 'refused', error }
    } finally {
      await ears.close()
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Closing waits for it: a mapping that is being made has to be removed. */
  async #beforeClose<T>(step: Promise<T>): Promise<T> {
    this.#steps.add(step)
    try {
      return await step
    } finally {
      this.#steps.delete(step)
    }
  }

  async #close(): Promise<void> {
    this.#stop.abort(new ReachError('ERR_REACH_ABORTED', 'this peer is closed'))
    await Promise.allSettled(this.#steps)
    await Promise.allSettled([...this.#leases].map((lease) => lease.close()))
    await this.#mapper?.close()
    await this.#journal?.close()
  }

  /** What a crash left goes first: the mapper sees to it before it maps. */
  #ready(): PortMapper {
    if (this.#mapper !== undefined) return this.#mapper
    const journal = this.#home === undefined ? undefined : new MappingJournal(this.#home, this.#runtime)
    this.#journal = journal
    return (this.#mapper = new PortMapper({
      ...{ runtime: this.#runtime, factories: [pcpMapper, natPmpMapper, upnpMapper] },
      ...(journal === undefined ? {} : { journal }),
    }))
  }
}

/** How a port is mapped by who belongs to no network. */
export interface MapPortAloneOptions extends MapPortOptions {
  /** A home folder, where it is noted what must be removed after a crash. Default: nowhere. */
  readonly home?: string
  /** Default: the clocks, sockets and names of this process. */
  readonly runtime?: Runtime
}

/**
 * As `Peer.mapPort`, for a program that belongs to no network: there is no relay to prove the mapping, so it stays
 * `unproven`. Closing it removes it.
 * @throws {RangeError} when a port is none
 * @throws {ReachError} ERR_REACH_NO_GATEWAY, ERR_REACH_MAPPING_REFUSED
 */
export async function mapPort(port: number, options: MapPortAloneOptions = {}): Promise<MappedPort> {
  const { runtime = nodeRuntime(), home } = options
  const leases = new PortLeases(runtime, home)
  try {
    const mapped = await mapPortWith({ runtime, openLease: leases.open, relays: () => [] }, port, options)
    const close = () => leases.close()
    return {
      get state() {
        return mapped.state
      },
      changes: (signal) => mapped.changes(signal),
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await leases.close()
    throw error
  }
}
