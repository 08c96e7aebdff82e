import type { TLSSocket } from 'node:tls'
import { fromBase64, toBase64 } from '../../lib/base/base64.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { unreachable } from '../../lib/base/exhaustive.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Clock } from '../../lib/base/runtime.ts'
import { canonicalIp, isIp } from '../../lib/base/transport-address.ts'
import { Secret } from '../../lib/base/secret.ts'
import type { Certificate } from '../../lib/identity/certificate/certificate.ts'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'
import { toWireStatement } from '../../lib/identity/trust/statement.ts'
import { presentFields } from '../../lib/protocol/relay/control-reply.ts'
import type {
  AuthenticateRequest,
  ControlRequest,
  ProveRequest,
  TrustReport,
} from '../../lib/protocol/relay/control-request.ts'
import { decodeControlRequest } from '../../lib/protocol/relay/control-request.ts'
import type { DataService } from '../data/data-service.ts'
import type { MemberConnection } from '../data/presence.ts'
import { sourceOf } from '../source.ts'
import type { AdminService } from './admin-service.ts'
import { ControlPipe } from './control-pipe.ts'
import type { Outgoing } from './control-pipe.ts'
import { asReachError, notAMember, notIssuing } from './control-refusal.ts'
import type { PortProver } from './port-prover.ts'
import { recognise, recogniseAgain } from './recognition.ts'
import type { RelayNetwork } from './relay-network.ts'

/** What a connection needs of the server around it. */
export interface ControlSurroundings {
  readonly clock: Clock
  readonly network: RelayNetwork
  readonly admin: AdminService | undefined
  readonly data: DataService
  readonly prover: PortProver
  /** SHA-256 of the public key that the relay shows the web: who is shown another one is told so. */
  readonly webKey: string | undefined
  /** UDP ports of this host that answer STUN. */
  readonly stunPorts: readonly number[]
  /** Takes one attempt to join out of the source's ration; false when it is used up. */
  readonly mayTryToken: (source: string) => boolean
  /** Called when the other side has proven who it is; it counts as a member from then on. */
  readonly onMember: (connection: ControlConnection) => void
}

/** Ours: requests that wait for their turn; members ask one thing at a time. */
const MAX_QUEUE = 16
/** Ours: what a member believes changes a few times in a connection's life; each change costs a write. */
const MAX_REPORTS = 100

type DataRequest = Extract<ControlRequest, { readonly type: 'register' | 'open' | 'peers' }>
type QueuedRequest = Exclude<ControlRequest, DataRequest | ProveRequest>

/** One connection of somebody to the relay's control service, from the end of the TLS handshake on. */
export class ControlConnection implements MemberConnection {
  readonly #pipe: ControlPipe
  readonly #ip: string | undefined
  /** Where it comes from, for limits and the audit log. */
  readonly #source: string
  readonly #around: ControlSurroundings
  #identity: PeerIdentity | undefined
  /** When the member's certificate ends, in calendar milliseconds. */
  #validUntilMs = 0
  #queue: Promise<void> = Promise.resolve()
  #queued = 0
  #reports = 0

  /** @param ip at its other end, where it is known */
  constructor(socket: TLSSocket, ip: string | undefined, around: ControlSurroundings) {
    this.#ip = ip
    this.#source = sourceOf(ip)
    this.#around = around
    this.#pipe = new ControlPipe(socket, around.clock, (text) => this.#take(text))
  }

  /** Who it is; undefined until the key is proven. */
  get identity(): PeerIdentity | undefined {
    return this.#identity
  }

  get peerId(): PeerId | undefined {
    return this.#identity?.peerId
  }

  push(message: Parameters<MemberConnection['push']>[0]): void {
    this.#pipe.send(message)
  }

  /** Sends what the network's members must know by now. */
  pushTrust(what: 'deny-list' | 'root-set'): void {
    const { denyList, rootSet } = this.#around.network.trust
    const statement = what === 'deny-list' ? denyList?.statement : rootSet.statement
    if (statement !== undefined) this.#pipe.send({ type: what, statement: toWireStatement(statement) })
  }

  /** Looks at the deny list again. Who is denied hears why, and goes. */
  recheck(): void {
    if (this.#identity === undefined) return
    try {
      this.#identity = recogniseAgain(this.#identity, this.#around.network)
    } catch (error) {
      this.end(asReachError(error))
    }
  }

  /** Says why, and ends. */
  end(error: ReachError): void {
    this.#pipe.end(error)
  }

  #take(text: string): void {
    const request = decodeControlRequest(text)
    if (isDataRequest(request) || request.type === 'prove') this.#member() // nobody else gets an answer
    // Nothing of these waits for the disk: many may come at once, and none waits for another.
    if (isDataRequest(request)) this.#handleData(request)
    else if (request.type === 'prove') void this.#handleProof(request)
    else this.#enqueue(request)
  }

  /** One after the other: an answer may have to wait for the disk. */
  #enqueue(request: QueuedRequest): void {
    if (++this.#queued > MAX_QUEUE) {
      this.end(new ReachError('ERR_REACH_RATE_LIMITED', 'too many requests at once'))
      return
    }
    this.#queue = this.#queue.then(() => this.#handle(request)).finally(() => this.#queued--)
  }

  async #handle(request: QueuedRequest): Promise<void> {
    if (this.#pipe.isOver) return
    try {
      await this.#dispatch(request)
    } catch (error) {
      const failure = asReachError(error)
      if (request.type === 'admin' || this.#standsAlone(request)) this.#pipe.refuse(failure, request.id)
      else if (request.type === 'renew') this.#pipe.refuse(failure)
      else this.end(failure)
    }
  }

  /** Of a member's request that we do not know, its number tells that it is answered by it, as those that we know. */
  #standsAlone(request: QueuedRequest): request is QueuedRequest & { readonly id: number } {
    return request.type === 'unknown' && request.id !== undefined && this.#identity !== undefined
  }

  #handleData(request: DataRequest): void {
    const { id } = request
    try {
      this.#pipe.send({ ...this.#answerData(request), id })
    } catch (error) {
      this.#pipe.refuse(asReachError(error), id)
    }
  }

  /** Answered when it is over; many may run at once, as far as the prover allows. */
  async #handleProof(request: ProveRequest): Promise<void> {
    const { id } = request
    try {
      const { peerId } = this.#memberInDate()
      const ip = this.#seenAs
      if (ip === undefined)
        throw new ReachError('ERR_REACH_REQUEST_REFUSED', 'this connection has no address')
      const outcome = await this.#around.prover.prove({ peerId, ip }, request)
      this.#pipe.send({ type: 'tried', id, outcome })
    } catch (error) {
      this.#pipe.refuse(asReachError(error), id)
    }
  }

  /** The IP at the other end of this very connection, as everybody writes it. */
  get #seenAs(): string | undefined {
    const ip = this.#ip
    return ip === undefined || !isIp(ip) ? undefined : canonicalIp(ip)
  }

  /** Who speaks. @throws {ReachError} when the certificate is not in date */
  #memberInDate(): PeerIdentity {
    const identity = this.#member()
    if (identity.by === 'network' && this.#nowMs() <= this.#validUntilMs) return identity
    throw new ReachError('ERR_REACH_TRUST_EXPIRED', 'renew the certificate first', {
      hint: 'p2p-reach renew',
    })
  }

  #answerData(request: DataRequest): Outgoing {
    const identity = this.#memberInDate()
    const { data } = this.#around
    const party = { connection: this, identity }
    switch (request.type) {
      case 'register':
        return { type: 'registered', generation: data.register(party, request.nat).generation }
      case 'open': {
        const { peerId, name } = data.open(party, request)
        return { type: 'opening', peerId, name }
      }
      case 'peers':
        return { type: 'peers', peers: data.peers(identity).map(presentFields) }
      default:
        return unreachable(request)
    }
  }

  async #dispatch(request: QueuedRequest): Promise<void> {
    switch (request.type) {
      case 'ask-network':
        this.#pipe.send({
          type: 'network',
          timeMs: this.#nowMs(),
          rootSet: this.#around.network.state().rootSet,
        })
        return
      case 'enrol':
        return this.#enrol(request.tokenId, new Secret(request.secret), fromBase64(request.request))
      case 'authenticate':
        return this.#authenticate(request)
      case 'renew':
        return this.#renew(fromBase64(request.request))
      case 'report':
        return this.#report(request)
      case 'admin':
        return this.#administer(request)
      case 'ping':
        this.#member()
        this.#pipe.send({ type: 'pong', id: request.id })
        return
      case 'unknown':
        throw new ReachError('ERR_REACH_REQUEST_REFUSED', 'the relay does not know this request', {
          hint: 'update the relay',
        })
      default:
        return unreachable(request)
    }
  }

  async #enrol(tokenId: string, secret: Secret, request: Uint8Array): Promise<void> {
    if (!this.#around.mayTryToken(this.#source)) {
      throw new ReachError('ERR_REACH_RATE_LIMITED', 'too many attempts to join from this address', {
        hint: 'wait a minute',
      })
    }
    const authority = this.#authority()
    this.#issued(await authority.enrol(tokenId, secret, request, this.#source))
  }

  async #renew(request: Uint8Array): Promise<void> {
    const chain = await this.#authority().renew(this.#member().peerId, request)
    if (this.#identity?.by === 'network') this.#validUntilMs = chain[0]?.notAfterMs ?? 0
    this.#issued(chain)
  }

  #issued(chain: readonly Certificate[]): void {
    const { state } = this.#around.network
    this.#pipe.send({
      type: 'issued',
      timeMs: this.#nowMs(),
      chain: chain.map(({ der }) => toBase64(der)),
      ...state(),
    })
  }

  async #authenticate(request: AuthenticateRequest): Promise<void> {
    const { network } = this.#around
    const recognised = recognise(request, this.#pipe.exportKeyingMaterial(), network, this.#nowMs())
    const { identity, mustRenew } = recognised
    this.#validUntilMs = recognised.validUntilMs
    this.#welcome(identity, mustRenew)
    if (!mustRenew) await network.authority?.note(identity.peerId, request, request.addresses)
  }

  #welcome(identity: PeerIdentity, mustRenew: boolean): void {
    this.#identity = identity
    this.#pipe.becomeMembers()
    const { name = '', roles } = identity
    const { webKey, stunPorts, network } = this.#around
    const about = { name, roles, mustRenew, seenAs: this.#seenAs, webKey, stunPorts }
    this.#pipe.send({ type: 'welcome', timeMs: this.#nowMs(), ...about, ...network.state() })
    this.#around.onMember(this)
  }

  async #report(report: TrustReport): Promise<void> {
    if (++this.#reports > MAX_REPORTS) throw new ReachError('ERR_REACH_RATE_LIMITED', 'too many reports')
    await this.#around.network.authority?.note(this.#member().peerId, report)
  }

  async #administer({ id, request }: ControlRequest & { readonly type: 'admin' }): Promise<void> {
    const { roles, name, peerId } = this.#member()
    if (!roles.includes('admin')) {
      throw new ReachError('ERR_REACH_TRUST_ROLE', `${name ?? peerId} is no administrator of the network`, {
        hint: 'ask one, or run the command on the relay with its --home',
      })
    }
    const { admin } = this.#around
    if (admin === undefined) throw notIssuing()
    // The answer is a flat object; `satisfies` can't see what it holds.
    this.#pipe.send({ type: 'admin-result', id, result: await admin.handle(request, name ?? peerId) })
  }

  /** Who speaks. @throws {ReachError} when that is not known yet */
  #member(): PeerIdentity {
    if (this.#identity !== undefined) return this.#identity
    throw notAMember()
  }

  #authority(): NonNullable<RelayNetwork['authority']> {
    const { authority } = this.#around.network
    if (authority === undefined) throw notIssuing()
    return authority
  }

  #nowMs(): number {
    return this.#around.clock.wallMs()
  }
}

function isDataRequest(request: ControlRequest): request is DataRequest {
  return request.type === 'register' || request.type === 'open' || request.type === 'peers'
}
