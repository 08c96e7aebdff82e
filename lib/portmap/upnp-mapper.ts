import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { MappingGrant, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import { discoverUpnp } from './discover-upnp.ts'
import type { GatewayMapper, MapperFactory, MapperSetup } from './gateway-mapper.ts'
import { hasMade } from './igd-mapper.ts'
import type { IgdMapper } from './igd-mapper.ts'
import { UpnpAnnouncements } from './upnp-announcements.ts'
import type { UpnpDevice } from './upnp-device.ts'

/** Makes a {@link UpnpMapper}. */
export const upnpMapper: MapperFactory = (setup) => new UpnpMapper(setup)

/** As {@link GatewayMapper.prepare} allows. */
const PREPARE_TIMEOUT_MS = 1500
/** Ours: a little less, so that what was found in time is not lost to what was not. */
const DISCOVERY_BUDGET_MS = 1400

/** What discovery brought: the best first. */
type Found = readonly (IgdMapper & { readonly device: UpnpDevice })[]

/**
 * UPnP's Internet Gateway Devices behind one default gateway: port mappings over IPv4, pinholes over IPv6. The devices
 * need not be the gateway itself; what they grant is filed under it all the same. After the first mapping it hears
 * whether they leave or start anew.
 */
export class UpnpMapper implements GatewayMapper {
  readonly protocol = 'upnp'
  readonly gatewayIp: string
  onReset: (() => void) | undefined
  readonly #setup: MapperSetup
  readonly #closing = new AbortController()
  readonly #announcements: UpnpAnnouncements
  #found: Found = []

  constructor(setup: MapperSetup) {
    this.#setup = setup
    this.gatewayIp = setup.gateway.ip
    this.#announcements = new UpnpAnnouncements(setup, () => {
      this.#found = [] // its description may be elsewhere now
      this.onReset?.()
    })
  }

  async prepare(signal?: AbortSignal): Promise<void> {
    await this.#discover(this.#signal(signal))
  }

  /** As {@link GatewayMapper.map}; of several services the next is asked when the one before refuses. */
  async map(request: MappingRequest, signal?: AbortSignal): Promise<MappingGrant> {
    const joined = this.#signal(signal)
    if (this.#found.length === 0) await this.#discover(joined)
    const failures: unknown[] = []
    for (const mapper of this.#found) {
      try {
        const grant = await mapper.map(request, joined)
        await this.#announcements.listen(mapper.device)
        return this.#filed(grant)
      } catch (error) {
        joined.throwIfAborted()
        failures.push(error)
      }
    }
    this.#found = [] // whoever refuses or is gone is looked for again next time
    throw failures.find((error) => ReachError.is(error, 'ERR_REACH_MAPPING_REFUSED')) ?? failures[0]
  }

  async renew(grant: MappingGrant, lifetimeS: number, signal?: AbortSignal): Promise<MappingGrant> {
    const joined = this.#signal(signal)
    const { grant: renewed, wasLost } = await this.#atItsMaker(grant, joined, (mapper) =>
      mapper.renew(grant, lifetimeS, joined),
    )
    if (wasLost) this.onReset?.()
    return this.#filed(renewed)
  }

  async unmap(grant: MappingGrant, signal?: AbortSignal): Promise<void> {
    const joined = this.#signal(signal)
    await this.#atItsMaker(grant, joined, (mapper) => mapper.unmap(grant, joined))
  }

  /** Ends what is under way. Mappings stay: whoever made them removes them. */
  close(): void {
    this.#closing.abort(new ReachError('ERR_REACH_ABORTED', 'the port mapper was closed'))
    this.#announcements.close()
    this.onReset = undefined
  }

  /** @throws {ReachError} ERR_REACH_TIMEOUT when there is nothing */
  async #discover(signal: AbortSignal): Promise<void> {
    const { runtime } = this.#setup
    using deadline = deadlineSignal(runtime.clock, PREPARE_TIMEOUT_MS, signal)
    this.#found = await discoverUpnp(this.#setup, DISCOVERY_BUDGET_MS, deadline.signal)
    if (this.#found.length === 0)
      throw new ReachError('ERR_REACH_TIMEOUT', `no UPnP gateway answers behind ${this.gatewayIp}`, {
        details: { gatewayIp: this.gatewayIp },
      })
  }

  /** Asks the service that made a grant. One that does not answer where it was is looked for once more. */
  async #atItsMaker<T>(
    grant: MappingGrant,
    signal: AbortSignal,
    ask: (mapper: IgdMapper) => Promise<T>,
  ): Promise<T> {
    const known = this.#found.find(({ client }) => hasMade(client, grant))
    try {
      if (known !== undefined) return await ask(known)
    } catch (error) {
      // A router's UPnP may listen on another port after each start.
      if (!ReachError.is(error, 'ERR_REACH_SOCKET')) throw error
    }
    await this.#discover(signal)
    const found = this.#found.find(({ client }) => hasMade(client, grant))
    if (found !== undefined) return ask(found)
    throw new ReachError(
      'ERR_REACH_TIMEOUT',
      `the UPnP service that mapped port ${grant.externalPort} is gone`,
      {
        details: { gatewayIp: this.gatewayIp },
      },
    )
  }

  #filed(grant: MappingGrant): MappingGrant {
    return { ...grant, gatewayIp: this.gatewayIp }
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, signal])
  }
}
