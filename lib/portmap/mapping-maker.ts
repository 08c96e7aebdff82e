import { ReachError } from '../base/errors.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { sameAddress, transportAddress } from '../base/transport-address.ts'
import { unreachableMapping } from '../protocol/port-mapping/failure-cause.ts'
import type { MappingGrant, MappingProtocol } from '../protocol/port-mapping/mapping.ts'
import type { MappingProof } from '../protocol/port-mapping/mapping-proof.ts'
import type { PortRequest, Prove, ProveContext, SecondGrant } from './lease-state.ts'
import { DEFAULT_LIFETIME_S, mappingKey, newNonce } from './mapping-request.ts'
import type { PortMapper } from './port-mapper.ts'

/** What one mapping is made of. */
export interface MappingMakerSetup {
  readonly mapper: PortMapper
  readonly request: PortRequest
  readonly prove: Prove | undefined
}

/** A mapping with what is known about it. */
export interface MadeMapping {
  readonly grant: MappingGrant
  readonly proof: MappingProof | undefined
}

/** Ours: a second mapping serves one proof, and ends by itself when we crash in between. */
const SECOND_LIFETIME_S = 120
/** Ours: gateways that we are no longer behind; what is left there ends by itself. */
const MAX_LEFT_BEHIND = 8

/**
 * Makes, proves and removes the mappings of one lease, one at a time, and keeps the journal of them: whatever may be at a
 * gateway is noted before it is asked for, until it is known to be gone.
 */
export class MappingMaker {
  readonly #mapper: PortMapper
  readonly #request: PortRequest
  readonly #prove: Prove | undefined
  readonly #key: string
  /** One for the life of the lease (RFC 6887 §11.2.1): who knows it owns the mapping. */
  readonly #nonce: string
  #current: MappingGrant | undefined
  /** At gateways that did not answer when it was to be removed. */
  #leftBehind: readonly MappingGrant[] = []

  constructor({ mapper, request, prove }: MappingMakerSetup) {
    this.#mapper = mapper
    this.#request = request
    this.#prove = prove
    this.#key = mappingKey(request)
    this.#nonce = newNonce(mapper.runtime)
  }

  /** What is mapped now. */
  get current(): MappingGrant | undefined {
    return this.#current
  }

  /**
   * Makes a mapping, with the port of an old one where any will do, and has it proven. One that nothing comes in at is
   * removed and made once more, for some routers forward again then (tailscale#21208); after that, other protocols are
   * tried.
   * @throws {ReachError} ERR_REACH_MAPPING_UNREACHABLE, and as {@link PortMapper.map}
   */
  async make(old: MappingGrant | undefined, signal: AbortSignal | undefined): Promise<MadeMapping> {
    const exclude: MappingProtocol[] = []
    let unreachable: ReachError | undefined
    for (let attempt = 1; ; attempt++) {
      const grant = await this.#map(old, exclude, unreachable, signal)
      const proof = await this.prove(grant, signal)
      if (proof?.proof !== 'failed') return { grant, proof }
      await this.remove(grant)
      // The first answer is the one of the best protocol.
      unreachable ??= unreachableMapping(proof, grant)
      if (attempt > 1) exclude.push(grant.protocol)
    }
  }

  /** Asks for the same again. @throws {ReachError} as {@link PortMapper.renew} */
  async renew(grant: MappingGrant, signal: AbortSignal): Promise<MappingGrant> {
    const renewed = await this.#mapper.renew(grant, this.#lifetimeS, signal)
    await this.#note(renewed)
    return renewed
  }

  /** Undefined when nobody can be asked. Rejects with the signal's reason alone. */
  async prove(grant: MappingGrant, signal: AbortSignal | undefined): Promise<MappingProof | undefined> {
    if (this.#prove === undefined) return undefined
    const context: ProveContext = { mapSecond: (internal, stop) => this.#mapSecond(grant, internal, stop) }
    try {
      return await this.#prove(grant, context, signal ?? new AbortController().signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!ReachError.is(error)) throw error
      return { proof: 'unproven', why: 'relay-failed' }
    }
  }

  /** Removes a mapping. What can't be reached stays noted, for the end or the next start. */
  async remove(grant: MappingGrant): Promise<void> {
    this.#current = undefined
    if (!(await this.#mapper.removes(grant)))
      this.#leftBehind = [...this.#leftBehind, grant].slice(-MAX_LEFT_BEHIND)
    await this.#recordIfPossible([])
  }

  /** The gateway has lost the mapping by itself. */
  forget(): void {
    this.#current = undefined
  }

  /** Removes all that is, or may be, at gateways. Never rejects. */
  async removeAll(): Promise<void> {
    const all = [...(this.#current === undefined ? [] : [this.#current]), ...this.#leftBehind]
    this.#current = undefined
    const outcomes = await Promise.all(
      all.map(async (grant) => ({ grant, isGone: await this.#mapper.removes(grant) })),
    )
    this.#leftBehind = outcomes.filter(({ isGone }) => !isGone).map(({ grant }) => grant)
    await this.#recordIfPossible([])
  }

  async #map(
    old: MappingGrant | undefined,
    exclude: readonly MappingProtocol[],
    unreachable: ReachError | undefined,
    signal: AbortSignal | undefined,
  ): Promise<MappingGrant> {
    const externalPort = this.#request.externalPort ?? old?.externalPort
    const request = externalPort === undefined ? this.#request : { ...this.#request, externalPort }
    try {
      const grant = await this.#mapper.map(request, {
        nonce: this.#nonce,
        exclude,
        onAsking: (claims) => this.#record(claims),
        signal,
      })
      await this.#note(grant)
      return grant
    } catch (error) {
      await this.#recordIfPossible([])
      signal?.throwIfAborted()
      if (ReachError.is(error) && unreachable !== undefined) throw unreachable
      throw error
    }
  }

  async #mapSecond(
    grant: MappingGrant,
    internal: TransportAddress,
    signal: AbortSignal | undefined,
  ): Promise<SecondGrant> {
    const second = await this.#mapper.mapBeside(grant, { internal, lifetimeS: SECOND_LIFETIME_S }, signal)
    return { ...second, remove: () => this.#mapper.unmap(second) }
  }

  async #note(grant: MappingGrant): Promise<void> {
    this.#current = grant
    // It may be the one that was left behind there, when the network was away for a moment.
    this.#leftBehind = this.#leftBehind.filter((left) => !isSameMapping(left, grant))
    await this.#recordIfPossible([grant])
  }

  /** What was noted before a mapping was asked for is still there: a full disk may not end a lease. */
  async #recordIfPossible(grants: readonly MappingGrant[]): Promise<void> {
    try {
      await this.#record(grants)
    } catch (error) {
      if (!ReachError.is(error)) throw error
    }
  }

  async #record(grants: readonly MappingGrant[]): Promise<void> {
    await this.#mapper.journal?.record(this.#key, [...grants, ...this.#leftBehind])
  }

  get #lifetimeS(): number {
    return this.#request.lifetimeS ?? DEFAULT_LIFETIME_S
  }
}

function isSameMapping(a: MappingGrant, b: MappingGrant): boolean {
  return a.gatewayIp === b.gatewayIp && a.protocol === b.protocol && sameAddress(a.internal, b.internal)
}

/** Where others reach a mapping: where it was proven, else where the gateway says. */
export function externalOf(
  grant: MappingGrant,
  proof: MappingProof | undefined,
): TransportAddress | undefined {
  if (proof?.proof === 'proven') return proof.external
  const { externalIp, externalPort, internal } = grant
  return externalIp === undefined ? undefined : transportAddress(externalIp, externalPort, internal.transport)
}
