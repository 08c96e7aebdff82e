import { ReachError } from '../../lib/base/errors.ts'
import type { Gateway, Network, NetworkInterface, OpenUdpOptions, UdpSocket } from '../../lib/base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../../lib/base/transport-address.ts'
import { transportAddress } from '../../lib/base/transport-address.ts'
import type { VirtualClock } from '../sim/virtual-clock.ts'

/** What a host of a LAN of the tests has to say about itself. */
export interface LanHost {
  /** Its addresses now. */
  readonly ips: readonly string[]
  readonly interfaceName: string
  readonly gateways?: readonly Gateway[]
  open(options: OpenUdpOptions): UdpSocket
  sourceIp?(family: AddressFamily): string | undefined
}

/** The network as a host with one card sees it; addresses of 24 and 64 bits. @param tcp connects its streams */
export function lanNetwork(host: LanHost, tcp: Pick<Network, 'connectTcp'>): Network {
  return {
    setsDontFragment: true,
    // Async, so that what it refuses rejects.
    openUdp: async (options) => Promise.resolve(host.open(options)),
    connectTcp: (to, options) => tcp.connectTcp(to, options),
    interfaces: () => interfacesOf(host),
    defaultGateways: () => Promise.resolve(host.gateways ?? []),
    sourceIpTowards: ({ family }) => Promise.resolve(host.sourceIp?.(family)),
    traceHops: () => Promise.resolve(undefined),
  }
}

function interfacesOf({ ips, interfaceName }: LanHost): readonly NetworkInterface[] {
  const addresses = ips.map((ip) => {
    const isIpv6 = ip.includes(':')
    return { family: isIpv6 ? 'ipv6' : 'ipv4', ip, prefixLength: isIpv6 ? 64 : 24 } as const
  })
  return addresses.length === 0 ? [] : [{ name: interfaceName, addresses }]
}

/** A socket of a host, with what the LAN wants to know of it. */
export type LanSocket<About> = UdpSocket & About

/** How a socket is opened, and what the LAN does with it. */
export interface OpenLanSocket<About> {
  readonly options: OpenUdpOptions
  /** Where the options name none. */
  readonly port: number
  readonly about: About
  /** Whether another program has the port. */
  readonly isTaken: (port: number) => boolean
  readonly send: (socket: LanSocket<About>, bytes: Uint8Array, to: TransportAddress) => void
}

/** The sockets that are open on a LAN, on virtual time. */
export class LanSockets<About> implements Iterable<LanSocket<About>> {
  readonly #clock: VirtualClock
  readonly #sockets = new Set<LanSocket<About>>()

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#sockets.size
  }

  [Symbol.iterator](): Iterator<LanSocket<About>> {
    return this.#sockets.values()
  }

  /** @throws {ReachError} ERR_REACH_ADDRESS_IN_USE */
  open({ options, port: usual, about, isTaken, send }: OpenLanSocket<About>): UdpSocket {
    const { family, port = usual, ip = family === 'ipv4' ? '0.0.0.0' : '::' } = options
    if (isTaken(port)) throw new ReachError('ERR_REACH_ADDRESS_IN_USE', `port ${port} is taken`)
    const socket: LanSocket<About> = {
      ...about,
      ...{ local: transportAddress(ip, port), onPacket: undefined, onSendError: undefined },
      send: (bytes, to) => send(socket, bytes, to),
      close: () => {
        this.#sockets.delete(socket)
        socket.onPacket = undefined
      },
    }
    this.#sockets.add(socket)
    return socket
  }

  /** A packet is at a socket after so long, unless that is closed by then. */
  deliver(socket: UdpSocket, bytes: Uint8Array, from: TransportAddress, delayMs = 1): void {
    this.later(delayMs, () => socket.onPacket?.({ bytes: Uint8Array.from(bytes), from }))
  }

  /** Does something after so long; what it does may set timers in its turn. */
  later(delayMs: number, callback: () => void): void {
    this.#clock.setTimer(delayMs, () => {
      callback()
      this.#clock.noteUserCode()
    })
  }
}

/** Lets virtual time pass, promises and timers in their order. */
export async function passTime(clock: VirtualClock, ms: number): Promise<void> {
  await clock.runUntilSettled(new Promise<void>((resolve) => clock.setTimer(ms, resolve)), ms + 1)
}
