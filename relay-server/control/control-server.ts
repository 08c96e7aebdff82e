import type { TLSSocket } from 'node:tls'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Clock } from '../../lib/base/runtime.ts'
import type { RateLimitOptions } from '../../lib/protocol/stun/rate-limit.ts'
import { SourceRateLimit } from '../../lib/protocol/stun/rate-limit.ts'
import type { AdminService } from './admin-service.ts'
import type { DataService } from '../data/data-service.ts'
import { sourceOf } from '../source.ts'
import { ControlConnection } from './control-connection.ts'
import type { RelayNetwork } from './relay-network.ts'

/** Numbers for the operator. */
export interface ControlCounters {
  readonly members: number
  readonly strangers: number
  readonly refused: number
}

/** Ours: strangers at once, in all and from one source: bounds what they cost before they have proven anything. */
const MAX_STRANGERS = 1024
const MAX_STRANGERS_PER_SOURCE = 128
/** Ours: a person joins once; a fleet behind one address joins some at a time. */
const TOKEN_RATE = { ratePerS: 0.5, burst: 30, maxSources: 10_000 } as const

/** The relay's control service: members that stay, people who join, administrators. */
export class ControlServer {
  readonly #clock: Clock
  readonly #network: RelayNetwork
  readonly #data: DataService
  readonly #members = new Set<ControlConnection>()
  readonly #strangers = new Map<ControlConnection, string>()
  readonly #tokenRate: SourceRateLimit
  readonly #unwatch: () => void
  #admin: AdminService | undefined
  #refused = 0
  #denyListNumber: number
  #rootSetNumber: number

  /** @param tokenRate attempts to join, for each source. Default: {@link TOKEN_RATE} */
  constructor(
    clock: Clock,
    network: RelayNetwork,
    data: DataService,
    tokenRate: RateLimitOptions = TOKEN_RATE,
  ) {
    this.#data = data
    this.#tokenRate = new SourceRateLimit(tokenRate)
    this.#clock = clock
    this.#network = network
    this.#denyListNumber = network.trust.denyList?.number ?? 0
    this.#rootSetNumber = network.trust.rootSet.number
    this.#unwatch = network.trust.watch(() => this.#trustChanged())
  }

  /** Who carries out what administrators ask; without one, nobody does. */
  setAdmin(admin: AdminService): void {
    this.#admin = admin
  }

  get counters(): ControlCounters {
    return { members: this.#members.size, strangers: this.#strangers.size, refused: this.#refused }
  }

  /** True while a connection of that member is open. */
  isConnected(peerId: PeerId): boolean {
    return [...this.#members].some((connection) => connection.peerId === peerId)
  }

  /** Serves one connection, from the end of its TLS handshake to its own end. */
  serve(socket: TLSSocket): void {
    const source = sourceOf(socket.remoteAddress)
    if (socket.getProtocol() !== 'TLSv1.3' || this.#isFull(source)) {
      this.#refused++
      socket.destroy()
      return
    }
    const connection = new ControlConnection(socket, source, {
      clock: this.#clock,
      network: this.#network,
      admin: this.#admin,
      data: this.#data,
      mayTryToken: (from) => this.#tokenRate.take(from, this.#clock.nowMs()),
      onMember: (member) => this.#onMember(member),
    })
    this.#strangers.set(connection, source)
    socket.once('close', () => {
      this.#strangers.delete(connection)
      this.#members.delete(connection)
      if (connection.peerId !== undefined) this.#data.dropped(connection, connection.peerId)
    })
  }

  /** Tells all members that the relay ends, and when to look again. */
  tellRestarting(delayMs: number): void {
    for (const connection of this.#members) connection.push({ type: 'restarting', delayMs })
  }

  close(): void {
    this.#unwatch()
  }

  #isFull(source: string): boolean {
    if (this.#strangers.size >= MAX_STRANGERS) return true
    let same = 0
    for (const other of this.#strangers.values()) if (other === source) same++
    return same >= MAX_STRANGERS_PER_SOURCE
  }

  #onMember(connection: ControlConnection): void {
    this.#strangers.delete(connection)
    this.#members.add(connection)
  }

  /** Members hear of it at once; those that are denied hear why, and go. */
  #trustChanged(): void {
    const { trust } = this.#network
    const hasNewRoots = trust.rootSet.number !== this.#rootSetNumber
    const hasNewDenyList = (trust.denyList?.number ?? 0) !== this.#denyListNumber
    this.#rootSetNumber = trust.rootSet.number
    this.#denyListNumber = trust.denyList?.number ?? 0
    for (const connection of [...this.#members]) {
      if (hasNewRoots) connection.pushTrust('root-set')
      if (hasNewDenyList) connection.pushTrust('deny-list')
      connection.recheck()
    }
  }
}
