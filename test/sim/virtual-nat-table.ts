import { endpointKey } from './virtual-ip-table.ts'
import type { Dependence } from './virtual-nat-options.ts'
import type { Packet } from './virtual-packet.ts'
import type { DropReason } from './virtual-trace.ts'

/** Mappings made between two clean-ups of those that expired unnoticed. */
const SWEEP_INTERVAL = 4096

/** One line of a NAT's table: an internal endpoint, its external one, and who may answer. */
export interface NatMapping {
  readonly internalIp: number
  readonly internalPort: number
  readonly externalIp: number
  readonly externalPort: number
  /** The remote side that the mapping is for; 0 where it is for any. */
  readonly remoteIp: number
  readonly remotePort: number
  /** A flow that ends at the router itself: it only keeps the external port from others. */
  readonly isLocal: boolean
  expiresAtMs: number
  isAnswered: boolean
  /** Who may send in, and until when: IPs or endpoints, by the filtering. Undefined: anybody. */
  readonly permits: Map<number, number> | undefined
}

export interface NatTableOptions {
  readonly mapping: Dependence
  readonly filtering: Dependence
  readonly timeoutMs: number
  readonly unansweredTimeoutMs: number
  readonly refresh: 'outbound' | 'both'
  readonly sharesPorts: boolean
  readonly maxMappings: number
  readonly maxMappingsPerHost: number
  /** Chooses the external endpoint of a new mapping, as an endpointKey; undefined when no port is left. */
  readonly chooseExternal: (request: ExternalRequest) => number | undefined
}

export interface ExternalRequest {
  readonly internalIp: number
  readonly internalPort: number
  isFree(externalIp: number, externalPort: number): boolean
}

/** What one internal endpoint has: its mappings by remote side (0: for any), and the newest of them. */
interface InternalEndpoint {
  readonly mappings: Map<number, NatMapping>
  newest: NatMapping | undefined
}

/**
 * The state of a NAT or stateful firewall for one protocol, by the definitions of RFC 4787 §4.1 and §5: which mapping
 * an outgoing packet uses or makes, and which incoming packets it lets in. Translates nothing itself.
 */
export class NatTable {
  readonly #options: NatTableOptions
  readonly #internal = new Map<number, InternalEndpoint>()
  readonly #external = new Map<number, NatMapping[]>()
  readonly #perHost = new Map<number, number>()
  #size = 0
  #created = 0

  constructor(options: NatTableOptions) {
    this.#options = options
  }

  /** Mappings in the table, some of which may have expired. */
  get size(): number {
    return this.#size
  }

  /** The mapping for a packet from inside, made when there is none, kept alive, with leave for its destination to answer. */
  outbound(packet: Packet, nowMs: number): NatMapping | DropReason {
    const found = this.#find(packet, nowMs)
    const mapping = found ?? this.#create(packet, nowMs)
    if (typeof mapping === 'string') return mapping
    mapping.expiresAtMs = Math.max(this.#expiry(mapping, nowMs), mapping.expiresAtMs)
    mapping.permits?.set(this.#permitKey(packet.destinationIp, packet.destinationPort), mapping.expiresAtMs)
    return mapping
  }

  /** The mapping that lets a packet from outside in, found without side effects. */
  match(packet: Packet, nowMs: number): NatMapping | 'no-mapping' | 'filtered' {
    const candidates = this.#external.get(endpointKey(packet.destinationIp, packet.destinationPort))
    let best: NatMapping | 'no-mapping' | 'filtered' = 'no-mapping'
    for (const mapping of candidates ?? []) {
      if (mapping.isLocal || mapping.expiresAtMs <= nowMs) continue
      if (!this.#permits(mapping, packet, nowMs)) {
        if (best === 'no-mapping') best = 'filtered'
      } else if (mapping.remoteIp !== 0 && isFor(mapping, packet.sourceIp, packet.sourcePort)) {
        return mapping
      } else if (typeof best === 'string') {
        best = mapping
      }
    }
    return best
  }

  /** Notes that a packet came in through a mapping. */
  inbound(mapping: NatMapping, packet: Packet, nowMs: number): void {
    mapping.isAnswered = true
    if (this.#options.refresh === 'outbound') return
    mapping.expiresAtMs = Math.max(this.#expiry(mapping, nowMs), mapping.expiresAtMs)
    mapping.permits?.set(this.#permitKey(packet.sourceIp, packet.sourcePort), mapping.expiresAtMs)
  }

  /** Notes that the router itself took a packet in: until then the flow keeps its external port from others. */
  acceptLocally(packet: Packet, expiresAtMs: number): void {
    const key = endpointKey(packet.destinationIp, packet.destinationPort)
    const isSame = (mapping: NatMapping) =>
      mapping.isLocal && isFor(mapping, packet.sourceIp, packet.sourcePort)
    const known = this.#external.get(key)?.find(isSame)
    if (known !== undefined) {
      known.expiresAtMs = expiresAtMs
      return
    }
    this.#insert({
      internalIp: 0,
      internalPort: 0,
      externalIp: packet.destinationIp,
      externalPort: packet.destinationPort,
      remoteIp: packet.sourceIp,
      remotePort: packet.sourcePort,
      isLocal: true,
      expiresAtMs,
      isAnswered: false,
      permits: new Map(),
    })
  }

  /** A mapping for good that lets everybody in: a port forwarding. */
  forward(internalIp: number, internalPort: number, externalIp: number, externalPort: number): void {
    this.#insert({
      ...{ internalIp, internalPort, externalIp, externalPort, remoteIp: 0, remotePort: 0 },
      ...{ isLocal: false, expiresAtMs: Infinity, isAnswered: true, permits: undefined },
    })
  }

  /** Forgets everything, port forwardings too. */
  flush(): void {
    this.#internal.clear()
    this.#external.clear()
    this.#perHost.clear()
    this.#size = 0
  }

  #find(packet: Packet, nowMs: number): NatMapping | undefined {
    const endpoint = this.#internal.get(endpointKey(packet.sourceIp, packet.sourcePort))
    const mapping = endpoint?.mappings.get(this.#remoteKey(packet.destinationIp, packet.destinationPort))
    if (mapping === undefined || mapping.expiresAtMs > nowMs) return mapping
    this.#remove(mapping)
    return undefined
  }

  #create(packet: Packet, nowMs: number): NatMapping | DropReason {
    if (packet.segment !== undefined && !packet.segment.syn) return 'tcp-state'
    if (++this.#created % SWEEP_INTERVAL === 0) this.#sweep(nowMs)
    if (this.#isFull(packet.sourceIp, nowMs)) return 'mapping-limit'
    const { mapping, filtering } = this.#options
    const remoteIp = mapping === 'endpoint-independent' ? 0 : packet.destinationIp
    const remotePort = mapping === 'address-and-port-dependent' ? packet.destinationPort : 0
    const external = this.#chooseExternal(packet, remoteIp, remotePort, nowMs)
    if (external === undefined) return 'no-port'
    return this.#insert({
      internalIp: packet.sourceIp,
      internalPort: packet.sourcePort,
      externalIp: Math.floor(external / 0x1_0000),
      externalPort: external % 0x1_0000,
      remoteIp,
      remotePort,
      isLocal: false,
      expiresAtMs: 0,
      isAnswered: false,
      permits: filtering === 'endpoint-independent' ? undefined : new Map<number, number>(),
    })
  }

  #chooseExternal(packet: Packet, remoteIp: number, remotePort: number, nowMs: number): number | undefined {
    const isFree = (ip: number, port: number) => this.#isFree(ip, port, remoteIp, remotePort, nowMs)
    const newest = this.#internal.get(endpointKey(packet.sourceIp, packet.sourcePort))?.newest
    if (this.#options.sharesPorts && newest !== undefined && newest.expiresAtMs > nowMs) {
      const { externalIp, externalPort } = newest
      if (isFree(externalIp, externalPort)) return endpointKey(externalIp, externalPort)
    }
    return this.#options.chooseExternal({
      internalIp: packet.sourceIp,
      internalPort: packet.sourcePort,
      isFree,
    })
  }

  #isFree(ip: number, port: number, remoteIp: number, remotePort: number, nowMs: number): boolean {
    const taken = this.#external.get(endpointKey(ip, port))
    if (taken === undefined) return true
    for (const mapping of [...taken]) {
      if (mapping.expiresAtMs <= nowMs) {
        this.#remove(mapping)
      } else if (!this.#options.sharesPorts || remoteIp === 0 || mapping.remoteIp === 0) {
        return false
      } else if (
        mapping.remoteIp === remoteIp &&
        (remotePort === 0 || isFor(mapping, remoteIp, remotePort))
      ) {
        return false
      }
    }
    return true
  }

  #isFull(internalIp: number, nowMs: number): boolean {
    const { maxMappings, maxMappingsPerHost } = this.#options
    const isFull = () =>
      this.#size >= maxMappings || (this.#perHost.get(internalIp) ?? 0) >= maxMappingsPerHost
    if (!isFull()) return false
    this.#sweep(nowMs)
    return isFull()
  }

  #insert(mapping: NatMapping): NatMapping {
    const externalKey = endpointKey(mapping.externalIp, mapping.externalPort)
    const sharing = this.#external.get(externalKey)
    if (sharing === undefined) this.#external.set(externalKey, [mapping])
    else sharing.push(mapping)
    this.#size++
    this.#perHost.set(mapping.internalIp, (this.#perHost.get(mapping.internalIp) ?? 0) + 1)
    if (mapping.isLocal) return mapping
    const internalKey = endpointKey(mapping.internalIp, mapping.internalPort)
    const remoteKey = mapping.remoteIp === 0 ? 0 : this.#remoteKey(mapping.remoteIp, mapping.remotePort)
    const endpoint = this.#internal.get(internalKey)
    if (endpoint === undefined) {
      this.#internal.set(internalKey, { mappings: new Map([[remoteKey, mapping]]), newest: mapping })
    } else {
      endpoint.mappings.set(remoteKey, mapping)
      endpoint.newest = mapping
    }
    return mapping
  }

  #remove(mapping: NatMapping): void {
    const externalKey = endpointKey(mapping.externalIp, mapping.externalPort)
    const sharing = this.#external.get(externalKey) ?? []
    const index = sharing.indexOf(mapping)
    if (index < 0) return
    if (sharing.length === 1) this.#external.delete(externalKey)
    else sharing.splice(index, 1)
    this.#size--
    this.#perHost.set(mapping.internalIp, (this.#perHost.get(mapping.internalIp) ?? 1) - 1)
    if (mapping.isLocal) return
    const internalKey = endpointKey(mapping.internalIp, mapping.internalPort)
    const endpoint = this.#internal.get(internalKey)
    endpoint?.mappings.delete(
      mapping.remoteIp === 0 ? 0 : this.#remoteKey(mapping.remoteIp, mapping.remotePort),
    )
    if (endpoint?.mappings.size === 0) this.#internal.delete(internalKey)
  }

  #sweep(nowMs: number): void {
    for (const sharing of [...this.#external.values()]) {
      for (const mapping of [...sharing]) if (mapping.expiresAtMs <= nowMs) this.#remove(mapping)
    }
  }

  #expiry(mapping: NatMapping, nowMs: number): number {
    return nowMs + (mapping.isAnswered ? this.#options.timeoutMs : this.#options.unansweredTimeoutMs)
  }

  /** RFC 4787 §4.1: what the mapping depends on besides the internal endpoint. */
  #remoteKey(remoteIp: number, remotePort: number): number {
    switch (this.#options.mapping) {
      case 'endpoint-independent':
        return 0
      case 'address-dependent':
        return remoteIp
      case 'address-and-port-dependent':
        return endpointKey(remoteIp, remotePort)
    }
  }

  /** RFC 4787 §5: what the filter depends on. */
  #permitKey(remoteIp: number, remotePort: number): number {
    return this.#options.filtering === 'address-dependent' ? remoteIp : endpointKey(remoteIp, remotePort)
  }

  #permits(mapping: NatMapping, packet: Packet, nowMs: number): boolean {
    if (mapping.permits === undefined) return true
    const untilMs = mapping.permits.get(this.#permitKey(packet.sourceIp, packet.sourcePort))
    return untilMs !== undefined && untilMs > nowMs
  }
}

/** Whether the mapping is for this remote side; a port of 0 in it stands for any. */
function isFor(mapping: NatMapping, remoteIp: number, remotePort: number): boolean {
  return mapping.remoteIp === remoteIp && (mapping.remotePort === 0 || mapping.remotePort === remotePort)
}
