import type { PeerId } from '../../lib/base/peer-id.ts'
import { isPeerId } from '../../lib/base/peer-id.ts'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'
import type { PeerNetwork } from '../../lib/protocol/ice/pair-prediction.ts'

/** A control connection, as far as the data plane looks at it. */
export interface MemberConnection {
  /** Tells the member something. */
  push(
    message: Readonly<Record<string, unknown>> & { readonly type: 'incoming' | 'superseded' | 'restarting' },
  ): void
}

/** A member, on one of its connections. */
export interface Party {
  readonly connection: MemberConnection
  /** As it was proven when it asked. */
  readonly identity: PeerIdentity
}

/** Somebody who takes sessions. */
export interface Registration extends Party {
  readonly peerId: PeerId
  readonly name: string | undefined
  /** Counts up: the youngest registration of a key is the one that counts. */
  readonly generation: number
  /** Calendar milliseconds. */
  readonly sinceMs: number
  /** What it says of its own network. */
  readonly nat: PeerNetwork | undefined
}

/** Who takes sessions now. The newest registration of a key wins; an older one that goes takes nothing with it. */
export class Presence {
  readonly #byPeer = new Map<PeerId, Registration>()
  readonly #byName = new Map<string, PeerId>()
  #generation = 0

  get size(): number {
    return this.#byPeer.size
  }

  get all(): Iterable<Registration> {
    return this.#byPeer.values()
  }

  /**
   * Registers a connection; what it replaces is told. A connection that registers again keeps its generation, and says
   * anew what its network is like.
   */
  register({ connection, identity }: Party, nowMs: number, nat?: PeerNetwork): Registration {
    const { peerId, name } = identity
    const before = this.#byPeer.get(peerId)
    if (before?.connection === connection) return this.#renew(before, nat)
    if (before !== undefined) this.#drop(before)
    const generation = ++this.#generation
    const registration = { peerId, name, connection, identity, generation, sinceMs: nowMs, nat }
    this.#byPeer.set(peerId, registration)
    if (name !== undefined) this.#byName.set(name, peerId)
    before?.connection.push({ type: 'superseded', generation })
    return registration
  }

  /** Registrations of whom this is true are gone. */
  dropWhere(isGone: (registration: Registration) => boolean): void {
    for (const registration of [...this.#byPeer.values()]) if (isGone(registration)) this.#drop(registration)
  }

  /** The connection is gone. Only its own registration goes with it. */
  drop(connection: MemberConnection, peerId: PeerId): void {
    const registration = this.#byPeer.get(peerId)
    if (registration?.connection === connection) this.#drop(registration)
  }

  /** @param peer PeerId, or name in lower case */
  find(peer: string): Registration | undefined {
    const peerId = isPeerId(peer) ? peer : this.#byName.get(peer)
    return peerId === undefined ? undefined : this.#byPeer.get(peerId)
  }

  #renew(before: Registration, nat: PeerNetwork | undefined): Registration {
    const registration = { ...before, nat }
    this.#byPeer.set(before.peerId, registration)
    return registration
  }

  #drop({ peerId, name }: Registration): void {
    this.#byPeer.delete(peerId)
    // A name goes to another key when its holder was revoked and somebody else has joined under it.
    if (name !== undefined && this.#byName.get(name) === peerId) this.#byName.delete(name)
  }
}
