import type { Runtime } from '../base/runtime.ts'
import type { AddressFamily, Transport, TransportAddress } from '../base/transport-address.ts'
import { MAX_PORT, transportAddress } from '../base/transport-address.ts'
import type { LeaseState, PortRequest, Prove } from '../portmap/lease-state.ts'
import { withLayer } from './name-layer.ts'
import { MappingProver } from '../proof/mapping-prover.ts'
import type { ProofEars } from '../proof/proof-listener.ts'
import type { ProofRelay } from '../protocol/relay/proof-relay.ts'

/** How a port is mapped. */
export interface MapPortOptions {
  /** @default 'tcp' */
  readonly transport?: Transport
  /** `ipv6` asks for a hole in the gateway's firewall. @default 'ipv4' */
  readonly family?: AddressFamily
  /** The port wanted outside, and no other. Default: the same number, or whichever the gateway gives. */
  readonly externalPort?: number
  /** Seconds that are asked for each time; it is renewed until closed. @default 7200 (RFC 6886 §3.3) */
  readonly lifetimeS?: number
  /** Ends the making of the mapping; one that stands is ended by `close`. */
  readonly signal?: AbortSignal
}

/** A mapped port: renewed, proven anew and made anew as needed, until it is closed. */
export interface MappedPort extends AsyncDisposable {
  /** What it is now. */
  readonly state: LeaseState
  /** Each state from the present one on. Ends when the mapping is closed, or with the signal. */
  changes(signal?: AbortSignal): AsyncIterable<LeaseState>
  /** Removes the mapping at the gateway. Idempotent. */
  close(): Promise<void>
}

/** Makes a lease; `lib/portmap` does. */
export type OpenLease = (setup: {
  readonly request: PortRequest
  readonly prove: Prove
  readonly signal?: AbortSignal
}) => Promise<MappedPort>

/** What a mapped port is made with. */
export interface MapPortSetup {
  readonly runtime: Runtime
  readonly openLease: OpenLease
  /** Those that are connected now. */
  readonly relays: () => readonly ProofRelay[]
  /** Whoever of ours has a socket at the port. Default: another program, or nobody. */
  readonly ears?: ProofEars
  /** Waits before each attempt of a proof. Default: see mapping-prover.ts. */
  readonly pausesMs?: readonly number[]
}

/**
 * Maps a port, and proves it where a relay can. The question whether the port was open before can only be asked before,
 * so it comes first; it counts for the port that was asked about alone.
 * @throws {RangeError} when a port is none
 * @throws {ReachError} ERR_REACH_NO_GATEWAY, ERR_REACH_MAPPING_REFUSED, ERR_REACH_MAPPING_UNREACHABLE
 */
export async function mapPortWith(
  { runtime, openLease, relays, ears, pausesMs }: MapPortSetup,
  port: number,
  options: MapPortOptions,
): Promise<MappedPort> {
  const { transport = 'tcp', family = 'ipv4', externalPort, lifetimeS, signal } = options
  for (const one of [port, externalPort ?? port]) checkPort(one)
  signal?.throwIfAborted()
  const prover = new MappingProver({ runtime, relays, ...(pausesMs === undefined ? {} : { pausesMs }) })
  const askedPort = externalPort ?? port
  const internal = await ownAddress(runtime, family, port, transport)
  const before = internal === undefined ? 'unknown' : await prover.before(internal, askedPort, signal)
  const prove: Prove = (grant, { mapSecond }, proofSignal) =>
    prover.prove(grant, {
      before: grant.externalPort === askedPort ? before : 'unknown',
      mapSecond,
      signal: proofSignal,
      ...(ears === undefined ? {} : { ears }),
    })
  const request = {
    ...{ transport, port, family },
    ...(externalPort === undefined ? {} : { externalPort, acceptsOtherPort: false }),
    ...(lifetimeS === undefined ? {} : { lifetimeS }),
  }
  try {
    return await openLease({ request, prove, ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    signal?.throwIfAborted()
    throw family === 'ipv4' ? await withLayer(error, runtime, transport, signal) : error
  }
}

function checkPort(port: number): void {
  if (Number.isInteger(port) && port >= 1 && port <= MAX_PORT) return
  throw new RangeError(`${port} is no port: 1 to ${MAX_PORT}`)
}

/** Our address towards the gateway; undefined without one, which whoever asks the gateway says better. */
async function ownAddress(
  { network }: Runtime,
  family: AddressFamily,
  port: number,
  transport: Transport,
): Promise<TransportAddress | undefined> {
  const gateway = (await network.defaultGateways()).find((one) => one.family === family)
  if (gateway === undefined) return undefined
  const ip = await network.sourceIpTowards(transportAddress(gateway.ip, 0))
  return ip === undefined ? undefined : transportAddress(ip, port, transport)
}
