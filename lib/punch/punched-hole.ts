import type { StreamUdpSocket, UdpPacket } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'

/**
 * What a punch ends with: packets go both ways between this socket and this address. Whoever gets it closes the socket.
 *
 * The punch still answers the peer's checks on it, because the peer may have missed our last answer: until `detach`, the
 * socket's `onPacket` belongs to the punch, and what is no STUN comes to `onPacket` of the hole.
 */
export class PunchedHole {
  readonly socket: StreamUdpSocket
  /** Where packets are sent to. The peer's may come from another port, where both NATs map by destination. */
  readonly remote: TransportAddress
  onPacket: ((packet: UdpPacket) => void) | undefined
  readonly #onDetach: () => void

  constructor(socket: StreamUdpSocket, remote: TransportAddress, onDetach: () => void) {
    this.socket = socket
    this.remote = remote
    this.#onDetach = onDetach
  }

  get local(): TransportAddress {
    return this.socket.local
  }

  /** Ends the punch for good, once the peer is known to use the hole. The socket stays open. */
  detach(): void {
    this.#onDetach()
  }
}
