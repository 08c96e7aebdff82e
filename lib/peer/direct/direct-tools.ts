import type { Runtime } from '../../base/runtime.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { HostAddress } from '../../gather/host-addresses.ts'
import type { RecipeMemory } from '../../protocol/punch/recipe-memory.ts'
import type { StormBudget } from '../../protocol/punch/storm-budget.ts'
import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'
import type { DirectPort } from '../../punch/direct-port.ts'
import type { TcpListener } from '../../punch/tcp-listener.ts'

/** What we know of our own network over IPv4. */
export interface OwnNetwork {
  readonly nat: NatSummary
  /** For openers: past our own NATs. */
  readonly openerTtl: number | undefined
}

/** A port of ours that a gateway forwards, proven from outside. */
export interface ForwardedPort {
  readonly external: TransportAddress
  readonly internal: TransportAddress
}

/** What all searches of a peer share. */
export interface DirectTools {
  readonly runtime: Runtime
  /** One for each address family; none where there is no UDP. Opened at the first use. */
  ports(): Promise<readonly DirectPort[]>
  /** Undefined where none can be had. Opened at the first use. */
  listeners(): Promise<readonly TcpListener[]>
  hostAddresses(): Promise<readonly HostAddress[]>
  /** Waits for the measurement, if it has not been made yet. Undefined: nobody could be asked. */
  network(): Promise<OwnNetwork | undefined>
  /** How often something must be said over UDP so that our NATs keep it open; measured from the first call on. */
  udpKeepaliveMs(): number | undefined
  /** Of all punches of this process. */
  readonly storms: StormBudget
  readonly memory: RecipeMemory
  /** STUN servers over UDP of both families, the favourite first. */
  stunServers(): Promise<readonly TransportAddress[]>
  /** The same over TCP. */
  tcpStunServers(): readonly TransportAddress[]
  /** Asks the gateway to forward ports of ours: the two networks don't meet otherwise, or only after a long search. */
  wantForwarded(): void
  /** Tells of each port that is forwarded, those that are known at once; until the signal fires. */
  watchForwarded(onForwarded: (port: ForwardedPort) => void, signal: AbortSignal): void
  /** Whether a packet may go there: see `lib/gather`. @param theirPublicIps as the peer says */
  maySendTo(address: TransportAddress, theirPublicIps: readonly string[]): boolean
}
