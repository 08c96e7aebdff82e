import { endpointKey } from './virtual-ip-table.ts'
import { NatMappings, isMappingFor } from './virtual-nat-mappings.ts'
import type { NatMapping } from './virtual-nat-mappings.ts'
import type { Dependence } from './virtual-nat-options.ts'
import type { Packet } from './virtual-packet.ts'
import type { DropReason } from './virtual-trace.ts'

/** Mappings made between two clean-ups of those that expired unnoticed. */
const SWEEP_INTERVAL = 4096

export interface NatTableOptions {
  readonly mapping: Dependence
  readonly filtering: Dependence
  readonly timeoutMs: number
  readonly unansweredTimeoutMs: number
  readonly refresh: 'outbound' | 'both'
  readonly sharesPorts: boolean | 'per-destination'
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

/**
 * The state of a NAT or stateful firewall for one protocol, by the definitions of RFC 4787 §4.1 and §5: which mapping
 * an outgoing packet uses or makes, and which incoming packets it lets in. Translates nothing itself.
 */
export class NatTable {
  readonly #options: NatTableOptions
  readonly #mappings = new NatMappings()
  #created = 0

  constructor(options: NatTableOptions) {
    this.#options = options
  }

  /** Mappings in the table, some of which may have expired. */
  get size(): number {
    return this.#mappings.size
  }

  /** The mapping for a packet from inside, made when there is none, kept alive, with leave for its destination to answer. */
  outbound(packet: Packet, nowMs: number): NatMapping | DropReason {
    const mapping = this.#find(packet, nowMs) ?? this.#create(packet, nowMs)
    if (typeof mapping === 'string') return mapping
    this.#refresh(mapping, packet.destinationIp, packet.destinationPort, nowMs)
    return mapping
  }

  /** The mapping that lets a packet from outside in, found without side effects. */
  match(packet: Packet, nowMs: number): NatMapping | 'no-mapping' | 'filtered' {
    const candidates = this.#mappings.at(endpointKey(packet.destinationIp, packet.destinationPort))
    if (candidates === undefined) return 'no-mapping'
    let best: NatMapping | 'no-mapping' | 'filtered' = 'no-mapping'
    for (const mapping of candidates) {
      if (mapping.isLocal || mapping.expiresAtMs <= nowMs) continue
      if (!this.#permits(mapping, packet, nowMs)) {
        if (best === 'no-mapping') best = 'filtered'
      } else if (isMappingFor(mapping, packet.sourceIp, packet.sourcePort)) {
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
    if (this.#options.refresh === 'both') this.#refresh(mapping, packet.sourceIp, packet.sourcePort, nowMs)
  }

  /** Notes that the router itself took a packet in: until then the flow keeps its external port from others. */
  acceptLocally(packet: Packet, expiresAtMs: number): void {
    const { destinationIp, destinationPort, sourceIp, sourcePort } = packet
    const known = this.#mappings
      .at(endpointKey(destinationIp, destinationPort))
      ?.find((mapping) => mapping.isLocal && isMappingFor(mapping, sourceIp, sourcePort))
    if (known !== undefined) {
      known.expiresAtMs = expiresAtMs
      return
    }
    this.#mappings.add({
      internalIp: 0,
      internalPort: 0,
      externalIp: destinationIp,
      externalPort: destinationPort,
      remoteIp: sourceIp,
      remotePort: sourcePort,
      isLocal: true,
      expiresAtMs,
      isAnswered: false,
      permits: undefined,
    })
  }

  /** A mapping for good that lets everybody in: a port forwarding. */
  forward(internalIp: number, internalPort: number, externalIp: number, externalPort: number): void {
    this.#mappings.add({
      internalIp,
      internalPort,
      externalIp,
      externalPort,
      remoteIp: 0,
      remotePort: 0,
      isLocal: false,
      expiresAtMs: Infinity,
      isAnswered: true,
      permits: undefined,
    })
  }

  /** Forgets everything, port forwardings too. */
  flush(): void {
    this.#mappings.clear()
  }

  #find(packet: Packet, nowMs: number): NatMapping | undefined {
    const remoteKey = this.#remoteKey(packet.destinationIp, packet.destinationPort)
    const mapping = this.#mappings.find(endpointKey(packet.sourceIp, packet.sourcePort), remoteKey)
    if (mapping === undefined || mapping.expiresAtMs > nowMs) return mapping
    this.#mappings.remove(mapping)
    return undefined
  }

  #create(packet: Packet, nowMs: number): NatMapping | DropReason {
    if (packet.segment !== undefined && !packet.segment.syn) return 'tcp-state'
    if (++this.#created % SWEEP_INTERVAL === 0) this.#mappings.sweep(nowMs)
    if (this.#isFull(packet.sourceIp, nowMs)) return 'mapping-limit'
    const { mapping: dependence, filtering } = this.#options
    const remoteIp = dependence === 'endpoint-independent' ? 0 : packet.destinationIp
    const remotePort = dependence === 'address-and-port-dependent' ? packet.destinationPort : 0
    const isFree = (ip: number, port: number) => this.#isFree(ip, port, remoteIp, remotePort, nowMs)
    const external = this.#chooseExternal(packet, isFree, nowMs)
    if (external === undefined) return 'no-port'
    const mapping: NatMapping = {
      internalIp: packet.sourceIp,
      internalPort: packet.sourcePort,
      externalIp: Math.floor(external / 0x1_0000),
      externalPort: external % 0x1_0000,
      remoteIp,
      remotePort,
      isLocal: false,
      expiresAtMs: 0,
      isAnswered: false,
      permits: filtering === 'endpoint-independent' ? undefined : new Map(),
    }
    this.#mappings.add(mapping)
    return mapping
  }

  #chooseExternal(packet: Packet, isFree: ExternalRequest['isFree'], nowMs: number): number | undefined {
    const { sourceIp: internalIp, sourcePort: internalPort } = packet
    const newest =
      this.#options.sharesPorts === true
        ? this.#mappings.newestOf(endpointKey(internalIp, internalPort))
        : undefined
    if (
      newest !== undefined &&
      newest.expiresAtMs > nowMs &&
      isFree(newest.externalIp, newest.externalPort)
    ) {
      return endpointKey(newest.externalIp, newest.externalPort)
    }
    return this.#options.chooseExternal({ internalIp, internalPort, isFree })
  }

  /** Whether a mapping for this remote side (0: any) can have the external endpoint. */
  #isFree(ip: number, port: number, remoteIp: number, remotePort: number, nowMs: number): boolean {
    const taken = this.#mappings.at(endpointKey(ip, port))
    if (taken === undefined) return true
    for (const mapping of [...taken]) {
      if (mapping.expiresAtMs <= nowMs) this.#mappings.remove(mapping)
      else if (this.#options.sharesPorts === false || remoteIp === 0 || mapping.remoteIp === 0) return false
      else if (remotePort === 0 && mapping.remoteIp === remoteIp) return false
      else if (isMappingFor(mapping, remoteIp, remotePort)) return false
    }
    return true
  }

  #isFull(internalIp: number, nowMs: number): boolean {
    const { maxMappings, maxMappingsPerHost } = this.#options
    const isFull = () =>
      this.#mappings.size >= maxMappings || this.#mappings.countOf(internalIp) >= maxMappingsPerHost
    if (!isFull()) return false
    this.#mappings.sweep(nowMs)
    return isFull()
  }

  #refresh(mapping: NatMapping, remoteIp: number, remotePort: number, nowMs: number): void {
    const { timeoutMs, unansweredTimeoutMs } = this.#options
    const untilMs = nowMs + (mapping.isAnswered ? timeoutMs : unansweredTimeoutMs)
    if (untilMs > mapping.expiresAtMs) mapping.expiresAtMs = untilMs
    mapping.permits?.set(this.#permitKey(remoteIp, remotePort), untilMs)
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
