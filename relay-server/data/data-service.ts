import type { Socket } from 'node:net'
import { fromBase64, toBase64 } from '../../lib/base/base64.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { isPeerId } from '../../lib/base/peer-id.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Runtime } from '../../lib/base/runtime.ts'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'
import type { TrustStore } from '../../lib/identity/trust/trust-store.ts'
import type { Splice } from '../../lib/net/splice.ts'
import { splice } from '../../lib/net/splice.ts'
import type { OpenRequest } from '../../lib/protocol/relay/control-request.ts'
import type { PresentPeer } from '../../lib/protocol/relay/control-reply.ts'
import { MAX_PEERS } from '../../lib/protocol/relay/control-reply.ts'
import { LEG_STATUS, TICKET_LENGTH } from '../../lib/protocol/relay/data-leg.ts'
import type { RateLimitOptions } from '../../lib/protocol/stun/rate-limit.ts'
import { SourceRateLimit } from '../../lib/protocol/stun/rate-limit.ts'
import { readLegHead, refuseLeg } from './data-leg.ts'
import { Presence } from './presence.ts'
import type { MemberConnection, Registration } from './presence.ts'
import { Rendezvous, rendezvousLimits } from './rendezvous.ts'
import type { Meeting } from './rendezvous.ts'

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
  /** Requests for a path that were refused, in all. */
  readonly refusedTotal: number
}

/** What the data service is made of. */
export interface DataServiceSetup {
  readonly runtime: Runtime
  readonly trust: TrustStore
  /** True for the name of a member that the relay's ledger knows; undefined where it has none. */
  readonly knowsName: ((name: string) => boolean) | undefined
  /** Requests for paths, for each member. Default {@link OPEN_RATE}. */
  readonly openRate?: RateLimitOptions
}

/** Ours: sessions carry many streams, so a member dials seldom; a program that starts dials all its peers. */
export const OPEN_RATE = { ratePerS: 20, burst: 200, maxSources: 20_000 } as const
/** Ours: paths of one member at one time. */
const MAX_PATHS_PER_MEMBER = 1024

interface Carried {
  readonly splice: Splice
  readonly identities: readonly PeerIdentity[]
}

/** The relay's data plane: who takes sessions, and the paths that are carried between members. */
export class DataService {
  readonly #runtime: Runtime
  readonly #trust: TrustStore
  readonly #knowsName: DataServiceSetup['knowsName']
  readonly #presence = new Presence()
  readonly #rendezvous: Rendezvous
  readonly #rate: SourceRateLimit
  readonly #carried = new Set<Carried>()
  readonly #perMember = new Map<PeerId, number>()
  readonly #unwatch: () => void
  #pathsTotal = 0
  #bytesEnded = 0
  #refusedTotal = 0
  #isClosed = false

  constructor({ runtime, trust, knowsName, openRate = OPEN_RATE }: DataServiceSetup) {
    this.#runtime = runtime
    this.#trust = trust
    this.#knowsName = knowsName
    this.#rate = new SourceRateLimit(openRate)
    this.#rendezvous = new Rendezvous(runtime.clock, (meeting) => this.#meet(meeting))
    this.#unwatch = trust.watch(() => this.#trustChanged())
  }

  get counters(): DataCounters {
    const running = [...this.#carried].reduce(
      (sum, { splice: { bytesAToB, bytesBToA } }) => sum + bytesAToB + bytesBToA,
      0,
    )
    return {
      registered: this.#presence.size,
      paths: this.#carried.size,
      waitingLegs: this.#rendezvous.waiting,
      pathsTotal: this.#pathsTotal,
      bytesTotal: this.#bytesEnded + running,
      refusedTotal: this.#refusedTotal,
    }
  }

  /** Memory that read buffers take now, in bytes. */
  get bufferBytes(): number {
    return [...this.#carried].reduce((sum, carried) => sum + carried.splice.bufferBytes, 0)
  }

  isRegistered(peerId: PeerId): boolean {
    return this.#presence.find(peerId) !== undefined
  }

  /** A member takes sessions from now on. */
  register(connection: MemberConnection, identity: PeerIdentity): Registration {
    return this.#presence.register(connection, identity, this.#runtime.clock.wallMs())
  }

  /** A member's connection is gone. Paths that are carried need it no more. */
  dropped(connection: MemberConnection, peerId: PeerId): void {
    this.#presence.drop(connection, peerId)
  }

  /**
   * A member wants a path: tells the other one, who brings its leg. Answers who it is.
   * @throws {ReachError} ERR_REACH_PEER_UNKNOWN, ERR_REACH_PEER_OFFLINE, ERR_REACH_RATE_LIMITED, ERR_REACH_DECODE
   */
  open(identity: PeerIdentity, { peer, ticket: text }: OpenRequest): Registration {
    const ticket = fromBase64(text)
    try {
      const registration = this.#mayOpen(identity, peer, ticket)
      const dialled = registration.connection.identity
      if (dialled === undefined) throw offline(peer)
      const dialledTicket = this.#runtime.random.bytes(TICKET_LENGTH)
      this.#rendezvous.expect({ dialling: identity, dialled }, ticket, dialledTicket)
      const { peerId, name } = identity
      registration.connection.push({ type: 'incoming', ticket: toBase64(dialledTicket), peerId, name })
      return registration
    } catch (error) {
      this.#refusedTotal++
      this.#rendezvous.refuse(ticket, 'peer-gone')
      throw error
    }
  }

  /** Who takes sessions now. */
  peers(): readonly PresentPeer[] {
    const found: PresentPeer[] = []
    for (const { peerId, name, sinceMs } of this.#presence.all) {
      if (found.length >= MAX_PEERS) break
      found.push({ peerId, name, sinceMs })
    }
    return found
  }

  /** Serves a connection that begins as a data leg. @param source where it comes from, for limits */
  serve(socket: Socket, source: string): void {
    readLegHead(socket, this.#runtime.clock, rendezvousLimits.timeoutMs, (ticket) => {
      if (this.#isClosed) refuseLeg(socket, 'draining', this.#runtime.clock)
      else this.#rendezvous.arrived(ticket, socket, source)
    })
  }

  /** Refuses what waits, and cuts what is carried. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#unwatch()
    this.#rendezvous.close()
    await Promise.all([...this.#carried].map((carried) => carried.splice.close()))
  }

  #mayOpen(identity: PeerIdentity, peer: string, ticket: Uint8Array): Registration {
    const { clock } = this.#runtime
    if (this.#isClosed) throw new ReachError('ERR_REACH_PEER_OFFLINE', 'the relay is about to end')
    if (ticket.length !== TICKET_LENGTH || this.#rendezvous.isKnown(ticket)) {
      throw new ReachError('ERR_REACH_DECODE', 'a ticket is 32 random bytes, and good for once')
    }
    if (!this.#rate.take(identity.peerId, clock.nowMs())) {
      throw new ReachError('ERR_REACH_RATE_LIMITED', 'too many new paths in a short time', {
        hint: 'open streams on the session that is there',
      })
    }
    if ((this.#perMember.get(identity.peerId) ?? 0) >= MAX_PATHS_PER_MEMBER) {
      throw new ReachError(
        'ERR_REACH_RATE_LIMITED',
        `a member has at most ${MAX_PATHS_PER_MEMBER} paths here`,
      )
    }
    const registration = this.#presence.find(peer)
    if (registration !== undefined) return registration
    if (isPeerId(peer) || this.#knowsName === undefined || this.#knowsName(peer)) throw offline(peer)
    throw new ReachError('ERR_REACH_PEER_UNKNOWN', `the network has no member ${JSON.stringify(peer)}`, {
      hint: 'p2p-reach peers  lists who can be reached now',
    })
  }

  #meet({ dialling, dialled, diallingLeg, dialledLeg }: Meeting): void {
    const go = Uint8Array.of(LEG_STATUS.go)
    diallingLeg.write(go)
    dialledLeg.write(go)
    const carried = { splice: splice(diallingLeg, dialledLeg), identities: [dialling, dialled] }
    this.#carried.add(carried)
    this.#pathsTotal++
    this.#count(dialling.peerId, 1)
    this.#count(dialled.peerId, 1)
    void carried.splice.closed.then(() => {
      this.#carried.delete(carried)
      this.#bytesEnded += carried.splice.bytesAToB + carried.splice.bytesBToA
      this.#count(dialling.peerId, -1)
      this.#count(dialled.peerId, -1)
    })
  }

  #count(peerId: PeerId, change: 1 | -1): void {
    const count = (this.#perMember.get(peerId) ?? 0) + change
    if (count === 0) this.#perMember.delete(peerId)
    else this.#perMember.set(peerId, count)
  }

  /** Paths of who is denied are cut at once. */
  #trustChanged(): void {
    const isDenied = (identity: PeerIdentity) => !this.#trust.stillTrusts(identity)
    this.#rendezvous.giveUpWhere(isDenied)
    for (const { splice: path, identities } of this.#carried) if (identities.some(isDenied)) void path.close()
    for (const { peerId, connection } of [...this.#presence.all]) {
      if (connection.identity === undefined || isDenied(connection.identity))
        this.#presence.drop(connection, peerId)
    }
  }
}

function offline(peer: string): ReachError {
  return new ReachError('ERR_REACH_PEER_OFFLINE', `${peer} is not connected to this relay`, {
    hint: `start  p2p-reach expose  there, or wait until it is back`,
    details: { peer },
  })
}
