import { delay } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { AddressFamily } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { NetworkChangeWatcher } from '../net/network-change-watcher.ts'
import type { MappingGrant, MappingProtocol, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import { Announcements } from './announcements.ts'
import { mapOverBest, mostTelling } from './choose-mapper.ts'
import type { GatewayMapper, MapperFactory } from './gateway-mapper.ts'
import type { MappedGateway } from './gateway-mappers.ts'
import { GatewayMappers, rank } from './gateway-mappers.ts'
import type { PortRequest } from './lease-state.ts'
import type { Journal } from './mapping-journal.ts'
import { natPmpMapper } from './nat-pmp-mapper.ts'
import { pcpMapper } from './pcp-mapper.ts'
import { PROTOCOL_NAMES } from './refusal.ts'

/** What a {@link PortMapper} is made of. */
export interface PortMapperSetup {
  readonly runtime: Runtime
  /** The protocols to speak. Default: PCP and NAT-PMP. */
  readonly factories?: readonly MapperFactory[]
  /** Where mappings are noted, so that they are removed after a crash. Default: nowhere. */
  readonly journal?: Journal
  /** How long a better protocol or gateway may still answer once a worse one has. @default 200 */
  readonly graceMs?: number
}

/** How a mapping is to be made. */
export interface MapOptions {
  /** See {@link MappingRequest.nonce}. */
  readonly nonce: string
  /** Protocols that have been tried in vain. Default: none. */
  readonly exclude?: readonly MappingProtocol[]
  /** Told what may be granted, before it is asked for. */
  readonly onAsking?: (claims: readonly MappingGrant[]) => Promise<void>
  readonly signal?: AbortSignal | undefined
}

/** Something that puts mappings in doubt. */
export type MapperEvent =
  /** The gateway has lost its mappings. */
  | { readonly kind: 'gateway-reset'; readonly gatewayIp: string }
  /** This host's addresses or gateways are others, or it slept. */
  | { readonly kind: 'network-change' }

/** Ours: Wi-Fi that saves power delays by up to 100 ms; a wired LAN answers within one. */
const GRACE_MS = 200
/** RFC 6886 §3.3. */
export const DEFAULT_LIFETIME_S = 7_200
const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']

/**
 * Maps ports at the default gateways, over the best protocol that one speaks. One for a process; leases share it. It hears
 * the network while somebody watches, and sends nothing unless asked.
 */
export class PortMapper implements AsyncDisposable {
  readonly runtime: Runtime
  readonly journal: Journal | undefined
  readonly #graceMs: number
  readonly #mappers: GatewayMappers
  readonly #announcements: Readonly<Record<AddressFamily, Announcements>>
  readonly #watchers = new Set<(event: MapperEvent) => void>()
  /** What leases of this process own. */
  readonly #owned = new Set<string>()
  #cleaning: Promise<void> | undefined
  /** Removals that nobody waits for. */
  readonly #background = new Set<Promise<void>>()
  #network: NetworkChangeWatcher | undefined
  #isClosed = false

  constructor(setup: PortMapperSetup) {
    const { runtime, factories = [pcpMapper, natPmpMapper], journal, graceMs = GRACE_MS } = setup
    this.runtime = runtime
    this.journal = journal
    this.#graceMs = graceMs
    this.#mappers = new GatewayMappers(runtime, factories, (gatewayIp) =>
      this.#tell({ kind: 'gateway-reset', gatewayIp }),
    )
    const hearers = () => this.#mappers.hearers()
    this.#announcements = {
      ipv4: new Announcements(runtime, hearers),
      ipv6: new Announcements(runtime, hearers),
    }
  }

  /**
   * Makes a mapping; what was granted is what is answered. Mappings that lose against a better one are removed again.
   * @throws {ReachError} ERR_REACH_NO_GATEWAY, ERR_REACH_MAPPING_REFUSED; rejects with the signal's reason
   */
  async map(request: PortRequest, options: MapOptions): Promise<MappingGrant> {
    const { exclude = [], onAsking, signal } = options
    signal?.throwIfAborted()
    await this.cleanUp(signal)
    const gateways = (await this.#mappers.current(request.family ?? 'ipv4')).map((one) => ({
      ...one,
      mappers: one.mappers.filter(({ protocol }) => !exclude.includes(protocol)),
    }))
    if (gateways.length === 0) throw noGateway()
    const asked = gateways.map((gateway) => ({ gateway, wanted: requestOf(request, gateway, options) }))
    await onAsking?.(asked.flatMap(({ gateway, wanted }) => claimsOf(gateway, wanted)))
    const attempts = asked.map(({ gateway, wanted }) => this.#mapAt(gateway, wanted, signal))
    try {
      return await this.#bestOf(attempts)
    } catch (error) {
      signal?.throwIfAborted()
      if (ReachError.is(error, 'ERR_REACH_TIMEOUT')) throw noGateway(error)
      throw error
    }
  }

  /** @throws {ReachError} ERR_REACH_NO_GATEWAY when the gateway is no longer ours; as {@link GatewayMapper.renew} */
  async renew(grant: MappingGrant, lifetimeS: number, signal?: AbortSignal): Promise<MappingGrant> {
    const mapper = await this.#mapperOf(grant)
    return mapper.renew(grant, lifetimeS, signal)
  }

  /** @throws {ReachError} ERR_REACH_NO_GATEWAY when the gateway is no longer ours; as {@link GatewayMapper.unmap} */
  async unmap(grant: MappingGrant, signal?: AbortSignal): Promise<void> {
    const mapper = await this.#mapperOf(grant)
    await mapper.unmap(grant, signal)
  }

  /** Makes another mapping at the gateway of a grant, over the same protocol. Rejects as {@link GatewayMapper.map}. */
  async mapBeside(
    grant: MappingGrant,
    request: Pick<MappingRequest, 'internal' | 'lifetimeS'>,
    signal?: AbortSignal,
  ): Promise<MappingGrant> {
    const mapper = await this.#mapperOf(grant)
    const nonce = newNonce(this.runtime)
    return mapper.map({ ...request, externalPort: undefined, acceptsOtherPort: true, nonce }, signal)
  }

  /** Calls back when mappings are in doubt, until the function that it answers is called. */
  watch(onEvent: (event: MapperEvent) => void): () => void {
    this.#watchers.add(onEvent)
    this.#attend()
    return () => {
      this.#watchers.delete(onEvent)
      if (this.#watchers.size === 0) this.#ignore()
    }
  }

  /**
   * Removes what processes that ended badly have left at the gateways of this network. Done once, before the first
   * mapping is made; what is not reached is left for the next start.
   * @throws {ReachError} ERR_REACH_FILE; rejects with the signal's reason
   */
  cleanUp(signal?: AbortSignal): Promise<void> {
    return (this.#cleaning ??= this.#cleanUp(signal).catch((error: unknown) => {
      this.#cleaning = undefined
      throw error
    }))
  }

  /**
   * Makes one owner of what a request maps: who maps one port twice removes it once too often.
   * @throws {ReachError} ERR_REACH_MAPPING_REFUSED when another lease has it, of this process or of one with the same home
   */
  async own(request: PortRequest): Promise<() => void> {
    const key = mappingKey(request)
    if (this.#owned.has(key) || (await this.journal?.isHeldElsewhere(key)) === true) {
      const { transport, port } = request
      throw new ReachError(
        'ERR_REACH_MAPPING_REFUSED',
        `${transport} port ${port} is being kept mapped already`,
        {
          hint: 'end the program that does first',
          details: { transport, port },
        },
      )
    }
    this.#owned.add(key)
    return () => this.#owned.delete(key)
  }

  /** Waits for removals under way, and stops hearing. Leases are closed before, by whoever opened them. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#ignore()
    await Promise.all(this.#background)
    this.#mappers.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #cleanUp(signal: AbortSignal | undefined): Promise<void> {
    await this.journal?.adopt(async (grant) => {
      try {
        await this.unmap(grant, signal)
        return true
      } catch (error) {
        signal?.throwIfAborted()
        if (!ReachError.is(error)) throw error
        return ReachError.is(error, 'ERR_REACH_MAPPING_REFUSED') // it is not ours any more; silence is no answer
      }
    })
  }

  async #mapperOf(grant: MappingGrant): Promise<GatewayMapper> {
    const mapper = await this.#mappers.of(grant)
    if (mapper === undefined) {
      throw new ReachError('ERR_REACH_NO_GATEWAY', `${grant.gatewayIp} is no gateway of this host any more`, {
        details: { gatewayIp: grant.gatewayIp, protocol: grant.protocol },
      })
    }
    return mapper
  }

  #mapAt(
    { mappers }: MappedGateway,
    request: MappingRequest,
    signal: AbortSignal | undefined,
  ): Promise<MappingGrant> {
    const { clock } = this.runtime
    const map = async (mapper: GatewayMapper) => {
      try {
        const grant = await mapper.map(request, signal)
        return await this.#asAsked(mapper, grant, request)
      } catch (error) {
        await this.#forgetUnheard(mapper, request, error, signal)
        throw error
      }
    }
    return mapOverBest({ clock, mappers, graceMs: this.#graceMs, map, signal })
  }

  /** Who was asked and not heard may have granted it all the same. */
  async #forgetUnheard(
    mapper: GatewayMapper,
    request: MappingRequest,
    error: unknown,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const claim = claimAt(mapper, request)
    if (claim === undefined) return
    if (signal?.aborted === true) this.#inBackground(mapper.unmap(claim))
    // Waited for: afterwards it might remove what the next protocol makes.
    else if (ReachError.is(error, 'ERR_REACH_TIMEOUT')) await mapper.unmap(claim).catch(() => undefined)
  }

  /** Servers ignore "this port or none" (PREFER_FAILURE), so the granted port is what counts. */
  async #asAsked(
    mapper: GatewayMapper,
    grant: MappingGrant,
    { externalPort, acceptsOtherPort }: MappingRequest,
  ): Promise<MappingGrant> {
    if (externalPort === undefined || acceptsOtherPort || grant.externalPort === externalPort) return grant
    await mapper.unmap(grant).catch(() => undefined) // then it ends by itself
    const { gatewayIp, protocol } = grant
    throw new ReachError(
      'ERR_REACH_MAPPING_REFUSED',
      `${gatewayIp} grants port ${grant.externalPort} over ${PROTOCOL_NAMES[protocol]}, and not ${externalPort}: somebody else has it`,
      {
        hint: 'ask for another port, or for any',
        details: { protocol, gatewayIp, resultCode: 0, externalPort, grantedPort: grant.externalPort },
      },
    )
  }

  /** The best of what the gateways grant; the others are removed as they come. */
  async #bestOf(attempts: readonly Promise<MappingGrant>[]): Promise<MappingGrant> {
    const failures: unknown[] = []
    const grants: MappingGrant[] = []
    let isDecided = false
    const settled = attempts.map((attempt) =>
      attempt.then(
        (grant) => {
          if (isDecided) this.#remove(grant)
          else grants.push(grant)
        },
        (error: unknown) => {
          failures.push(error)
        },
      ),
    )
    const stop = new AbortController()
    await Promise.race([Promise.all(settled), this.#firstAndGrace(attempts, stop.signal)])
    stop.abort()
    isDecided = true
    // Of one protocol, the first gateway to grant it.
    const best = grants.toSorted((a, b) => rank(a) - rank(b))[0]
    for (const grant of grants) if (grant !== best) this.#remove(grant)
    if (best === undefined) throw mostTelling(failures)
    return best
  }

  /** Over some time after the first grant; never when there is none. */
  #firstAndGrace(attempts: readonly Promise<MappingGrant>[], stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const begin = () => {
        delay(this.runtime.clock, this.#graceMs, stop).then(resolve, () => undefined)
      }
      for (const attempt of attempts) attempt.then(begin, () => undefined)
    })
  }

  #remove(grant: MappingGrant): void {
    this.#inBackground(this.unmap(grant))
  }

  #inBackground(removal: Promise<void>): void {
    // What can't be removed ends with its lifetime.
    const done = removal.catch(() => undefined).then(() => void this.#background.delete(done))
    this.#background.add(done)
  }

  /** Begins to hear the network. */
  #attend(): void {
    if (this.#network !== undefined || this.#isClosed) return
    const watcher = new NetworkChangeWatcher(this.runtime, {
      onChange: () => {
        void this.#listen()
        this.#tell({ kind: 'network-change' })
      },
    })
    this.#network = watcher
    void watcher.start()
    void this.#listen()
  }

  async #listen(): Promise<void> {
    for (const family of FAMILIES) {
      await this.#mappers.current(family)
      if (this.#network === undefined) return
      await this.#announcements[family].listen(family, this.#mappers.clientIps(family))
    }
  }

  #ignore(): void {
    this.#network?.close()
    this.#network = undefined
    for (const family of FAMILIES) this.#announcements[family].stop()
  }

  #tell(event: MapperEvent): void {
    for (const onEvent of [...this.#watchers]) onEvent(event)
  }
}

/** 12 random bytes (RFC 6887 §11.2), as hex digits. */
export function newNonce({ random }: Runtime): string {
  return Array.from(random.bytes(12), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function requestOf(request: PortRequest, { clientIp }: MappedGateway, { nonce }: MapOptions): MappingRequest {
  const { transport, port, externalPort, acceptsOtherPort = true, lifetimeS = DEFAULT_LIFETIME_S } = request
  return {
    internal: transportAddress(clientIp, port, transport),
    externalPort,
    acceptsOtherPort,
    lifetimeS,
    nonce,
  }
}

/** What a gateway may be about to grant, as far as it could be removed without having heard the answer. */
function claimsOf({ mappers }: MappedGateway, request: MappingRequest): readonly MappingGrant[] {
  return mappers.map((mapper) => claimAt(mapper, request)).filter((claim) => claim !== undefined)
}

/** PCP removes by nonce and inside port, NAT-PMP by inside port; UPnP needs the outside one, which only the answer says. */
function claimAt({ protocol, gatewayIp }: GatewayMapper, request: MappingRequest): MappingGrant | undefined {
  const { internal, externalPort = 0, lifetimeS, nonce } = request
  if (protocol === 'upnp') return undefined
  return { protocol, gatewayIp, internal, externalIp: undefined, externalPort, lifetimeS, keep: { nonce } }
}

function noGateway(cause?: unknown): ReachError {
  return new ReachError('ERR_REACH_NO_GATEWAY', 'no gateway of this network maps ports', {
    cause,
    hint: 'switch on UPnP or NAT-PMP in the router, or forward the port by hand',
  })
}

/** What a mapping is of, as text: for whoever compares owners. */
export function mappingKey({ transport, port, family = 'ipv4' }: PortRequest): string {
  return `${family}/${transport}/${port}`
}
