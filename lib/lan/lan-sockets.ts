import { ReachError } from '../base/errors.ts'
import type { OpenUdpOptions, Runtime, UdpPacket, UdpSocket } from '../base/runtime.ts'
import type { AddressFamily } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { MDNS_GROUP, MDNS_PORT } from '../protocol/mdns/lan-service.ts'
import type { LinkPacket } from '../protocol/mdns/responder.ts'
import type { LanLink } from './lan-links.ts'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']

/**
 * The sockets of multicast DNS. Port 5353 is shared with whatever else speaks it here (RFC 6762 §15). For each family one
 * socket hears the group on all links. IPv6 sends from it, as a zone in the destination names the link; IPv4 has no zones,
 * so that each link has a socket bound to this host's address there: the system multicasts from it into that network.
 */
export class LanSockets {
  onPacket: ((packet: UdpPacket) => void) | undefined
  readonly #runtime: Runtime
  readonly #opened = new Set<UdpSocket>()
  readonly #senders = new Map<number, { readonly socket: UdpSocket; readonly link: LanLink }>()
  /** Counts what was wanted, for what was wanted last may change while a socket opens. */
  #wish = 0

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** Hears and sends on these links, by their numbers, and no longer on others. Where a port can't be had, there is silence. */
  async open(links: ReadonlyMap<number, LanLink>): Promise<void> {
    this.close()
    const wish = this.#wish
    for (const family of FAMILIES) {
      const own = [...links].filter(([, link]) => link.family === family)
      if (own.length === 0) continue
      const joins = own.map(([, { via }]) => ({ group: MDNS_GROUP[family], via }))
      const hearing = await this.#openOne({ family, port: MDNS_PORT, joins }, wish)
      if (hearing === undefined) continue
      for (const [number, link] of own) {
        const shared = { family, ip: link.via, port: MDNS_PORT, joins: [] }
        const socket = family === 'ipv6' ? hearing : await this.#openOne(shared, wish)
        if (socket !== undefined) this.#senders.set(number, { socket, link })
      }
    }
  }

  /** Sends on a link: to everybody there, or to one. What can't be sent is lost, as packets are. */
  send(number: number, { bytes, to }: LinkPacket): void {
    const sender = this.#senders.get(number)
    if (sender === undefined) return
    const { socket, link } = sender
    const group = MDNS_GROUP[link.family]
    const ip = link.family === 'ipv6' && link.zone !== undefined ? `${group}%${link.zone}` : group
    socket.send(bytes, to ?? transportAddress(ip, MDNS_PORT))
  }

  /** They may be opened again. */
  close(): void {
    this.#wish++
    for (const socket of this.#opened) socket.close()
    this.#opened.clear()
    this.#senders.clear()
  }

  async #openOne(options: OpenUdpOptions, wish: number): Promise<UdpSocket | undefined> {
    let socket: UdpSocket
    try {
      socket = await this.#runtime.network.openUdp(options)
    } catch (error) {
      if (!ReachError.is(error)) throw error
      return undefined // another program has the port for itself, or the address is gone: peers are found by the relay
    }
    if (wish !== this.#wish) {
      socket.close()
      return undefined
    }
    this.#opened.add(socket)
    socket.onPacket = (packet) => this.onPacket?.(packet)
    return socket
  }
}
