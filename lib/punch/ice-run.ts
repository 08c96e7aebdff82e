import { deferred } from '../base/deferred.ts'
import { unreachable } from '../base/exhaustive.ts'
import type { Runtime } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { Driver } from '../net/driver.ts'
import { localCandidate } from '../protocol/ice/candidate.ts'
import type { Candidate, LocalCandidate, LocalCandidateParts } from '../protocol/ice/candidate.ts'
import type { CandidatePair, IceRole } from '../protocol/ice/candidate-pair.ts'
import { assertIceCredentials } from '../protocol/ice/connectivity-check.ts'
import type { IceCredentials } from '../protocol/ice/connectivity-check.ts'
import { IceAgent } from '../protocol/ice/ice-agent.ts'
import type { IceCounters, IceEffect, IceInput } from '../protocol/ice/ice-agent-options.ts'
import type { DirectPort, DirectPortSeat } from './direct-port.ts'

/** What an {@link IceRun} needs. */
export interface IceRunSetup {
  readonly runtime: Runtime
  readonly role: IceRole
  readonly credentials: IceCredentials
  /** The agent's sockets by number: 0 is the first. They stay open when the run ends. */
  readonly ports: readonly DirectPort[]
  /** See {@link IceAgentOptions.maySendTo}. */
  readonly maySendTo: (address: TransportAddress) => boolean
  /** The path to use; called again when a better one is agreed on, or after consent was lost. */
  readonly onNominated?: (path: IcePath) => void
  /** The peer no longer wants packets on this path: nothing may be sent there (RFC 7675). */
  readonly onConsentLost?: (path: IcePath) => void
}

/** Where data may go: both sides have agreed on it. */
export interface IcePath {
  readonly port: DirectPort
  readonly local: TransportAddress
  readonly remote: TransportAddress
  /** Of the last check. */
  readonly rttMs: number | undefined
}

/** One {@link IceAgent} on shared ports, from the moment it is made until `close`. */
export class IceRun implements Disposable {
  /** The first path; undefined when all pairs have failed, or the run was closed before. */
  readonly result: Promise<IcePath | undefined>
  readonly #setup: IceRunSetup
  readonly #agent: IceAgent
  readonly #driver: Driver<IceInput, IceEffect>
  readonly #seats: readonly DirectPortSeat[]
  readonly #result = deferred<IcePath | undefined>()

  /** @throws {RangeError} when another agent of a port has the same fragment; {ReachError} for credentials that are none */
  constructor(setup: IceRunSetup) {
    this.result = this.#result.promise
    this.#setup = setup
    const { runtime, role, credentials, maySendTo, ports } = setup
    const randomBytes = (length: number) => runtime.random.bytes(length)
    this.#agent = new IceAgent({ role, credentials, maySendTo, randomBytes })
    this.#driver = new Driver(
      this.#agent,
      runtime.clock,
      (effect) => this.#perform(effect),
      (error) => this.#break(error),
    )
    this.#seats = ports.map((port, socket) =>
      port.join({
        localUfrag: credentials.ufrag,
        onPacket: (packet) => this.#driver.feed({ kind: 'received', socket, ...packet }),
        onSendError: ({ to }) => this.#driver.feed({ kind: 'send-failed', socket, to }),
      }),
    )
  }

  /** For the sentence that says why a connection is relayed. */
  get counters(): Readonly<IceCounters> {
    return this.#agent.counters
  }

  /** All pairs, best first: what was tried. */
  get pairs(): readonly Readonly<CandidatePair>[] {
    return this.#agent.pairs
  }

  /** The path to send on now. */
  get selected(): IcePath | undefined {
    const pair = this.#agent.selected
    return pair === undefined ? undefined : this.#pathOf(pair)
  }

  /** What the peer said of itself. @throws {ReachError} ERR_REACH_DECODE for what are no credentials */
  setRemote(credentials: IceCredentials): void {
    assertIceCredentials(credentials)
    this.#driver.feed({ kind: 'remote-credentials', credentials })
  }

  /** Adds a candidate of ours, and answers it for the peer to be told. */
  addLocal(parts: LocalCandidateParts): LocalCandidate {
    const candidate = localCandidate(parts)
    this.#driver.feed({ kind: 'local-candidate', candidate })
    return candidate
  }

  /** No more of ours will come. */
  endLocal(): void {
    this.#driver.feed({ kind: 'local-end' })
  }

  /** Adds a candidate that the peer told. */
  addRemote(candidate: Candidate): void {
    this.#driver.feed({ kind: 'remote-candidate', candidate })
  }

  /** The peer said that it has no more. */
  endRemote(): void {
    this.#driver.feed({ kind: 'remote-end' })
  }

  /** Ends checks and consent; streams on the path go on, whoever opened them answers for that. Idempotent. */
  close(): void {
    this.#driver.stop()
    for (const seat of this.#seats) seat[Symbol.dispose]()
    this.#result.resolve(undefined)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #perform(effect: IceEffect): void {
    switch (effect.kind) {
      case 'send':
        return this.#seats[effect.socket]?.send(effect.bytes, effect.to)
      case 'nominated':
        return this.#nominated(effect.pair)
      case 'consent-lost':
        return this.#tell(this.#setup.onConsentLost, effect.pair)
      case 'failed':
        return this.#result.resolve(undefined)
      case 'pair-succeeded':
      case 'role-changed':
        return
      default:
        return unreachable(effect)
    }
  }

  #nominated(pair: Readonly<CandidatePair>): void {
    this.#result.resolve(this.#pathOf(pair))
    this.#tell(this.#setup.onNominated, pair)
  }

  #tell(listener: ((path: IcePath) => void) | undefined, pair: Readonly<CandidatePair>): void {
    const path = this.#pathOf(pair)
    if (path !== undefined) listener?.(path)
  }

  #pathOf({ local, remote, rttMs }: Readonly<CandidatePair>): IcePath | undefined {
    const port = this.#setup.ports[local.socket]
    return port === undefined ? undefined : { port, local: local.base, remote: remote.address, rttMs }
  }

  #break(error: unknown): void {
    this.#result.reject(error)
    this.close()
  }
}
