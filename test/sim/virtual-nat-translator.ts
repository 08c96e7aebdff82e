import { rewriteEndpoints } from './virtual-alg.ts'
import { endpointKey } from './virtual-ip-table.ts'
import type { NatBehaviorOptions } from './virtual-nat-options.ts'
import { NatTable } from './virtual-nat-table.ts'
import type { NatMapping } from './virtual-nat-mappings.ts'
import type { ExternalRequest, NatTableOptions } from './virtual-nat-table.ts'
import type { Packet } from './virtual-packet.ts'
import { PortAllocator } from './virtual-port-allocator.ts'
import type { SeededRandom } from './seeded-random.ts'
import { TCP_HALF_OPEN_TIMEOUT_MS, TCP_TIMEOUT_MS } from './virtual-stateful-filter.ts'
import type { DropReason } from './virtual-trace.ts'
import type { World } from './virtual-world.ts'

/** RFC 4787 REQ-5: a UDP mapping lives two minutes at least. */
const DEFAULT_UDP_TIMEOUT_MS = 120_000
/** nf_conntrack_tcp_timeout_close: how long Linux remembers a connection that it has reset itself. */
const RESET_FLOW_TIMEOUT_MS = 10_000

/** Translates packets of both protocols as one NAT does, by its behaviour and its tables. */
export class NatTranslator {
  readonly #world: World
  readonly #options: NatBehaviorOptions
  readonly #random: SeededRandom
  readonly #udp: NatTable
  readonly #tcp: NatTable
  readonly #paired = new Map<number, number>()
  #externalIps: readonly number[]
  #allocators = new Map<number, PortAllocator>()

  constructor(world: World, name: string, options: NatBehaviorOptions, externalIps: readonly number[]) {
    this.#world = world
    this.#options = options
    this.#random = world.random.fork(`nat ${name}`)
    this.#externalIps = externalIps
    const { udpTimeoutMs = DEFAULT_UDP_TIMEOUT_MS, tcp = {} } = options
    this.#udp = new NatTable({
      ...this.#tableOptions('udp'),
      timeoutMs: udpTimeoutMs,
      unansweredTimeoutMs: options.unansweredUdpTimeoutMs ?? udpTimeoutMs,
      refresh: options.refresh ?? 'outbound',
    })
    this.#tcp = new NatTable({
      ...this.#tableOptions('tcp'),
      ...(tcp.mapping && { mapping: tcp.mapping }),
      ...(tcp.filtering && { filtering: tcp.filtering }),
      timeoutMs: tcp.timeoutMs ?? TCP_TIMEOUT_MS,
      unansweredTimeoutMs: TCP_HALF_OPEN_TIMEOUT_MS,
      refresh: 'both',
    })
  }

  /** Mappings in the tables. */
  get size(): number {
    return this.#udp.size + this.#tcp.size
  }

  /** Gives the packet its external source; answers why not, where it can't. */
  outbound(packet: Packet): DropReason | undefined {
    const mapping = this.#tableFor(packet).outbound(packet, this.#world.clock.nowMs())
    if (typeof mapping === 'string') return mapping
    packet.sourceIp = mapping.externalIp
    packet.sourcePort = mapping.externalPort
    this.#alter(packet, mapping, 'outbound')
    return undefined
  }

  /** The mapping that lets the packet in, if any. Changes nothing. */
  match(packet: Packet): NatMapping | 'no-mapping' | 'filtered' {
    return this.#tableFor(packet).match(packet, this.#world.clock.nowMs())
  }

  /** Gives the packet its internal destination. */
  inbound(mapping: NatMapping, packet: Packet): void {
    this.#tableFor(packet).inbound(mapping, packet, this.#world.clock.nowMs())
    packet.destinationIp = mapping.internalIp
    packet.destinationPort = mapping.internalPort
    this.#alter(packet, mapping, 'inbound')
  }

  /** Tells of a packet that nobody inside is to get. */
  unsolicited(packet: Packet): void {
    if (this.#options.acceptsInput !== true) return
    const { segment } = packet
    const { unansweredUdpTimeoutMs, udpTimeoutMs = DEFAULT_UDP_TIMEOUT_MS } = this.#options
    const nowMs = this.#world.clock.nowMs()
    if (segment === undefined)
      this.#udp.acceptLocally(packet, nowMs + (unansweredUdpTimeoutMs ?? udpTimeoutMs))
    else if (segment.syn) this.#tcp.acceptLocally(packet, nowMs + RESET_FLOW_TIMEOUT_MS)
  }

  forward(transport: 'udp' | 'tcp', external: number, internalIp: number, internalPort: number): void {
    const table = transport === 'udp' ? this.#udp : this.#tcp
    const [externalIp = 0] = this.#externalIps
    table.forward(internalIp, internalPort, externalIp, external)
  }

  flush(): void {
    this.#udp.flush()
    this.#tcp.flush()
    this.#paired.clear()
    this.#allocators = new Map()
  }

  /** Other external addresses from now on; mappings of the former are gone. */
  renumber(externalIps: readonly number[]): void {
    this.flush()
    this.#externalIps = externalIps
  }

  #tableOptions(
    transport: 'udp' | 'tcp',
  ): Omit<NatTableOptions, 'timeoutMs' | 'unansweredTimeoutMs' | 'refresh'> {
    const options = this.#options
    return {
      mapping: options.mapping ?? 'endpoint-independent',
      filtering: options.filtering ?? 'address-and-port-dependent',
      sharesPorts: options.sharesPorts ?? false,
      maxMappings: options.maxMappings ?? Infinity,
      maxMappingsPerHost: options.maxMappingsPerHost ?? Infinity,
      chooseExternal: (request) => this.#chooseExternal(transport, request),
    }
  }

  #chooseExternal(transport: 'udp' | 'tcp', request: ExternalRequest): number | undefined {
    const { internalIp, internalPort } = request
    const ip = this.#chooseIp(internalIp)
    const isFree = (port: number) => request.isFree(ip, port)
    const port = this.#allocator(transport, ip).allocate({ internalIp, internalPort, isFree })
    return port === undefined ? undefined : endpointKey(ip, port)
  }

  /** RFC 4787 §4.1: IP address pooling. */
  #chooseIp(internalIp: number): number {
    if (this.#options.pooling === 'arbitrary') return this.#random.pick(this.#externalIps)
    const known = this.#paired.get(internalIp)
    if (known !== undefined) return known
    const ip = this.#externalIps[this.#paired.size % this.#externalIps.length] ?? 0
    this.#paired.set(internalIp, ip)
    return ip
  }

  #allocator(transport: 'udp' | 'tcp', ip: number): PortAllocator {
    const key = transport === 'udp' ? ip : -ip
    let allocator = this.#allocators.get(key)
    if (allocator === undefined) {
      const { ports = { kind: 'preserving' }, keepsParity = false } = this.#options
      allocator = new PortAllocator(ports, keepsParity, this.#random, () => this.#world.clock.nowMs())
      this.#allocators.set(key, allocator)
    }
    return allocator
  }

  #tableFor(packet: Packet): NatTable {
    return packet.segment === undefined ? this.#udp : this.#tcp
  }

  #alter(packet: Packet, mapping: NatMapping, direction: 'inbound' | 'outbound'): void {
    const { alg = 'none' } = this.#options
    if (alg === 'none' || packet.segment !== undefined) return
    const inside = { ip: this.#world.ips.bytes(mapping.internalIp), port: mapping.internalPort }
    const outside = { ip: this.#world.ips.bytes(mapping.externalIp), port: mapping.externalPort }
    const [from, to] = direction === 'outbound' ? [inside, outside] : [outside, inside]
    rewriteEndpoints(packet.bytes, from, to, alg === 'address-and-port')
  }
}
