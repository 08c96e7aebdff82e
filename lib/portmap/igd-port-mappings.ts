import type { Runtime } from '../base/runtime.ts'
import { MAX_PORT } from '../base/transport-address.ts'
import type { IgdValues, PortMappingEntry } from '../protocol/port-mapping/igd-actions.ts'
import {
  GET_EXTERNAL_IP_ADDRESS,
  addPortMapping,
  deletePortMapping,
  externalIpAddress,
  getSpecificPortMappingEntry,
  portMappingEntry,
  reservedPort,
} from '../protocol/port-mapping/igd-actions.ts'
import { IgdAttempts } from '../protocol/port-mapping/igd-attempts.ts'
import type { MappingAttempt } from '../protocol/port-mapping/igd-attempts.ts'
import type { MappingGrant, MappingRequest } from '../protocol/port-mapping/mapping.ts'
import type { SoapAnswer } from '../protocol/port-mapping/soap.ts'
import { UPNP_ERROR } from '../protocol/port-mapping/upnp-error.ts'
import type { CallOptions, IgdClient } from './igd-client.ts'
import { keepOf } from './igd-mapper.ts'
import type { IgdMapper, RenewedGrant } from './igd-mapper.ts'

/** Ours: what the router's page shows beside the port. */
const DESCRIPTION = 'p2p-reach'
/** WANIPConnection:2 §2.3.16: a week; more is an error there. */
const MAX_LIFETIME_S = 604_800
/** Ours: whoever gave up waits for this, so it is short. */
const TAKE_BACK_TIMEOUT_MS = 1000
/** RFC 6335 §6: what lies below belongs to services that are known by their number. */
const FIRST_FREE_PORT = 1024

type Fault = Extract<SoapAnswer, { kind: 'fault' }>

/** What a mapping is about, whoever asks for it. */
type Endpoints = Pick<MappingRequest, 'internal'> & { readonly externalPort: number }

/** IPv4 ports: WANIPConnection or WANPPPConnection. */
export class IgdPortMappings implements IgdMapper {
  readonly client: IgdClient
  readonly #runtime: Runtime

  constructor(runtime: Runtime, client: IgdClient) {
    this.#runtime = runtime
    this.client = client
  }

  /**
   * Asks as often as routers' oddities demand (see {@link IgdAttempts}), then reads the mapping back: some list it for
   * another host, or with another lifetime.
   */
  async map(request: MappingRequest, signal: AbortSignal): Promise<MappingGrant> {
    const { internal } = request
    const options = { localIp: internal.ip, signal }
    const attempts = new IgdAttempts({
      version: this.client.service.version,
      internalPort: internal.port,
      wantedPort: request.externalPort,
      acceptsOtherPort: request.acceptsOtherPort,
      lifetimeS: Math.min(request.lifetimeS, MAX_LIFETIME_S),
      randomPort: () => this.#randomPort(),
    })
    for (;;) {
      const attempt = attempts.current
      const outcome = await this.#attempt(internal, attempt, options)
      if (outcome.kind !== 'fault') return outcome.grant
      if (attempts.afterFault(outcome.code) === undefined) throw this.client.refusal(outcome.code)
    }
  }

  async renew(grant: MappingGrant, lifetimeS: number, signal: AbortSignal): Promise<RenewedGrant> {
    const { internal, externalPort } = grant
    const options = { localIp: internal.ip, signal }
    const before = await this.#lookUp(grant, options)
    if (before !== 'unknown' && before !== 'gone' && !isFor(before, internal))
      throw this.client.refusal(CONFLICT.code)
    const lease = grant.keep.lease === 'permanent' ? 0 : Math.min(lifetimeS, MAX_LIFETIME_S)
    const answer = await this.#add(
      internal,
      { action: 'AddPortMapping', externalPort, lifetimeS: lease },
      options,
    )
    if (answer.kind === 'fault') throw this.client.refusal(answer.code)
    const entry = await this.#entry(grant, options)
    const renewed = await this.#grant(grant, lease, entry, options)
    return { grant: renewed, wasLost: before === 'gone' }
  }

  /** Removes a mapping, unless it is listed for another host by now: then it is gone already. */
  async unmap(grant: MappingGrant, signal: AbortSignal): Promise<void> {
    const { internal, externalPort } = grant
    const options = { signal, ...(this.#isOurs(internal.ip) ? { localIp: internal.ip } : {}) }
    const entry = await this.#lookUp(grant, options)
    if (entry === 'gone' || (entry !== 'unknown' && !isFor(entry, internal))) return
    const answer = await this.client.call(deletePortMapping(internal.transport, externalPort), options)
    if (answer.kind === 'fault' && answer.code !== UPNP_ERROR.noSuchEntryInArray)
      throw this.client.refusal(answer.code)
  }

  /** One way of asking. Whatever ends it half-way, the mapping is taken back: nobody would know of it. */
  async #attempt(
    internal: MappingRequest['internal'],
    attempt: MappingAttempt,
    options: CallOptions,
  ): Promise<Fault | { readonly kind: 'granted'; readonly grant: MappingGrant }> {
    let endpoints = { internal, externalPort: attempt.externalPort }
    if (attempt.action === 'AddPortMapping') {
      // To the same host, routers give a port again that it has already, and its other program loses it.
      const before = await this.#entry(endpoints, options)
      if (before !== undefined && !isFor(before, internal)) return CONFLICT
    }
    try {
      const answer = await this.#add(internal, attempt, options)
      if (answer.kind === 'fault') return answer
      endpoints = { internal, externalPort: grantedPort(attempt, answer.values) }
      const entry = await this.#entry(endpoints, options)
      // What is listed for another host is a conflict, whatever the router called it.
      if (entry !== undefined && !isFor(entry, internal)) return CONFLICT
      return { kind: 'granted', grant: await this.#grant(endpoints, attempt.lifetimeS, entry, options) }
    } catch (error) {
      await this.#takeBack(endpoints)
      throw error
    }
  }

  /** Removes what may have been granted unseen; listed for another host, it stays. Not under the caller's signal. */
  async #takeBack({ internal, externalPort }: Endpoints): Promise<void> {
    const options = { localIp: internal.ip, timeoutMs: TAKE_BACK_TIMEOUT_MS }
    const entry = await this.#entry({ internal, externalPort }, options)
    if (entry === undefined || !isFor(entry, internal)) return
    await this.client.ask(deletePortMapping(internal.transport, externalPort), options)
  }

  /** Adds; an older mapping of ours that is in the way is removed first, once. */
  async #add(
    internal: MappingRequest['internal'],
    attempt: MappingAttempt,
    options: CallOptions,
  ): Promise<SoapAnswer> {
    const call = addPortMapping(attempt.action, {
      transport: internal.transport,
      externalPort: attempt.externalPort,
      internalIp: internal.ip,
      internalPort: internal.port,
      lifetimeS: attempt.lifetimeS,
      description: DESCRIPTION,
    })
    const answer = await this.client.call(call, options)
    if (answer.kind === 'done' || answer.code !== UPNP_ERROR.conflictInMappingEntry) return answer
    const entry = await this.#entry({ internal, externalPort: attempt.externalPort }, options)
    if (entry === undefined || !isFor(entry, internal)) return answer
    await this.client.call(deletePortMapping(internal.transport, attempt.externalPort), options)
    return this.client.call(call, options)
  }

  async #grant(
    { internal, externalPort }: Endpoints,
    askedS: number,
    entry: PortMappingEntry | undefined,
    options: CallOptions,
  ): Promise<MappingGrant> {
    const values = await this.client.ask(GET_EXTERNAL_IP_ADDRESS, options)
    return {
      protocol: 'upnp',
      gatewayIp: this.client.gatewayIp,
      internal,
      externalIp: values === undefined ? undefined : externalIpAddress(values),
      externalPort,
      lifetimeS: grantedLifetimeS(askedS, entry?.lifetimeS),
      keep: { ...keepOf(this.client), lease: askedS === 0 ? 'permanent' : 'timed' },
    }
  }

  /** The mapping as listed; undefined when there is none or the router does not say. */
  async #entry(endpoints: Endpoints, options: CallOptions): Promise<PortMappingEntry | undefined> {
    const entry = await this.#lookUp(endpoints, options)
    return entry === 'gone' || entry === 'unknown' ? undefined : entry
  }

  async #lookUp(
    { internal, externalPort }: Endpoints,
    options: CallOptions,
  ): Promise<PortMappingEntry | 'gone' | 'unknown'> {
    const call = getSpecificPortMappingEntry(internal.transport, externalPort)
    let answer: SoapAnswer
    try {
      answer = await this.client.call(call, options)
    } catch {
      options.signal?.throwIfAborted()
      return 'unknown' // a router that can't list can still map
    }
    if (answer.kind === 'done') return portMappingEntry(answer.values)
    return answer.code === UPNP_ERROR.noSuchEntryInArray ? 'gone' : 'unknown'
  }

  /** After a crash, a mapping may have been made from an address that this host has lost since. */
  #isOurs(ip: string): boolean {
    return this.#runtime.network
      .interfaces()
      .some(({ addresses }) => addresses.some((address) => address.ip === ip))
  }

  #randomPort(): number {
    const [high = 0, low = 0] = this.#runtime.random.bytes(2)
    return FIRST_FREE_PORT + (((high << 8) | low) % (MAX_PORT + 1 - FIRST_FREE_PORT))
  }
}

/** The fault of a router that says nothing, but has given the port to another host. */
const CONFLICT: Fault = { kind: 'fault', code: UPNP_ERROR.conflictInMappingEntry, description: '' }

function grantedPort(attempt: MappingAttempt, values: IgdValues): number {
  return attempt.action === 'AddAnyPortMapping' ? reservedPort(values) : attempt.externalPort
}

/** False only when the router clearly names another host or port: some leave out either. */
function isFor(entry: PortMappingEntry, internal: MappingRequest['internal']): boolean {
  return (
    (entry.internalIp ?? internal.ip) === internal.ip &&
    (entry.internalPort ?? internal.port) === internal.port
  )
}

/**
 * What is listed, when it makes sense: routers list 0 for leases that they do not count, and then the one that was asked
 * for is renewed in vain at worst.
 */
function grantedLifetimeS(askedS: number, listedS: number | undefined): number {
  if (listedS === undefined || listedS === 0) return askedS
  return askedS === 0 ? listedS : Math.min(askedS, listedS)
}
