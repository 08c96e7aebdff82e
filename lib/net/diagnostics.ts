import { channel } from 'node:diagnostics_channel'
import type { AddressFamily } from '../base/transport-address.ts'

/**
 * Makes the publish function of one diagnostics channel, `p2p-reach:<noun>:<past-verb>`. Costs next to nothing while
 * nobody subscribes. Facts carry their units in their names; no keys, tokens or passwords, and no addresses.
 */
export function publisher(name: `p2p-reach:${string}:${string}`): (facts: object) => void {
  // Kept here: an unreferenced channel may be collected and lose its identity.
  const target = channel(name)
  return (facts) => {
    if (target.hasSubscribers) target.publish(facts)
  }
}

/** Publishes one kind of facts. */
export type Publish<Facts extends object> = (facts: Facts) => void

/** `p2p-reach:udp-socket:opened`: a UDP socket is bound. */
export interface UdpSocketOpened {
  readonly family: AddressFamily
  readonly port: number
  readonly receiveBufferBytes: number
}
export const publishUdpSocketOpened: Publish<UdpSocketOpened> = publisher('p2p-reach:udp-socket:opened')

/** `p2p-reach:udp-socket:closed`: a UDP socket was closed by its owner. */
export interface UdpSocketClosed {
  readonly family: AddressFamily
  readonly port: number
}
export const publishUdpSocketClosed: Publish<UdpSocketClosed> = publisher('p2p-reach:udp-socket:closed')

/** `p2p-reach:datagram:refused`: the system refused to send one datagram. */
export interface DatagramRefused {
  readonly family: AddressFamily
  /** The system's code: EMSGSIZE, ENETUNREACH, … */
  readonly code: string
  readonly lengthBytes: number
}
export const publishDatagramRefused: Publish<DatagramRefused> = publisher('p2p-reach:datagram:refused')

/** `p2p-reach:datagram:dropped`: a packet of udx came for a stream that is not open here. */
export interface DatagramDropped {
  readonly family: AddressFamily
  readonly lengthBytes: number
}
export const publishDatagramDropped: Publish<DatagramDropped> = publisher('p2p-reach:datagram:dropped')

/** `p2p-reach:udp-socket:failed`: receiving failed once; the socket lives on. */
export interface UdpSocketFailed {
  readonly family: AddressFamily
  readonly code: string
}
export const publishUdpSocketFailed: Publish<UdpSocketFailed> = publisher('p2p-reach:udp-socket:failed')

/** `p2p-reach:tcp-connection:opened`: an outgoing TCP connection is up. */
export interface TcpConnectionOpened {
  readonly family: AddressFamily
  readonly elapsedMs: number
}
export const publishTcpConnectionOpened: Publish<TcpConnectionOpened> = publisher(
  'p2p-reach:tcp-connection:opened',
)

/** `p2p-reach:tcp-connection:failed`: an outgoing TCP connection failed; ABORTED when its caller gave up. */
export interface TcpConnectionFailed {
  readonly family: AddressFamily
  readonly code: string
  readonly elapsedMs: number
}
export const publishTcpConnectionFailed: Publish<TcpConnectionFailed> = publisher(
  'p2p-reach:tcp-connection:failed',
)

/** `p2p-reach:network:changed`: this host's addresses or gateways changed, or it slept. */
export interface NetworkChanged {
  readonly kind: 'addresses' | 'gateways' | 'slept'
  /** Only for `slept`. */
  readonly sleptMs?: number
}
export const publishNetworkChanged: Publish<NetworkChanged> = publisher('p2p-reach:network:changed')
