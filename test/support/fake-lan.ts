import { ReachError } from '../../lib/base/errors.ts'
import type {
  Gateway,
  Network,
  NetworkInterface,
  OpenUdpOptions,
  Runtime,
  UdpSocket,
} from '../../lib/base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../../lib/base/transport-address.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import type { VirtualClock } from '../sim/virtual-clock.ts'
import { VirtualInternet } from '../sim/virtual-internet.ts'
import { FakeMappingServer } from './fake-mapping-server.ts'
import type { FakeServerBehavior } from './fake-mapping-server.ts'

export const GATEWAY_IP = '192.168.1.1'
export const CLIENT_IP = '192.168.1.10'
export const GATEWAY_IP6 = 'fe80::1%eth0'
export const CLIENT_IP6 = '2001:db8:1::10'

const MAPPER_PORT = 5351
const ANNOUNCEMENT_PORT = 5350

interface OpenSocket extends UdpSocket {
  readonly options: OpenUdpOptions
}

/** A host on a LAN with fake gateways, on virtual time; packets take a millisecond. */
export class FakeLan {
  readonly clock: VirtualClock
  readonly runtime: Runtime
  /** What the host's routing table says. */
  gateways: Gateway[] = []
  readonly servers: FakeMappingServer[] = []
  /** This host's addresses. */
  ips: string[] = [CLIENT_IP, CLIENT_IP6, 'fe80::10%eth0']
  /** Where each datagram of the host went, in order. */
  readonly sent: TransportAddress[] = []
  /** Ports that another program has. */
  readonly takenPorts = new Set<number>()
  readonly #sockets = new Set<OpenSocket>()
  #nextPort = 50_000

  constructor(seed = 1) {
    const internet = new VirtualInternet({ seed })
    this.clock = internet.clock
    const { runtime } = internet.host()
    this.runtime = { ...runtime, network: this.#network(runtime.network) }
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
      if (socket.local.port !== ANNOUNCEMENT_PORT || (socket.options.joins ?? []).length === 0) continue
      for (const bytes of packets)
        this.#later(1, () => socket.onPacket?.({ bytes, from: transportAddress(from, MAPPER_PORT) }))
    }
  }

  /** Lets virtual time pass until a promise settles. */
  run<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    return this.clock.runUntilSettled(promise, limitMs)
  }

  /** Lets virtual time pass, promises and timers in their order. */
  async pass(ms: number): Promise<void> {
    const { clock } = this
    await this.run(new Promise<void>((resolve) => clock.setTimer(ms, resolve)), ms + 1)
  }

  #network(virtual: Network): Network {
    return {
      setsDontFragment: true,
      // Async, so that what it refuses rejects.
      openUdp: async (options) => Promise.resolve(this.#open(options)),
      connectTcp: (to, options) => virtual.connectTcp(to, options),
      interfaces: () => this.#interfaces(),
      defaultGateways: () => Promise.resolve(this.gateways),
      sourceIpTowards: ({ family }) =>
        Promise.resolve(this.ips.find((ip) => ip.includes(':') === (family === 'ipv6'))),
      traceHops: () => Promise.resolve(undefined),
    }
  }

  #interfaces(): readonly NetworkInterface[] {
    const addresses = this.ips.map((ip) =>
      ip.includes(':')
        ? ({ family: 'ipv6', ip, prefixLength: 64 } as const)
        : ({ family: 'ipv4', ip, prefixLength: 24 } as const),
    )
    return [{ name: 'eth0', addresses }]
  }

  #open(options: OpenUdpOptions): UdpSocket {
    const { family, ip = family === 'ipv4' ? '0.0.0.0' : '::', port = this.#nextPort++ } = options
    if (this.takenPorts.has(port)) throw new ReachError('ERR_REACH_ADDRESS_IN_USE', `port ${port} is taken`)
    const socket: OpenSocket = {
      options,
      local: transportAddress(ip, port),
      onPacket: undefined,
      onSendError: undefined,
      send: (bytes, to) => this.#deliver(socket, bytes, to),
      close: () => {
        this.#sockets.delete(socket)
        socket.onPacket = undefined
      },
    }
    this.#sockets.add(socket)
    return socket
  }

  #deliver(socket: OpenSocket, bytes: Uint8Array, to: TransportAddress): void {
    this.sent.push(to)
    const server = this.servers.find(({ ip }) => ip === to.ip)
    if (server === undefined || to.port !== MAPPER_PORT) return
    this.#later(1, () => {
      for (const { bytes: answer, delayMs, fromPort } of server.receive(bytes, socket.local))
        this.#later(delayMs, () =>
          socket.onPacket?.({ bytes: answer, from: transportAddress(server.ip, fromPort) }),
        )
    })
  }

  #later(delayMs: number, callback: () => void): void {
    this.clock.setTimer(delayMs, () => {
      callback()
      this.clock.noteUserCode()
    })
  }
}
