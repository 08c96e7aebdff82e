import { delay } from '../../lib/base/deadline.ts'
import type {
  ConnectTcpOptions,
  Gateway,
  Hop,
  Network,
  NetworkInterface,
  OpenUdpOptions,
  TcpSocket,
  TraceOptions,
  UdpSocket,
} from '../../lib/base/runtime.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import type { VirtualHost } from './virtual-host.ts'
import { traceRoute } from './virtual-trace-route.ts'

/** Routers announce themselves in IPv6 by their link-local address (RFC 4861 §4.2). */
const IPV6_GATEWAY = 'fe80::1'

/** The network as programs on one virtual host see it. */
export class HostNetwork implements Network {
  readonly setsDontFragment = true
  readonly #host: VirtualHost

  constructor(host: VirtualHost) {
    this.#host = host
  }

  // Async, so that what the host refuses rejects and does not throw.
  async openUdp(options: OpenUdpOptions): Promise<UdpSocket> {
    return Promise.resolve(this.#host.openUdp(options))
  }

  connectTcp(to: TransportAddress, options?: ConnectTcpOptions): Promise<TcpSocket> {
    return this.#host.connectTcp(to, options)
  }

  interfaces(): readonly NetworkInterface[] {
    return this.#host.routing.interfaces.map(({ name, ips }) => ({
      name,
      addresses: ips.map(({ family, ip, prefixLength }) => ({ family, ip, prefixLength })),
    }))
  }

  defaultGateways(): Promise<readonly Gateway[]> {
    const gateways: Gateway[] = []
    for (const { name, metric, attachment, ips } of this.#host.routing.interfaces) {
      const ipv4 = attachment.parent.insideIp('ipv4')
      if (ipv4 !== undefined && ips.some(({ family }) => family === 'ipv4')) {
        gateways.push({ family: 'ipv4', ip: ipv4, interfaceName: name, metric })
      }
      if (ips.some(({ family }) => family === 'ipv6')) {
        gateways.push({ family: 'ipv6', ip: `${IPV6_GATEWAY}%${name}`, interfaceName: name, metric })
      }
    }
    return Promise.resolve(gateways.toSorted((a, b) => a.metric - b.metric))
  }

  sourceIpTowards(to: TransportAddress): Promise<string | undefined> {
    const { ips } = this.#host.world
    const source = this.#host.sourceTowards(ips.numberOf(to.ip))
    return Promise.resolve(source === undefined ? undefined : ips.ip(source))
  }

  async traceHops(to: TransportAddress, options: TraceOptions): Promise<readonly Hop[] | undefined> {
    const { maxHops, timeoutMs, signal } = options
    signal?.throwIfAborted()
    if (this.#host.options.hasPing === false) return undefined
    const destination = this.#host.world.ips.numberOf(to.ip)
    const attachment = this.#host.routing.route(0, destination)?.attachment
    if (attachment === undefined) return []
    const { hops, isReached, delayMs } = traceRoute(attachment, destination)
    const answers: Hop[] = hops.slice(0, maxHops).map(({ ip }, i) => ({ ttl: i + 1, ip, reached: false }))
    if (isReached && answers.length < maxHops) {
      answers.push({ ttl: answers.length + 1, ip: to.ip, reached: true })
    } else {
      while (answers.length < maxHops)
        answers.push({ ttl: answers.length + 1, ip: undefined, reached: false })
    }
    const isComplete = answers.every(({ ip }) => ip !== undefined)
    await delay(this.#host.clock, isComplete ? Math.min(timeoutMs, 2 * delayMs) : timeoutMs, signal)
    return answers
  }
}
