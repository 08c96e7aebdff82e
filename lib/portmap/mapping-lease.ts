import { ReachError } from '../base/errors.ts'
import type { Timer } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import type { MappingGrant } from '../protocol/port-mapping/mapping.ts'
import type { MappingProof } from '../protocol/port-mapping/mapping-proof.ts'
import type { LeaseState, PortRequest, Prove, RestoreReason } from './lease-state.ts'
import { renewalDelayMs, retryPauseMs } from './lease-timing.ts'
import { MappingMaker, externalOf } from './mapping-maker.ts'
import type { MapperEvent, PortMapper } from './port-mapper.ts'
import { StateFeed } from './state-feed.ts'

/** How a lease is opened. */
export interface OpenLeaseOptions {
  readonly mapper: PortMapper
  readonly request: PortRequest
  /** Default: nobody is asked, and the gateway is not believed: the lease has no proof. */
  readonly prove?: Prove
  /** Told each change of the state. */
  readonly onChange?: (state: LeaseState) => void
  /** Ends the opening; once open, the lease is ended by `close` alone. */
  readonly signal?: AbortSignal
}

/** What woke a lease: time, or something that puts its mapping in doubt. */
type Cause = 'renewal' | 'gateway-reset' | 'network-change'

/**
 * One port of this host that is kept mapped: renewed at half its life, proven anew each time, made anew when the gateway
 * has lost it, when the network changes, and when nothing comes in any more. Removed when the lease is closed.
 */
export class MappingLease implements AsyncDisposable {
  readonly #mapper: PortMapper
  readonly #maker: MappingMaker
  readonly #request: PortRequest
  readonly #feed: StateFeed<LeaseState>
  readonly #ending = new AbortController()
  readonly #disown: () => void
  #unwatch: () => void = () => undefined
  #life: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined
  /** What happened and was not looked at yet; a network change weighs more than a reset. */
  #pending: Exclude<Cause, 'renewal'> | undefined
  #wake: (() => void) | undefined

  private constructor(options: OpenLeaseOptions, maker: MappingMaker, first: LeaseState, disown: () => void) {
    this.#mapper = options.mapper
    this.#request = options.request
    this.#maker = maker
    this.#disown = disown
    this.#feed = new StateFeed(first, options.onChange)
  }

  /**
   * Maps the port and lets it be proven; resolves with a lease that is active.
   * @throws {ReachError} ERR_REACH_NO_GATEWAY, ERR_REACH_MAPPING_REFUSED, ERR_REACH_MAPPING_UNREACHABLE when the proof
   * failed twice: then the mapping is gone again; ERR_REACH_FILE; rejects with the signal's reason when that fires
   */
  static async open(options: OpenLeaseOptions): Promise<MappingLease> {
    const { mapper, request, prove, signal } = options
    signal?.throwIfAborted()
    const disown = await mapper.own(request)
    const maker = new MappingMaker({ mapper, request, prove })
    try {
      const { grant, proof } = await maker.make(undefined, signal)
      const lease = new MappingLease(options, maker, activeState(grant, proof), disown)
      lease.#begin(grant)
      return lease
    } catch (error) {
      await maker.removeAll()
      disown()
      throw error
    }
  }

  /** What the lease is at the moment. */
  get state(): LeaseState {
    return this.#feed.state
  }

  /** Where others reach the port; undefined while nobody does, and when the gateway does not say. */
  get external(): TransportAddress | undefined {
    return this.state.kind === 'active' ? this.state.external : undefined
  }

  /** The newest proof; undefined while the mapping is in doubt, and when nobody was asked for one. */
  get proof(): MappingProof | undefined {
    return this.state.kind === 'active' ? this.state.proof : undefined
  }

  /** The state as it is, then each change, until the lease is closed or the signal fires. */
  changes(signal?: AbortSignal): AsyncIterableIterator<LeaseState> {
    return this.#feed.follow(signal)
  }

  /** Removes the mapping; resolves when the gateway has confirmed it, or is silent. Never rejects. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#ending.abort(new ReachError('ERR_REACH_ABORTED', 'the lease was closed'))
    this.#unwatch()
    this.#wake?.()
    await this.#life
    await this.#maker.removeAll()
    this.#disown()
    this.#feed.end({ kind: 'closed' })
  }

  #begin(grant: MappingGrant): void {
    this.#unwatch = this.#mapper.watch((event) => this.#notice(event))
    this.#life = this.#live(grant)
  }

  #notice(event: MapperEvent): void {
    const current = this.#maker.current
    if (event.kind === 'gateway-reset') {
      // Another gateway's mappings are not ours; while we have none, any gateway that comes back will do.
      if (current !== undefined && current.gatewayIp !== event.gatewayIp) return
      this.#pending ??= 'gateway-reset'
    } else {
      this.#pending = 'network-change'
    }
    this.#wake?.()
  }

  async #live(first: MappingGrant): Promise<void> {
    let grant = first
    try {
      for (;;) {
        const cause = await this.#nextCause(renewalDelayMs(grant.lifetimeS))
        if (this.#isEnding) return
        grant = await this.#refresh(grant, cause)
      }
    } catch (error) {
      if (!this.#isEnding) this.#feed.set({ kind: 'lost', error: asReachError(error) })
    }
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted
  }

  /** The mapping as it is afterwards. */
  async #refresh(grant: MappingGrant, cause: Cause): Promise<MappingGrant> {
    if (cause === 'gateway-reset') return this.#restore(grant, 'gateway-reset')
    const { signal } = this.#ending
    let renewed: MappingGrant
    try {
      renewed = await this.#maker.renew(grant, signal)
      this.#settleReset()
    } catch (error) {
      signal.throwIfAborted()
      if (!ReachError.is(error)) throw error
      return this.#restore(grant, cause === 'renewal' ? 'renewal-failed' : cause)
    }
    const { externalPort, acceptsOtherPort = true } = this.#request
    if (externalPort !== undefined && !acceptsOtherPort && renewed.externalPort !== externalPort)
      return this.#restore(renewed, 'other-port')
    const proof = await this.#maker.prove(renewed, signal)
    if (proof?.proof === 'failed') return this.#restore(renewed, 'proof-failed')
    this.#feed.set(activeState(renewed, proof))
    return renewed
  }

  /** Makes the mapping anew, however long that takes. */
  async #restore(old: MappingGrant, reason: RestoreReason): Promise<MappingGrant> {
    const { signal } = this.#ending
    this.#feed.set({ kind: 'restoring', reason })
    // A gateway that has lost everything needs no removal; everywhere else the old one must not stay.
    if (reason === 'gateway-reset') this.#maker.forget()
    else await this.#maker.remove(old)
    for (let attempt = 0; ; attempt++) {
      try {
        const { grant, proof } = await this.#maker.make(old, signal)
        this.#feed.set(activeState(grant, proof))
        return grant
      } catch (error) {
        signal.throwIfAborted()
        if (!ReachError.is(error)) throw error
        this.#feed.set({ kind: 'lost', error })
        const cause = await this.#nextCause(retryPauseMs(attempt, error))
        signal.throwIfAborted()
        if (cause !== 'renewal') attempt = -1
        this.#feed.set({ kind: 'restoring', reason: 'lost' })
      } finally {
        this.#settleReset()
      }
    }
  }

  /** What has just been asked for is newer than a reset that its own answers told of. */
  #settleReset(): void {
    if (this.#pending === 'gateway-reset') this.#pending = undefined
  }

  /** Waits for the time to be over, or for something to happen; what has happened meanwhile counts. */
  async #nextCause(delayMs: number): Promise<Cause> {
    if (this.#pending === undefined && !this.#isEnding) {
      let timer: Timer | undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        timer = this.#mapper.runtime.clock.setTimer(delayMs, resolve)
      })
      timer?.cancel()
      this.#wake = undefined
    }
    const cause = this.#pending ?? 'renewal'
    this.#pending = undefined
    return cause
  }
}

function activeState(grant: MappingGrant, proof: MappingProof | undefined): LeaseState {
  return { kind: 'active', grant, proof, external: externalOf(grant, proof) }
}

function asReachError(error: unknown): ReachError {
  if (ReachError.is(error)) return error
  return new ReachError('ERR_REACH_SOCKET', 'the mapping could not be looked after', { cause: error })
}
