import { ipScope } from '../../lib/base/ip-range.ts'
import type { HostInterface } from './virtual-host-interface.ts'
import type { IpTable } from './virtual-ip-table.ts'
import type { Attachment } from './virtual-node.ts'

/** How a host sends to one destination. */
export interface HostRoute {
  /** Undefined: it stays on the host. */
  readonly attachment: Attachment | undefined
  readonly sourceIp: number
}

/** The interfaces of a host, and which of them, with which source, leads where. */
export class HostRouting {
  readonly #ips: IpTable
  readonly #loopback: readonly number[]
  #interfaces: readonly HostInterface[] = []
  readonly #owned = new Set<number>()
  readonly #routes = new Map<number, HostRoute | undefined>()

  constructor(ips: IpTable) {
    this.#ips = ips
    this.#loopback = [ips.numberOf('127.0.0.1'), ips.numberOf('::1')]
    this.interfaces = []
  }

  get interfaces(): readonly HostInterface[] {
    return this.#interfaces
  }

  set interfaces(interfaces: readonly HostInterface[]) {
    this.#interfaces = interfaces
    this.#routes.clear()
    this.#owned.clear()
    for (const ip of this.#loopback) this.#owned.add(ip)
    for (const { ips } of interfaces) for (const { number } of ips) this.#owned.add(number)
  }

  /** Whether packets for this IP are the host's own. */
  owns(ip: number): boolean {
    return this.#owned.has(ip)
  }

  /** The way to a destination, from a bound source or (0) from the one that fits; undefined when there is none. */
  route(boundIp: number, destination: number): HostRoute | undefined {
    const key = boundIp * 0x1_0000 + destination
    const known = this.#routes.get(key)
    if (known !== undefined) return known
    const route = this.#find(boundIp, destination)
    this.#routes.set(key, route)
    return route
  }

  #find(boundIp: number, destination: number): HostRoute | undefined {
    const ip = this.#ips.ip(destination)
    if (this.owns(destination) || ipScope(ip) === 'loopback') {
      return { attachment: undefined, sourceIp: boundIp === 0 ? destination : boundIp }
    }
    if (boundIp !== 0) {
      // As with one routing table per address: what is bound to an address leaves by its interface.
      const owner = this.#interfaces.find(({ ips }) => ips.some(({ number }) => number === boundIp))
      return owner && { attachment: owner.attachment, sourceIp: boundIp }
    }
    const family = this.#ips.family(destination)
    const usable = this.#interfaces.filter((each) => each.sourceFor(ip, family) !== undefined)
    const onLink = usable.find((each) => each.isOnLink(this.#ips.bytes(destination)))
    const [best] = usable.toSorted((a, b) => a.metric - b.metric)
    const chosen = onLink ?? best
    const source = chosen?.sourceFor(ip, family)
    return chosen && source && { attachment: chosen.attachment, sourceIp: source.number }
  }
}
