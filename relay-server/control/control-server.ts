import type { TLSSocket } from 'node:tls'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Clock } from '../../lib/base/runtime.ts'
import type { RateLimitOptions } from '../../lib/protocol/stun/rate-limit.ts'
import { SourceRateLimit } from '../../lib/protocol/stun/rate-limit.ts'
import type { ProbeOutcome } from '../../lib/protocol/relay/probe-outcome.ts'
import type { AdminService } from './admin-service.ts'
import type { DataService } from '../data/data-service.ts'
import { ControlConnection } from './control-connection.ts'
import type { PortProver } from './port-prover.ts'
import type { RelayNetwork } from './relay-network.ts'

/** Numbers for the operator. */
export interface ControlCounters {
  readonly members: number
  readonly strangers: number
  readonly refused: number
  /** Proofs of members' ports, by how they ended. */
  readonly proofs: ReadonlyMap<ProbeOutcome, number>
}

/** What a control server hands requests on to. */
export interface ControlServices {
  readonly data: DataService
  readonly prover: PortProver
  /** UDP ports of this host that answer STUN, for members. */
  readonly stunPorts: readonly number[]
}

/** Ours: a person joins once; a fleet behind one address joins some at a time. */
const TOKEN_RATE = { ratePerS: 0.5, burst: 30, maxSources: 10_000 } as const

/** The relay's control service: members that stay, people who join, administrators. */
export class ControlServer {
  /** SHA-256 of the public key that the relay shows the web. */
  webKey: string | undefined
  readonly #clock: Clock
  readonly #network: RelayNetwork
  readonly #data: DataService
  readonly #prover: PortProver
  readonly #stunPorts: readonly number[]
  readonly #members = new Set<ControlConnection>()
  readonly #strangers = new Set<ControlConnection>()
  readonly #tokenRate: SourceRateLimit
  readonly #unwatch: () => void
  #admin: AdminService | undefined
  #refused = 0
  #restartDelayMs: number | undefined
  #denyListNumber: number
  #rootSetNumber: number

  /** @param tokenRate attempts to join, for each source. Default: {@link TOKEN_RATE} */
  constructor(
    clock: Clock,
    network: RelayNetwork,
    { data, prover, stunPorts }: ControlServices,
    tokenRate: RateLimitOptions = TOKEN_RATE,
  ) {
    this.#data = data
    this.#prover = prover
    this.#stunPorts = stunPorts
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
    const { size: members } = this.#members
    const { size: strangers } = this.#strangers
    return { members, strangers, refused: this.#refused, proofs: this.#prover.outcomes }
  }

  /** True while a connection of that member is open. */
  isConnected(peerId: PeerId): boolean {
    return [...this.#members].some((connection) => connection.peerId === peerId)
  }

  /**
   * Serves one connection, from the end of its TLS handshake to its own end.
   * @param ip at its other end: the socket itself does not know it when something carries it
   * @param onProven called once it has shown who it is: until then, whoever accepted it bounds what it costs
   */
  serve(socket: TLSSocket, ip: string | undefined, onProven: () => void): void {
    if (socket.getProtocol() !== 'TLSv1.3') {
      this.#refused++
      socket.destroy()
      return
    }
    const connection = new ControlConnection(socket, ip, {
      clock: this.#clock,
      network: this.#network,
      admin: this.#admin,
      data: this.#data,
      prover: this.#prover,
      webKey: this.webKey,
      stunPorts: this.#stunPorts,
      mayTryToken: (from) => this.#tokenRate.take(from, this.#clock.nowMs()),
      onMember: (member) => {
        onProven()
        this.#onMember(member)
      },
    })
    this.#strangers.add(connection)
    socket.once('close', () => {
      this.#strangers.delete(connection)
      this.#members.delete(connection)
      if (connection.peerId !== undefined) this.#data.dropped(connection, connection.peerId)
    })
  }

  /** Tells all members, and those that still come, that the relay ends, and when to look again. */
  tellRestarting(delayMs: number): void {
    this.#restartDelayMs = delayMs
    for (const connection of this.#members) connection.push({ type: 'restarting', delayMs })
  }

  close(): void {
    this.#unwatch()
    this.#prover.close()
  }

  #onMember(connection: ControlConnection): void {
    this.#strangers.delete(connection)
    this.#members.add(connection)
    const delayMs = this.#restartDelayMs
    if (delayMs !== undefined) connection.push({ type: 'restarting', delayMs })
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
