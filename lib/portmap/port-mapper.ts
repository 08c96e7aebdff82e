import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { MappingGrant, MappingProtocol, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import { bestGrant } from './best-grant.ts'
import type { GatewayMapper, MapperFactory } from './gateway-mapper.ts'
import { GatewayMappers } from './gateway-mappers.ts'
import type { PortRequest } from './lease-state.ts'
import { mapAtGateway } from './map-at-gateway.ts'
import type { Journal } from './mapping-journal.ts'
import { checkRequest, claimAt, mappingKey, newNonce, requestAt } from './mapping-request.ts'
import { natPmpMapper } from './nat-pmp-mapper.ts'
import { NetworkEars } from './network-ears.ts'
import { pcpMapper } from './pcp-mapper.ts'

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

/**
 * Maps ports at the default gateways, over the best protocol that one speaks. One for a process; leases share it. It hears
 * the network while somebody watches, and sends nothing unless asked.
 */
export class PortMapper implements AsyncDisposable {
  readonly runtime: Runtime
  readonly journal: Journal | undefined
  readonly #graceMs: number
  readonly #mappers: GatewayMappers
  readonly #ears: NetworkEars
  readonly #watchers = new Set<(event: MapperEvent) => void>()
  /** What leases of this process own. */
  readonly #owned = new Set<string>()
  #cleaning: Promise<void> | undefined
  /** Removals that nobody waits for. */
  readonly #background = new Set<Promise<void>>()
  #isClosed = false

  constructor(setup: PortMapperSetup) {
    const { runtime, factories = [pcpMapper, natPmpMapper], journal, graceMs = GRACE_MS } = setup
    this.runtime = runtime
    this.journal = journal
    this.#graceMs = graceMs
    const onReset = (gatewayIp: string) => this.#tell({ kind: 'gateway-reset', gatewayIp })
    this.#mappers = new GatewayMappers(runtime, factories, onReset)
    this.#ears = new NetworkEars(runtime, this.#mappers, () => this.#tell({ kind: 'network-change' }))
  }

  /**
   * Makes a mapping; what was granted is what is answered. Mappings that lose against a better one are removed again.
   * @throws {ReachError} ERR_REACH_NO_GATEWAY, ERR_REACH_MAPPING_REFUSED, ERR_REACH_ADDRESS for a port that is none;
   * rejects with the signal's reason
   */
  async map(request: PortRequest, options: MapOptions): Promise<MappingGrant> {
    const { nonce, exclude = [], onAsking, signal } = options
    signal?.throwIfAborted()
    checkRequest(request)
    await this.cleanUp(signal)
    const asked = (await this.#mappers.current(request.family ?? 'ipv4')).map((one) => ({
      mappers: one.mappers.filter(({ protocol }) => !exclude.includes(protocol)),
      wanted: requestAt(one.clientIp, request, nonce),
    }))
    if (asked.length === 0) throw noGateway()
    const claims = asked.flatMap(({ mappers, wanted }) => mappers.map((mapper) => claimAt(mapper, wanted)))
    await onAsking?.(claims.filter((claim) => claim !== undefined))
    const { clock } = this.runtime
    const graceMs = this.#graceMs
    const inBackground = (removal: Promise<void>) => this.#inBackground(removal)
    const attempts = asked.map(({ mappers, wanted }) =>
      mapAtGateway(wanted, { clock, mappers, graceMs, inBackground, signal }),
    )
    try {
      const onLoser = (grant: MappingGrant) => this.#inBackground(this.unmap(grant))
      return await bestGrant(attempts, { clock, graceMs, onLoser })
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

  /**
   * Removes a mapping; true when nothing of ours is left there. A gateway that refuses says that it is not ours any more;
   * silence is no answer.
   */
  async removes(grant: MappingGrant): Promise<boolean> {
    try {
      await this.unmap(grant)
      return true
    } catch (error) {
      if (!ReachError.is(error)) throw error
      return ReachError.is(error, 'ERR_REACH_MAPPING_REFUSED')
    }
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
    if (!this.#isClosed) this.#ears.open()
    return () => {
      this.#watchers.delete(onEvent)
      if (this.#watchers.size === 0) this.#ears.close()
    }
  }

  /**
   * Removes what processes that ended badly have left at the gateways of this network. Done once, before the first
   * mapping is made; what is not reached is left for the next start.
   * @throws {ReachError} ERR_REACH_FILE; rejects with the signal's reason
   */
  async cleanUp(signal?: AbortSignal): Promise<void> {
    await (this.#cleaning ??= this.#cleanUp())
    signal?.throwIfAborted()
  }

  /**
   * Makes one owner of what a request maps: who maps one port twice removes it once too often.
   * @throws {ReachError} ERR_REACH_MAPPING_REFUSED when another lease has it, of this process or of one with the same home
   */
  async own(request: PortRequest): Promise<() => void> {
    const key = mappingKey(request)
    if (this.#owned.has(key)) throw ownedAlready(request)
    this.#owned.add(key)
    try {
      if ((await this.journal?.isHeldElsewhere(key)) === true) throw ownedAlready(request)
    } catch (error) {
      this.#owned.delete(key)
      throw error
    }
    return () => this.#owned.delete(key)
  }

  /** Waits for removals under way, and stops hearing. Leases are closed before, by whoever opened them. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#ears.close()
    await Promise.all(this.#background)
    this.#mappers.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #cleanUp(): Promise<void> {
    try {
      await this.journal?.adopt((grant) => this.removes(grant))
    } catch (error) {
      this.#cleaning = undefined
      throw error
    }
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

  #inBackground(removal: Promise<void>): void {
    // What can't be removed ends with its lifetime.
    const done = removal.catch(() => undefined).then(() => void this.#background.delete(done))
    this.#background.add(done)
  }

  #tell(event: MapperEvent): void {
    for (const onEvent of [...this.#watchers]) onEvent(event)
  }
}

function noGateway(cause?: unknown): ReachError {
  return new ReachError('ERR_REACH_NO_GATEWAY', 'no gateway of this network maps ports', {
    cause,
    hint: 'switch on UPnP or NAT-PMP in the router, or forward the port by hand',
  })
}

function ownedAlready({ transport, port }: PortRequest): ReachError {
  return new ReachError(
    'ERR_REACH_MAPPING_REFUSED',
    `${transport} port ${port} is being kept mapped already`,
    {
      hint: 'end the program that does first',
      details: { transport, port },
    },
  )
}
