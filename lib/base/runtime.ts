import type { Duplex } from 'node:stream'
import type { AddressFamily, TransportAddress } from './transport-address.ts'

/**
 * Everything outside the process, injected: the real one is `net/node-runtime.ts`, the virtual one is in `test/sim`.
 * Nothing else in the library reads a clock, draws a random number, opens a socket or asks the operating system.
 */
export interface Runtime {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly resolver: Resolver
}

/** Time, and being woken by it. */
export interface Clock {
  /** Monotonic milliseconds, with fractions; never goes back. For deadlines and durations. */
  nowMs(): number
  /** Calendar time in milliseconds since 1970; may jump. Only to compare with other people's clocks. */
  wallMs(): number
  /** Calls back once after `delayMs`. A pending timer keeps the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer
}

/** A callback that is due later. */
export interface Timer {
  cancel(): void
}

/** Chance. */
export interface Random {
  /** Bytes that nobody can guess. */
  bytes(length: number): Uint8Array
}

/** One datagram that came in. */
export interface UdpPacket {
  /** Owned by the receiver: nobody writes to it later. */
  readonly bytes: Uint8Array
  readonly from: TransportAddress
}

/** A bound UDP socket. Whoever opened it closes it. */
export interface UdpSocket {
  /** Where it is bound: the IP may be unspecified, the port never is. */
  readonly local: TransportAddress
  /**
   * Sends one datagram; never throws and never blocks. What the operating system refuses (no route, too large) comes to
   * `onSendError`. `ttl` applies to this packet alone.
   */
  send(bytes: Uint8Array, to: TransportAddress, options?: { readonly ttl?: number }): void
  onPacket: ((packet: UdpPacket) => void) | undefined
  onSendError: ((error: SendError) => void) | undefined
  close(): void
}

/** A UDP socket whose port also carries streams: reliable and in order, as TCP is. */
export interface StreamUdpSocket extends UdpSocket {
  /**
   * A stream to a peer who opens the other end of it. Each direction ends by itself. Nothing authenticates its packets:
   * run TLS over it. It fails when the peer no longer answers data, and with the socket; a silent peer goes unnoticed.
   */
  openStream(options: UdpStreamOptions): Duplex
}

/** The ends of a stream over UDP. Ids are 32-bit numbers; each side draws its own and tells the other. */
export interface UdpStreamOptions {
  readonly localId: number
  readonly remoteId: number
  readonly remote: TransportAddress
}

/** One datagram that the operating system refused to send. */
export interface SendError {
  readonly to: TransportAddress
  /** The operating system's code: EMSGSIZE, ENETUNREACH, EHOSTUNREACH, EPERM, … */
  readonly code: string
  /** Length of the datagram that was refused. */
  readonly length: number
}

/** Where to bind a UDP socket. */
export interface OpenUdpOptions {
  readonly family: AddressFamily
  /** Default: all addresses of the host. */
  readonly ip?: string
  /** Default: one the system picks. */
  readonly port?: number
  /**
   * Multicast groups to hear, each through one interface. The port is then shared with other programs that hear the same.
   * Groups that can't be joined are left out: an interface may go away at any moment. Default: none.
   */
  readonly joins?: readonly MulticastJoin[]
}

/** A multicast group, heard through one interface. */
export interface MulticastJoin {
  readonly group: string
  /** This host's address on the interface; a link-local one with its zone for IPv6. */
  readonly via: string
}

/** How to dial a TCP connection. */
export interface ConnectTcpOptions {
  readonly signal?: AbortSignal
  /** An address of this host to dial from. Default: the one that the system picks. */
  readonly localIp?: string
  readonly localPort?: number
}

/** A connected TCP socket: a Node Duplex that knows its two ends. */
export interface TcpSocket extends Duplex {
  readonly local: TransportAddress
  readonly remote: TransportAddress
}

/** A network interface that is up, and its addresses. */
export interface NetworkInterface {
  readonly name: string
  readonly addresses: readonly InterfaceAddress[]
}

/** An address of an interface, with its network. */
export interface InterfaceAddress {
  readonly family: AddressFamily
  readonly ip: string
  /** Length of the network's prefix in bits. */
  readonly prefixLength: number
}

/** A router that packets to the internet go to. */
export interface Gateway {
  readonly family: AddressFamily
  /** May be link-local, then with its zone. */
  readonly ip: string
  readonly interfaceName: string
  /** Lower is preferred. */
  readonly metric: number
}

/** One step on the way to a destination, as the routers on it report themselves. */
export interface Hop {
  readonly ttl: number
  /** The address that answered; undefined when nobody did in time. */
  readonly ip: string | undefined
  /** True when it was the destination itself that answered. */
  readonly reached: boolean
}

/** Sockets, and what the operating system knows of the network. */
export interface Network {
  /** True when UDP packets leave with "don't fragment" set, so that a large one arrives whole or not at all. */
  readonly setsDontFragment: boolean
  /** @throws {ReachError} ERR_REACH_SOCKET, ERR_REACH_ADDRESS_IN_USE, ERR_REACH_PERMISSION */
  openUdp(options: OpenUdpOptions): Promise<UdpSocket>
  /**
   * The same, with streams. Absent, or undefined as its result, where this system lacks what it takes (udx-native).
   * @throws {ReachError} as `openUdp`
   */
  openStreamUdp?(options: OpenUdpOptions): Promise<StreamUdpSocket | undefined>
  /** Dials; resolves when connected. @throws {ReachError} ERR_REACH_SOCKET with the system's code in `details.code` */
  connectTcp(to: TransportAddress, options?: ConnectTcpOptions): Promise<TcpSocket>
  interfaces(): readonly NetworkInterface[]
  /** Default gateways, best metric first. Empty when there is none, or when the system can't be asked. */
  defaultGateways(): Promise<readonly Gateway[]>
  /** The source IP that the system would use towards `to`; undefined when it has no route. Sends nothing. */
  sourceIpTowards(to: TransportAddress): Promise<string | undefined>
  /**
   * Asks the routers on the way for their addresses with the system's own `ping`, one process per TTL, all at once.
   * Undefined when this host has no usable `ping`.
   */
  traceHops(to: TransportAddress, options: TraceOptions): Promise<readonly Hop[] | undefined>
}

/** Limits of a trace. What is not heard by then is undefined. */
export interface TraceOptions {
  readonly maxHops: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** What became of a question for the addresses of a name. Expected outcomes are values, not errors. */
export type ResolveOutcome =
  | { readonly kind: 'found'; readonly ips: readonly string[] }
  /** The name does not exist, or has no address of that family. */
  | { readonly kind: 'not-found'; readonly code: string }
  /** Nobody answered, or the answer was a failure: says nothing about the name. */
  | { readonly kind: 'failed'; readonly code: string }

/** Names to addresses. */
export interface Resolver {
  /** As the system resolves (hosts file, cache, …): addresses of both families. IP literals resolve to themselves. */
  lookup(host: string, signal?: AbortSignal): Promise<ResolveOutcome>
  /** The DNS servers that the system is configured to ask, as text (`192.0.2.53`, `[2001:db8::53]:53`). */
  servers(): readonly string[]
  /** Asks the configured DNS servers themselves, past hosts file and cache. */
  query(host: string, type: 'A' | 'AAAA', signal?: AbortSignal): Promise<ResolveOutcome>
}
