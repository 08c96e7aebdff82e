import type { TransportAddress } from '../../base/transport-address.ts'
import type { IceRole } from '../ice/candidate-pair.ts'
import type { TcpPunchMessage } from './tcp-punch-message.ts'

/** What a {@link TcpPunchMachine} is told at birth. */
export interface TcpPunchOptions {
  readonly role: IceRole
  /** STUN servers over TCP, the favourite first: each round asks the next two. */
  readonly servers: readonly TransportAddress[]
  /** The round trip of signalling: the controlling side waits half of it, so that both start at once. */
  readonly signallingRttMs: number
  /** Our NAT shows our own port to the outside where it can: that port is announced, too, whatever a server saw. */
  readonly portIsPreserved: boolean
  /** Addresses of ours that no NAT changes: IPv6 behind a firewall. @default none */
  readonly routedIps?: readonly string[]
  /** See {@link IceAgentOptions.maySendTo}. */
  readonly maySendTo: (address: TransportAddress) => boolean
  readonly randomBytes: (length: number) => Uint8Array
}

/** What a {@link TcpPunchMachine} is told. */
export type TcpPunchInput =
  | { readonly kind: 'start' }
  /** How a server sees the port. Undefined: it does not answer. */
  | {
      readonly kind: 'mapped'
      readonly port: number
      readonly server: TransportAddress
      readonly mapped: TransportAddress | undefined
    }
  /** The port can't be had: another program has it. */
  | { readonly kind: 'port-taken'; readonly port: number }
  | { readonly kind: 'signal'; readonly message: TcpPunchMessage }
  /** A connection did not come about, for this reason of the system's. */
  | {
      readonly kind: 'connect-failed'
      readonly port: number
      readonly to: TransportAddress
      readonly code: string
    }

/** What a {@link TcpPunchMachine} wants done, or tells. */
export type TcpPunchEffect =
  /** Connect to the server from this port, ask how it sees us, and keep the connection until `release`: the NAT's mapping lives by it. */
  | { readonly kind: 'ask'; readonly port: number; readonly server: TransportAddress }
  | { readonly kind: 'signal'; readonly message: TcpPunchMessage }
  /** Connect from this port. */
  | { readonly kind: 'connect'; readonly port: number; readonly to: TransportAddress }
  /** All that uses the port and is not connected to a peer is given up. */
  | { readonly kind: 'release'; readonly port: number }
  /** All rounds are over. */
  | { readonly kind: 'over' }
