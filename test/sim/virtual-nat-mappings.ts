import { endpointKey } from './virtual-ip-table.ts'

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

/** What one internal endpoint has. */
interface InternalEndpoint {
  readonly byRemote: Map<number, NatMapping>
  newest: NatMapping
}

/** The mappings of a NAT, found by their internal and by their external endpoint. Knows nothing of behaviours. */
export class NatMappings {
  readonly #internal = new Map<number, InternalEndpoint>()
  readonly #external = new Map<number, NatMapping[]>()
  readonly #perHost = new Map<number, number>()
  #size = 0

  /** Mappings, the expired ones that nobody removed included. */
  get size(): number {
    return this.#size
  }

  countOf(internalIp: number): number {
    return this.#perHost.get(internalIp) ?? 0
  }

  /** The mapping of an internal endpoint for one remote side: an IP, an endpoint, or 0 for any. */
  find(internalKey: number, remoteKey: number): NatMapping | undefined {
    return this.#internal.get(internalKey)?.byRemote.get(remoteKey)
  }

  /** The mapping that an internal endpoint got last. */
  newestOf(internalKey: number): NatMapping | undefined {
    return this.#internal.get(internalKey)?.newest
  }

  /** Those that share an external endpoint; several only where ports are shared. */
  at(externalKey: number): readonly NatMapping[] | undefined {
    return this.#external.get(externalKey)
  }

  add(mapping: NatMapping): void {
    const externalKey = endpointKey(mapping.externalIp, mapping.externalPort)
    const sharing = this.#external.get(externalKey)
    if (sharing === undefined) this.#external.set(externalKey, [mapping])
    else sharing.push(mapping)
    this.#size++
    this.#perHost.set(mapping.internalIp, this.countOf(mapping.internalIp) + 1)
    if (mapping.isLocal) return
    const internalKey = endpointKey(mapping.internalIp, mapping.internalPort)
    const endpoint = this.#internal.get(internalKey)
    if (endpoint === undefined) {
      this.#internal.set(internalKey, {
        byRemote: new Map([[remoteKeyOf(mapping), mapping]]),
        newest: mapping,
      })
    } else {
      endpoint.byRemote.set(remoteKeyOf(mapping), mapping)
      endpoint.newest = mapping
    }
  }

  remove(mapping: NatMapping): void {
    const externalKey = endpointKey(mapping.externalIp, mapping.externalPort)
    const sharing = this.#external.get(externalKey) ?? []
    const index = sharing.indexOf(mapping)
    if (index < 0) return
    if (sharing.length === 1) this.#external.delete(externalKey)
    else sharing.splice(index, 1)
    this.#size--
    this.#perHost.set(mapping.internalIp, this.countOf(mapping.internalIp) - 1)
    if (mapping.isLocal) return
    const internalKey = endpointKey(mapping.internalIp, mapping.internalPort)
    const endpoint = this.#internal.get(internalKey)
    // A port forwarding may have taken the place of an older mapping.
    if (endpoint?.byRemote.get(remoteKeyOf(mapping)) === mapping)
      endpoint.byRemote.delete(remoteKeyOf(mapping))
    if (endpoint?.byRemote.size === 0) this.#internal.delete(internalKey)
  }

  /** Removes all that have expired. */
  sweep(nowMs: number): void {
    for (const sharing of [...this.#external.values()]) {
      for (const mapping of [...sharing]) if (mapping.expiresAtMs <= nowMs) this.remove(mapping)
    }
  }

  clear(): void {
    this.#internal.clear()
    this.#external.clear()
    this.#perHost.clear()
    this.#size = 0
  }
}

/** Whether the mapping is for this remote side; a port of 0 in it stands for any. */
export function isMappingFor(mapping: NatMapping, remoteIp: number, remotePort: number): boolean {
  return mapping.remoteIp === remoteIp && (mapping.remotePort === 0 || mapping.remotePort === remotePort)
}

function remoteKeyOf({ remoteIp, remotePort }: NatMapping): number {
  return remotePort === 0 ? remoteIp : endpointKey(remoteIp, remotePort)
}
