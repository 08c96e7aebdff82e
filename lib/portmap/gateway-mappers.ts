import type { Gateway, Runtime } from '../base/runtime.ts'
import type { AddressFamily } from '../base/transport-address.ts'
import type { MappingGrant } from '../protocol/port-mapping/mapping.ts'
import { MAPPING_PROTOCOLS } from '../protocol/port-mapping/mapping.ts'
import type { AnnouncementHearer } from './announcements.ts'
import { clientAddress, linkLocalAddresses } from './client-address.ts'
import type { GatewayMapper, MapperFactory } from './gateway-mapper.ts'

/** A gateway, and whoever speaks a protocol with it from one address of this host. */
export interface MappedGateway {
  readonly gateway: Gateway
  readonly clientIp: string
  /** The best protocol first. */
  readonly mappers: readonly GatewayMapper[]
}

/** Ours: a host with more default gateways of one family is a router or a mistake. */
const MAX_GATEWAYS = 4

/** The mappers of all default gateways. They are kept, for they remember the gateways' epochs. */
export class GatewayMappers {
  readonly #runtime: Runtime
  readonly #factories: readonly MapperFactory[]
  readonly #onReset: (gatewayIp: string) => void
  readonly #known = new Map<string, MappedGateway>()

  constructor(runtime: Runtime, factories: readonly MapperFactory[], onReset: (gatewayIp: string) => void) {
    this.#runtime = runtime
    this.#factories = factories
    this.#onReset = onReset
  }

  /** The default gateways as they are now, the best metric first; those that are gone are closed. */
  async current(family: AddressFamily): Promise<readonly MappedGateway[]> {
    const { network } = this.#runtime
    const gateways = (await network.defaultGateways()).filter((gateway) => gateway.family === family)
    const found: MappedGateway[] = []
    for (const gateway of gateways.slice(0, MAX_GATEWAYS)) {
      const clientIp = await clientAddress(network, gateway)
      if (clientIp !== undefined) found.push(this.#mapped(gateway, clientIp))
    }
    for (const [key, known] of this.#known)
      if (known.gateway.family === family && !found.includes(known)) this.#forget(key, known)
    return found
  }

  /** Who speaks for a grant, if its gateway and this host's address are still what they were. */
  async of({ internal, gatewayIp, protocol }: MappingGrant): Promise<GatewayMapper | undefined> {
    const gateways = await this.current(internal.family)
    const known = gateways.find((one) => one.gateway.ip === gatewayIp && one.clientIp === internal.ip)
    return known?.mappers.find((mapper) => mapper.protocol === protocol)
  }

  /** Addresses of this host on the gateways' interfaces, through which groups are joined. */
  groupAddresses(family: AddressFamily): readonly string[] {
    const ofFamily = [...this.#known.values()].filter(({ gateway }) => gateway.family === family)
    // IPv6 groups are joined by the interface, which only link-local addresses name.
    if (family === 'ipv6')
      return ofFamily.flatMap(({ gateway }) => linkLocalAddresses(this.#runtime.network, gateway))
    return [...new Set(ofFamily.map(({ clientIp }) => clientIp))]
  }

  *hearers(): Iterable<AnnouncementHearer> {
    for (const { mappers } of this.#known.values())
      for (const mapper of mappers) if (hears(mapper)) yield mapper
  }

  close(): void {
    for (const [key, known] of this.#known) this.#forget(key, known)
  }

  #mapped(gateway: Gateway, clientIp: string): MappedGateway {
    const key = `${gateway.ip} ${gateway.interfaceName} ${clientIp}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const setup = { runtime: this.#runtime, gateway, clientIp }
    const mappers = this.#factories.map((make) => make(setup)).filter((mapper) => mapper !== undefined)
    for (const mapper of mappers) mapper.onReset = () => this.#onReset(gateway.ip)
    const mapped = { gateway, clientIp, mappers: mappers.toSorted((a, b) => rank(a) - rank(b)) }
    this.#known.set(key, mapped)
    return mapped
  }

  #forget(key: string, { mappers }: MappedGateway): void {
    this.#known.delete(key)
    for (const mapper of mappers) mapper.close()
  }
}

/** Lower is better: PCP, then NAT-PMP, then UPnP. */
export function rank({ protocol }: Pick<GatewayMapper, 'protocol'>): number {
  return MAPPING_PROTOCOLS.indexOf(protocol)
}

function hears(mapper: GatewayMapper): mapper is GatewayMapper & AnnouncementHearer {
  return 'hear' in mapper && typeof mapper.hear === 'function'
}
