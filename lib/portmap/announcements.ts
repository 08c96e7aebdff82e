import { ReachError } from '../base/errors.ts'
import type { MulticastJoin, Runtime, UdpPacket, UdpSocket } from '../base/runtime.ts'
import type { AddressFamily } from '../base/transport-address.ts'
import { PCP_ANNOUNCE_GROUP, PCP_CLIENT_PORT } from '../protocol/port-mapping/pcp.ts'

/** Who hears what gateways announce to everybody. It judges by itself whether a packet is from its gateway. */
export interface AnnouncementHearer {
  /** @throws {ReachError} ERR_REACH_DECODE */
  hear(packet: UdpPacket): void
}

/**
 * Hears gateways say that they have lost their mappings or changed their address (RFC 6887 §14.1.2, RFC 6886 §3.2.1), so
 * that mappings are restored in seconds, and not at their next renewal. Costs nothing while they are silent.
 */
export class Announcements {
  readonly #runtime: Runtime
  readonly #hearers: () => Iterable<AnnouncementHearer>
  #socket: UdpSocket | undefined
  /** Counts what was wanted, for what was wanted last may change while a socket opens. */
  #wish = 0

  constructor(runtime: Runtime, hearers: () => Iterable<AnnouncementHearer>) {
    this.#runtime = runtime
    this.#hearers = hearers
  }

  /** Hears on the interfaces with these addresses, and no longer on others. */
  async listen(family: AddressFamily, vias: readonly string[]): Promise<void> {
    this.stop()
    if (vias.length === 0) return
    const wish = this.#wish
    const joins: MulticastJoin[] = vias.map((via) => ({ group: PCP_ANNOUNCE_GROUP[family], via }))
    let socket: UdpSocket
    try {
      socket = await this.#runtime.network.openUdp({ family, port: PCP_CLIENT_PORT, joins })
    } catch (error) {
      if (!ReachError.is(error)) throw error
      return // another program has the port: then a gateway's restart is noticed at the next renewal
    }
    if (wish !== this.#wish) return socket.close()
    this.#socket = socket
    socket.onPacket = (packet) => this.#tell(packet)
  }

  /** Hears nothing until told to again. */
  stop(): void {
    this.#wish++
    this.#socket?.close()
    this.#socket = undefined
  }

  #tell(packet: UdpPacket): void {
    for (const hearer of this.#hearers()) {
      try {
        hearer.hear(packet)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error // anybody on the LAN can send garbage
      }
    }
  }
}
