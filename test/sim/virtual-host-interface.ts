import { ipScope } from '../../lib/base/ip-range.ts'
import type { AddressFamily } from '../../lib/base/transport-address.ts'
import { Prefix } from './virtual-ip-table.ts'
import type { AccessLinkOptions } from './virtual-link.ts'
import { Attachment } from './virtual-node.ts'
import type { ForwardingNode, InnerEnd } from './virtual-node.ts'

/** One interface of a host: what it is plugged into, and its addresses. */
export interface InterfaceOptions {
  /** @default 'eth0' */
  readonly name?: string
  /** @default the core */
  readonly behind?: ForwardingNode
  readonly link?: AccessLinkOptions
  /** IPv4 addresses, or how many. @default 1 */
  readonly ipv4?: number | readonly string[]
  /** IPv6 addresses, or how many. @default 0 */
  readonly ipv6?: number | readonly string[]
  /** Of several default gateways the one with the lowest is used. @default 100 */
  readonly metric?: number
}

interface InterfaceIp {
  readonly number: number
  readonly ip: string
  readonly family: AddressFamily
  readonly prefixLength: number
  readonly prefix: Prefix
}

/** An interface of a virtual host, plugged in. */
export class HostInterface {
  readonly name: string
  readonly metric: number
  readonly attachment: Attachment
  readonly ips: readonly InterfaceIp[]

  constructor(options: InterfaceOptions & { readonly behind: ForwardingNode }, inner: InnerEnd) {
    this.name = options.name ?? 'eth0'
    this.metric = options.metric ?? 100
    this.attachment = new Attachment(options.behind, inner, options.link)
    this.ips = [...this.#assign('ipv4', options.ipv4 ?? 1), ...this.#assign('ipv6', options.ipv6 ?? 0)]
    for (const { number } of this.ips) this.attachment.addRoute(number)
  }

  /** The address that a packet to this destination gets as its source; undefined without one of its family. */
  sourceFor(destination: string, family: AddressFamily): InterfaceIp | undefined {
    const candidates = this.ips.filter((ip) => ip.family === family)
    const scope = ipScope(destination)
    return candidates.find(({ ip }) => ipScope(ip) === scope) ?? candidates[0]
  }

  /** Whether the destination is in the network of one of its addresses. */
  isOnLink(destination: Uint8Array): boolean {
    return this.ips.some(({ prefix }) => prefix.contains(destination))
  }

  #assign(family: AddressFamily, wanted: number | readonly string[]): InterfaceIp[] {
    const { parent } = this.attachment
    const asked = typeof wanted === 'number' ? Array.from({ length: wanted }, () => undefined) : wanted
    return asked.map((text) => {
      const { ip, prefixLength } = parent.assignIp(family, text)
      const { ips } = parent.world
      const number = ips.numberOf(ip)
      return { number, ip, family, prefixLength, prefix: new Prefix(ips.bytes(number), prefixLength) }
    })
  }
}
