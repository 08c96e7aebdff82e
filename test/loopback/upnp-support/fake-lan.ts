import type { Gateway, OpenUdpOptions, Runtime, UdpSocket } from '../../../lib/base/runtime.ts'
import { ReachError } from '../../../lib/base/errors.ts'
import { ipScope } from '../../../lib/base/ip-range.ts'
import type { TransportAddress } from '../../../lib/base/transport-address.ts'
import type { MapperSetup } from '../../../lib/portmap/gateway-mapper.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { SSDP_PORT } from '../../../lib/protocol/port-mapping/ssdp.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { openUdp } from '../../../lib/net/udp-socket.ts'

/** One datagram that a search brings. */
export interface FakeAnswer {
  /** A loopback address, from whatever port. */
  readonly from: string
  readonly location: string
  /** Default: InternetGatewayDevice:1, and nothing under another target. */
  readonly target?: string
  /** Only to what was sent to the group, or to the gateway alone. Default: both. */
  readonly hears?: 'unicast' | 'multicast'
}

const IGD = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'

/**
 * A network of devices that exists in this process alone: what is sent to port 1900 goes nowhere; the answers come over
 * real loopback sockets. Connections lead to loopback addresses or nowhere.
 */
export class FakeLan {
  /** Where connections were asked for, allowed or not. */
  readonly dialled: string[] = []
  /** Sockets for searches that are open. */
  openSockets = 0
  /** What was searched for, and where. */
  readonly searches: string[] = []
  readonly runtime: Runtime
  readonly gateway: Gateway
  readonly #listeners = new Set<UdpSocket>()
  #answers: readonly FakeAnswer[]
  readonly #localIp: string

  constructor(gatewayIp: string, answers: readonly FakeAnswer[]) {
    const family = gatewayIp.includes(':') ? 'ipv6' : 'ipv4'
    this.gateway = { family, ip: gatewayIp, interfaceName: 'lo', metric: 0 }
    this.#localIp = family === 'ipv4' ? '127.0.0.1' : '::1'
    this.#answers = answers
    const real = nodeRuntime({ interfaces: { includeLoopback: true } })
    this.runtime = {
      ...real,
      network: {
        ...real.network,
        sourceIpTowards: () => Promise.resolve(this.#localIp),
        openUdp: (options) => (options.port === SSDP_PORT ? this.#openListener(options) : this.#openUdp()),
        connectTcp: (to, options) => {
          this.dialled.push(to.ip)
          if (ipScope(to.ip) === 'loopback') return real.network.connectTcp(to, options)
          throw new ReachError('ERR_REACH_SOCKET', 'not on this network', {
            details: { code: 'ENETUNREACH' },
          })
        },
      },
    }
  }

  /** What a mapper for this network is made of. */
  get setup(): MapperSetup {
    return { runtime: this.runtime, gateway: this.gateway, clientIp: this.#localIp }
  }

  /** How many sockets hear announcements. */
  get listeners(): number {
    return this.#listeners.size
  }

  /** Other devices are there from now on. */
  becomes(answers: readonly FakeAnswer[]): void {
    this.#answers = answers
  }

  /** A NOTIFY to the group. */
  announce(from: string, headers: readonly string[]): void {
    const bytes = new TextEncoder().encode(['NOTIFY * HTTP/1.1', ...headers, '', ''].join('\r\n'))
    for (const { onPacket } of this.#listeners) onPacket?.({ bytes, from: transportAddress(from, SSDP_PORT) })
  }

  #openListener({ family, joins = [] }: OpenUdpOptions): Promise<UdpSocket> {
    if (joins.length !== 1) throw new Error('it joins no group')
    const listener: UdpSocket = {
      local: transportAddress(family === 'ipv4' ? '0.0.0.0' : '::', SSDP_PORT),
      send: () => undefined,
      onPacket: undefined,
      onSendError: undefined,
      close: () => void this.#listeners.delete(listener),
    }
    this.#listeners.add(listener)
    return Promise.resolve(listener)
  }

  async #openUdp(): Promise<UdpSocket> {
    const socket = await openUdp({ family: this.gateway.family, ip: this.#localIp })
    this.openSockets++
    const send = (bytes: Uint8Array, to: TransportAddress) => void this.#search(bytes, to, socket.local)
    return {
      local: socket.local,
      send,
      set onPacket(callback: UdpSocket['onPacket']) {
        socket.onPacket = callback
      },
      onSendError: undefined,
      close: () => {
        this.openSockets--
        socket.close()
      },
    }
  }

  async #search(bytes: Uint8Array, to: TransportAddress, replyTo: TransportAddress): Promise<void> {
    const target = /^ST: (.*)$/m.exec(new TextDecoder().decode(bytes))?.[1]?.trim() ?? ''
    this.searches.push(`${to.ip}:${to.port} ${target}`)
    const way = to.ip === this.gateway.ip ? 'unicast' : 'multicast'
    for (const answer of this.#answers) {
      if ((answer.target ?? IGD) !== target || (answer.hears ?? way) !== way) continue
      const text = `HTTP/1.1 200 OK\r\nLOCATION: ${answer.location}\r\nST: ${target}\r\nUSN: uuid:1::${target}\r\nBOOTID.UPNP.ORG: 7\r\n\r\n`
      using device = await openUdp({ family: this.gateway.family, ip: answer.from })
      device.send(new TextEncoder().encode(text), replyTo)
    }
  }
}
