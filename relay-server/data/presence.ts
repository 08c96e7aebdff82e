import type { PeerId } from '../../lib/base/peer-id.ts'
import { isPeerId } from '../../lib/base/peer-id.ts'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'

/** A control connection, as far as the data plane looks at it. */
export interface MemberConnection {
  /** Undefined once it is no member any more. */
  readonly identity: PeerIdentity | undefined
  /** Tells the member something. */
  push(
    message: Readonly<Record<string, unknown>> & { readonly type: 'incoming' | 'superseded' | 'restarting' },
  ): void
}

/** Somebody who takes sessions. */
export interface Registration {
  readonly peerId: PeerId
  readonly name: string | undefined
  readonly connection: MemberConnection
  /** Counts up: the youngest registration of a key is the one that counts. */
  readonly generation: number
  /** Calendar milliseconds. */
  readonly sinceMs: number
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

  /** Registers a connection; what it replaces is told. A connection that registers again keeps its generation. */
  register(connection: MemberConnection, identity: PeerIdentity, nowMs: number): Registration {
    const { peerId, name } = identity
    const before = this.#byPeer.get(peerId)
    if (before?.connection === connection) return before
    const registration = { peerId, name, connection, generation: ++this.#generation, sinceMs: nowMs }
    if (before?.name !== undefined && before.name !== name) this.#byName.delete(before.name)
    this.#byPeer.set(peerId, registration)
    if (name !== undefined) this.#byName.set(name, peerId)
    before?.connection.push({ type: 'superseded', generation: registration.generation })
    return registration
  }

  /** The connection is gone. Only its own registration goes with it. */
  drop(connection: MemberConnection, peerId: PeerId): void {
    const registration = this.#byPeer.get(peerId)
    if (registration?.connection !== connection) return
    this.#byPeer.delete(peerId)
    const { name } = registration
    if (name !== undefined && this.#byName.get(name) === peerId) this.#byName.delete(name)
  }

  /** @param peer PeerId or name */
  find(peer: string): Registration | undefined {
    const peerId = isPeerId(peer) ? peer : this.#byName.get(peer)
    return peerId === undefined ? undefined : this.#byPeer.get(peerId)
  }
}
