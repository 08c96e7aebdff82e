import type { Gateway, OpenUdpOptions, Runtime, UdpSocket } from '../../lib/base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../../lib/base/transport-address.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import type { VirtualClock } from '../sim/virtual-clock.ts'
import { VirtualInternet } from '../sim/virtual-internet.ts'
import { FakeMappingServer } from './fake-mapping-server.ts'
import type { FakeServerBehavior } from './fake-mapping-server.ts'
import type { LanHost } from './lan-network.ts'
import { LanSockets, lanNetwork, passTime } from './lan-network.ts'

export const GATEWAY_IP = '192.168.1.1'
export const CLIENT_IP = '192.168.1.10'
export const GATEWAY_IP6 = 'fe80::1%eth0'
export const CLIENT_IP6 = '2001:db8:1::10'

const MAPPER_PORT = 5351
const ANNOUNCEMENT_PORT = 5350

/** A host on a LAN with fake gateways, on virtual time; packets take a millisecond. */
export class FakeLan implements LanHost {
  readonly clock: VirtualClock
  readonly runtime: Runtime
  /** What the host's routing table says. */
  gateways: Gateway[] = []
  readonly servers: FakeMappingServer[] = []
  readonly interfaceName = 'eth0'
  /** This host's addresses. */
  ips: string[] = [CLIENT_IP, CLIENT_IP6, 'fe80::10%eth0']
  /** Where each datagram of the host went, in order. */
  readonly sent: TransportAddress[] = []
  /** Ports that another program has. */
  readonly takenPorts = new Set<number>()
  readonly #sockets: LanSockets<Pick<OpenUdpOptions, 'joins'>>
  #nextPort = 50_000

  constructor(seed = 1) {
    const internet = new VirtualInternet({ seed })
    this.clock = internet.clock
    const { runtime } = internet.host()
    this.#sockets = new LanSockets(this.clock)
    this.runtime = { ...runtime, network: lanNetwork(this, runtime.network) }
  }

  /** Sockets that the host has open. */
  get openSockets(): number {
    return this.#sockets.size
  }

  /** Adds a default gateway, by default the usual IPv4 one; later ones have worse metrics. */
  addGateway(behavior: Partial<FakeServerBehavior> = {}, ip = GATEWAY_IP): FakeMappingServer {
    const family: AddressFamily = ip.includes(':') ? 'ipv6' : 'ipv4'
    const server = new FakeMappingServer(ip, () => this.clock.nowMs(), behavior)
    this.gateways.push({ family, ip, interfaceName: 'eth0', metric: 100 + this.gateways.length })
    this.servers.push(server)
    return server
  }

  /** A server sends to the group that hosts listen in; `from` lies about who it is. */
  announce(packets: readonly Uint8Array[], from: string): void {
    for (const socket of this.#sockets) {
      if (socket.local.port !== ANNOUNCEMENT_PORT || (socket.joins ?? []).length === 0) continue
      for (const bytes of packets) this.#sockets.deliver(socket, bytes, transportAddress(from, MAPPER_PORT))
    }
  }

  /** Lets virtual time pass until a promise settles. */
  run<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    return this.clock.runUntilSettled(promise, limitMs)
  }

  /** Lets virtual time pass, promises and timers in their order. */
  pass(ms: number): Promise<void> {
    return passTime(this.clock, ms)
  }

  /** Where packets of a family leave from. */
  sourceIp(family: AddressFamily): string | undefined {
    return this.ips.find((ip) => ip.includes(':') === (family === 'ipv6'))
  }

  open(options: OpenUdpOptions): UdpSocket {
    return this.#sockets.open({
      ...{ options, about: { joins: options.joins ?? [] }, port: this.#nextPort++ },
      isTaken: (port) => this.takenPorts.has(port),
      send: (socket, bytes, to) => this.#deliver(socket, bytes, to),
    })
  }

  #deliver(socket: UdpSocket, bytes: Uint8Array, to: TransportAddress): void {
    this.sent.push(to)
    const server = this.servers.find(({ ip }) => ip === to.ip)
    if (server === undefined || to.port !== MAPPER_PORT) return
    this.#sockets.later(1, () => {
      for (const { bytes: answer, delayMs, fromPort } of server.receive(bytes, socket.local))
        this.#sockets.deliver(socket, answer, transportAddress(server.ip, fromPort), delayMs)
    })
  }
}
