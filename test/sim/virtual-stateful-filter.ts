import { endpointKey } from './virtual-ip-table.ts'
import type { Dependence } from './virtual-nat-options.ts'
import { NatTable } from './virtual-nat-table.ts'
import type { Packet } from './virtual-packet.ts'
import type { DropReason } from './virtual-trace.ts'

/** RFC 5382 REQ-5: 2 hours and 4 minutes for a connection, 4 minutes for one that is half open. */
export const TCP_TIMEOUT_MS = 7_440_000
export const TCP_HALF_OPEN_TIMEOUT_MS = 240_000

/** A stateful firewall's memory, without translation. */
export interface StatefulFilterOptions {
  /** @default 'address-and-port-dependent' */
  readonly filtering?: Dependence
  /** @default 120_000 */
  readonly udpTimeoutMs?: number
  /** @default 'both' */
  readonly refresh?: 'outbound' | 'both'
}

/** Lets in what answers to something that went out: two tables whose external endpoints are the internal ones. */
export class StatefulFilter {
  readonly #udp: NatTable
  readonly #tcp: NatTable

  constructor(options: StatefulFilterOptions = {}) {
    const { filtering = 'address-and-port-dependent', udpTimeoutMs = 120_000, refresh = 'both' } = options
    const common = {
      ...({ mapping: 'endpoint-independent', filtering, refresh, sharesPorts: false } as const),
      ...{ maxMappings: Infinity, maxMappingsPerHost: Infinity },
      chooseExternal: (request: { internalIp: number; internalPort: number }) =>
        endpointKey(request.internalIp, request.internalPort),
    }
    this.#udp = new NatTable({ ...common, timeoutMs: udpTimeoutMs, unansweredTimeoutMs: udpTimeoutMs })
    this.#tcp = new NatTable({
      ...common,
      timeoutMs: TCP_TIMEOUT_MS,
      unansweredTimeoutMs: TCP_HALF_OPEN_TIMEOUT_MS,
    })
  }

  /** Why the packet may not leave; undefined when it may, and then the way back is open. */
  outbound(packet: Packet, nowMs: number): DropReason | undefined {
    const mapping = this.#tableFor(packet).outbound(packet, nowMs)
    return typeof mapping === 'string' ? mapping : undefined
  }

  /** Why the packet may not enter; undefined when it may. */
  inbound(packet: Packet, nowMs: number): DropReason | undefined {
    const table = this.#tableFor(packet)
    const mapping = table.match(packet, nowMs)
    if (typeof mapping === 'string') return 'filtered'
    table.inbound(mapping, packet, nowMs)
    return undefined
  }

  flush(): void {
    this.#udp.flush()
    this.#tcp.flush()
  }

  #tableFor(packet: Packet): NatTable {
    return packet.segment === undefined ? this.#udp : this.#tcp
  }
}
