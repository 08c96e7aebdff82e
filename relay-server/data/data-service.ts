import type { Duplex } from 'node:stream'
import { fromBase64, toBase64 } from '../../lib/base/base64.ts'
import type { ErrorCode } from '../../lib/base/errors.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { isPeerId } from '../../lib/base/peer-id.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Runtime, Timer } from '../../lib/base/runtime.ts'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'
import type { TrustStore } from '../../lib/identity/trust/trust-store.ts'
import type { OpenRequest } from '../../lib/protocol/relay/control-request.ts'
import type { PresentPeer } from '../../lib/protocol/relay/control-reply.ts'
import { MAX_PEERS } from '../../lib/protocol/relay/control-reply.ts'
import type { PeerNetwork } from '../../lib/protocol/ice/pair-prediction.ts'
import { TICKET_LENGTH, isTrialTicket } from '../../lib/protocol/relay/data-leg.ts'
import type { RateLimitOptions } from '../../lib/protocol/stun/rate-limit.ts'
import { SourceRateLimit } from '../../lib/protocol/stun/rate-limit.ts'
import { CarriedPaths } from './carried-paths.ts'
import { DataLeg } from './data-leg.ts'
import { readLegHead } from './leg-head.ts'
import { Presence } from './presence.ts'
import type { MemberConnection, Party, Registration } from './presence.ts'
import { Rendezvous } from './rendezvous.ts'
import type { RendezvousLimits } from './rendezvous.ts'

/** Numbers for the operator. */
export interface DataCounters {
  /** Members that take sessions. */
  readonly registered: number
  /** Paths that are carried now. */
  readonly paths: number
  /** Data legs that wait for the other one. */
  readonly waitingLegs: number
  /** Paths that were carried, in all. */
  readonly pathsTotal: number
  /** Bytes that were carried, in all. */
  readonly bytesTotal: number
  /** Memory that read buffers of paths take now, in bytes. */
  readonly bufferBytes: number
  /** Requests of members for a path, a list or their registration that were refused, by their code. */
  readonly refusedRequests: ReadonlyMap<ErrorCode, number>
}

/** What the data service is made of. */
export interface DataServiceSetup {
  readonly runtime: Runtime
  readonly trust: TrustStore
  /** True for the name of a member that the relay's ledger knows; undefined where it has none. */
  readonly knowsName: ((name: string) => boolean) | undefined
  readonly limits?: DataLimits
}

/** Limits of the data service; what is left out has the default that is named. */
export interface DataLimits extends Partial<RendezvousLimits> {
  /** Requests for paths, for each member. Default {@link OPEN_RATE}. */
  readonly openRate?: RateLimitOptions
}

/** Ours: sessions carry many streams, so a member dials seldom; a program that starts dials all its peers. */
export const OPEN_RATE = { ratePerS: 20, burst: 200, maxSources: 20_000 } as const
/** Ours: a member registers once for each connection; a list of 10,000 peers is a megabyte. */
export const ASK_RATE = { ratePerS: 2, burst: 30, maxSources: 20_000 } as const
/** Ours: paths that one member has dialled, at one time. */
export const MAX_PATHS_PER_MEMBER = 1024

/** The relay's data plane: who takes sessions, and the paths that are carried between members. */
export class DataService {
  readonly #runtime: Runtime
  readonly #trust: TrustStore
  readonly #knowsName: DataServiceSetup['knowsName']
  readonly #presence = new Presence()
  readonly #paths: CarriedPaths
  readonly #rendezvous: Rendezvous<DataLeg>
  readonly #openRate: SourceRateLimit
  readonly #askRate = new SourceRateLimit(ASK_RATE)
  readonly #refused = new Map<ErrorCode, number>()
  readonly #unwatch: () => void
  #isDraining = false
  #endDrain: (() => void) | undefined

  constructor({ runtime, trust, knowsName, limits = {} }: DataServiceSetup) {
    this.#runtime = runtime
    this.#trust = trust
    this.#knowsName = knowsName
    this.#openRate = new SourceRateLimit(limits.openRate ?? OPEN_RATE)
    this.#paths = new CarriedPaths(runtime.clock)
    this.#rendezvous = new Rendezvous(runtime.clock, (meeting) => this.#paths.join(meeting), limits)
    this.#unwatch = trust.watch(() => this.#trustChanged())
  }

  get counters(): DataCounters {
    return {
      registered: this.#presence.size,
      paths: this.#paths.size,
      waitingLegs: this.#rendezvous.waiting,
      pathsTotal: this.#paths.total,
      bytesTotal: this.#paths.bytes,
      bufferBytes: this.#paths.bufferBytes,
      refusedRequests: this.#refused,
    }
  }

  isRegistered(peerId: PeerId): boolean {
    return this.#presence.find(peerId) !== undefined
  }

  /**
   * A member takes sessions from now on.
   * @param nat what it says of its own network
   * @throws {ReachError} ERR_REACH_RATE_LIMITED
   */
  register(party: Party, nat?: PeerNetwork): Registration {
    return this.#counted(() => {
      this.#mayAsk(party.identity)
      return this.#presence.register(party, this.#runtime.clock.wallMs(), nat)
    })
  }

  /** Who takes sessions now. @throws {ReachError} ERR_REACH_RATE_LIMITED */
  peers(identity: PeerIdentity): readonly PresentPeer[] {
    return this.#counted(() => {
      this.#mayAsk(identity)
      const found: PresentPeer[] = []
      for (const { peerId, name, sinceMs, nat } of this.#presence.all) {
        if (found.length >= MAX_PEERS) break
        found.push({ peerId, name, sinceMs, nat })
      }
      return found
    })
  }

  /**
   * A member wants a path: tells the other one, who brings its leg. Answers who that is.
   * @throws {ReachError} ERR_REACH_PEER_UNKNOWN, ERR_REACH_PEER_OFFLINE, ERR_REACH_RATE_LIMITED, ERR_REACH_DECODE,
   * ERR_REACH_RELAY_UNREACHABLE when it drains
   */
  open(dialling: Party, { peer, ticket: text }: OpenRequest): Registration {
    return this.#counted(() => {
      this.#mayOpen(dialling.identity)
      const ticket = fromBase64(text)
      if (ticket.length !== TICKET_LENGTH || this.#rendezvous.isTaken(ticket)) {
        throw new ReachError('ERR_REACH_DECODE', 'a ticket is 32 random bytes, and good for once')
      }
      const dialled = this.#isDraining ? 'draining' : this.#find(peer)
      if (dialled instanceof ReachError || dialled === 'draining') {
        this.#rendezvous.refuse(ticket, dialled === 'draining' ? 'draining' : 'peer-gone')
        throw dialled === 'draining' ? aboutToEnd() : dialled
      }
      this.#expect(dialling, dialled, ticket)
      return dialled
    })
  }

  /** A connection of a member is gone. Paths that are carried don't need it; legs that are to come do. */
  dropped(connection: MemberConnection, peerId: PeerId): void {
    this.#presence.drop(connection, peerId)
    this.#rendezvous.giveUpWhere(
      ({ dialling, dialled }, isThere) =>
        (dialling.connection === connection && !isThere('dialling')) ||
        (dialled.connection === connection && !isThere('dialled')),
    )
  }

  /**
   * Serves a connection that begins as a data leg. Whoever accepted it bounds what it costs until `onProven`.
   * @param source where it comes from, for limits
   */
  serve(socket: Duplex, source: string, onProven: () => void): void {
    readLegHead(socket, (ticket) => {
      const leg = new DataLeg(socket, source, this.#runtime.clock, onProven)
      if (isTrialTicket(ticket)) leg.refuse('ticket-unknown')
      else if (this.#isDraining) leg.refuse('draining')
      else this.#rendezvous.arrived(ticket, leg)
      leg.watch()
    })
  }

  /** Makes no new paths. Resolves when none is left, or after that time, or when closed. */
  drain(graceMs: number): Promise<void> {
    this.#isDraining = true
    this.#rendezvous.drain()
    return new Promise((resolve) => {
      let timer: Timer | undefined = undefined
      const end = () => {
        timer?.cancel()
        resolve()
      }
      timer = this.#runtime.clock.setTimer(graceMs, end)
      this.#endDrain = end
      this.#paths.whenIdle(end)
    })
  }

  /** Refuses what waits, and cuts what is carried. */
  async close(): Promise<void> {
    this.#isDraining = true
    this.#unwatch()
    this.#rendezvous.close()
    await this.#paths.close()
    this.#endDrain?.()
  }

  #expect(dialling: Party, dialled: Registration, ticket: Uint8Array): void {
    const dialledTicket = this.#runtime.random.bytes(TICKET_LENGTH)
    this.#rendezvous.expect({ dialling, dialled }, ticket, dialledTicket)
    const { peerId, name } = dialling.identity
    dialled.connection.push({ type: 'incoming', ticket: toBase64(dialledTicket), peerId, name })
  }

  #mayAsk({ peerId }: PeerIdentity): void {
    if (this.#askRate.take(peerId, this.#runtime.clock.nowMs())) return
    throw new ReachError('ERR_REACH_RATE_LIMITED', 'too many requests in a short time')
  }

  #mayOpen({ peerId }: PeerIdentity): void {
    if (!this.#openRate.take(peerId, this.#runtime.clock.nowMs()) || this.#rendezvous.isFull) {
      throw new ReachError('ERR_REACH_RATE_LIMITED', 'too many new paths in a short time', {
        hint: 'open streams on the session that is there',
      })
    }
    if (this.#paths.countOf(peerId) < MAX_PATHS_PER_MEMBER) return
    throw new ReachError(
      'ERR_REACH_RATE_LIMITED',
      `a member dials at most ${MAX_PATHS_PER_MEMBER} paths here`,
    )
  }

  #find(peer: string): Registration | ReachError {
    const wanted = peer.trim().toLowerCase() // as parsePeerName and parsePeerId read it
    const registration = this.#presence.find(wanted)
    if (registration !== undefined) return registration
    if (isPeerId(wanted) || this.#knowsName === undefined || this.#knowsName(wanted)) return offline(wanted)
    return new ReachError('ERR_REACH_PEER_UNKNOWN', `the network has no member ${JSON.stringify(peer)}`, {
      hint: 'p2p-reach peers  lists who can be reached now',
    })
  }

  #counted<T>(what: () => T): T {
    try {
      return what()
    } catch (error) {
      if (ReachError.is(error)) this.#refused.set(error.code, (this.#refused.get(error.code) ?? 0) + 1)
      throw error
    }
  }

  /** Who is denied takes no sessions, gets no paths, and loses those that it has. */
  #trustChanged(): void {
    const isDenied = (identity: PeerIdentity) => !this.#trust.stillTrusts(identity)
    this.#presence.dropWhere(({ identity }) => isDenied(identity))
    this.#rendezvous.giveUpWhere(
      ({ dialling, dialled }) => isDenied(dialling.identity) || isDenied(dialled.identity),
    )
    this.#paths.cutWhere(isDenied)
  }
}

function offline(peer: string): ReachError {
  return new ReachError('ERR_REACH_PEER_OFFLINE', `${peer} is not connected to this relay`, {
    hint: 'start  p2p-reach expose  there, or wait until it is back',
  })
}

function aboutToEnd(): ReachError {
  return new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'the relay is about to end', {
    hint: 'ask another relay, or try again in a moment',
  })
}
