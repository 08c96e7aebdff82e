import { verify } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { fromBase64, toBase64 } from '../../lib/base/base64.ts'
import { ReachError } from '../../lib/base/errors.ts'
import { unreachable } from '../../lib/base/exhaustive.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Clock, Timer } from '../../lib/base/runtime.ts'
import { canonicalIp, isIp } from '../../lib/base/transport-address.ts'
import { Secret } from '../../lib/base/secret.ts'
import { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { decideTrust } from '../../lib/identity/trust/decide-trust.ts'
import type { PeerIdentity } from '../../lib/identity/trust/trust-policy.ts'
import { toWireStatement } from '../../lib/identity/trust/statement.ts'
import {
  CONTROL_EXPORTER_LABEL,
  FrameReader,
  MAX_FRAME,
  MAX_STRANGER_FRAME,
  encodeFrame,
} from '../../lib/protocol/relay/control-frame.ts'
import type { ControlReply } from '../../lib/protocol/relay/control-reply.ts'
import { presentFields } from '../../lib/protocol/relay/control-reply.ts'
import type {
  AuthenticateRequest,
  ControlRequest,
  ProveRequest,
  TrustReport,
} from '../../lib/protocol/relay/control-request.ts'
import { decodeControlRequest, proofBytes } from '../../lib/protocol/relay/control-request.ts'
import type { DataService } from '../data/data-service.ts'
import type { MemberConnection } from '../data/presence.ts'
import { sourceOf } from '../source.ts'
import type { AdminService } from './admin-service.ts'
import type { PortProver } from './port-prover.ts'
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

/** Ours: members send a ping every 30 s; three may be lost. */
export const SILENCE_TIMEOUT_MS = 100_000
/** Ours: a member that does not read is cut off before it costs more memory. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024
/** Ours: requests that wait for their turn; members ask one thing at a time. */
const MAX_QUEUE = 16
/** Ours: what a member believes changes a few times in a connection's life; each change costs a write. */
const MAX_REPORTS = 100
/** Ours: how long the last words may take to arrive. */
const FAREWELL_MS = 2000

type DataRequest = Extract<ControlRequest, { readonly type: 'register' | 'open' | 'peers' }>
type QueuedRequest = Exclude<ControlRequest, DataRequest | ProveRequest>

/** One connection of somebody to the relay's control service, from the end of the TLS handshake on. */
export class ControlConnection implements MemberConnection {
  readonly #socket: TLSSocket
  readonly #ip: string | undefined
  /** Where it comes from, for limits and the audit log. */
  readonly #source: string
  readonly #around: ControlSurroundings
  readonly #frames = new FrameReader(MAX_STRANGER_FRAME)
  #identity: PeerIdentity | undefined
  /** Cuts a member that is silent, or somebody who was told to go. */
  #timer: Timer | undefined
  /** When the member's certificate ends, in calendar milliseconds. */
  #validUntilMs = 0
  #queue: Promise<void> = Promise.resolve()
  #queued = 0
  #reports = 0
  #isEnding = false

  /** @param ip at its other end, where it is known */
  constructor(socket: TLSSocket, ip: string | undefined, around: ControlSurroundings) {
    this.#socket = socket
    this.#ip = ip
    this.#source = sourceOf(ip)
    this.#around = around
    socket.on('error', () => undefined) // 'close' follows
    socket.on('data', (chunk: Uint8Array) => this.#read(chunk))
    socket.once('end', () => socket.end())
    socket.once('close', () => this.#timer?.cancel())
  }

  /** Who it is; undefined until the key is proven. */
  get identity(): PeerIdentity | undefined {
    return this.#identity
  }

  get peerId(): PeerId | undefined {
    return this.#identity?.peerId
  }

  push(message: Parameters<MemberConnection['push']>[0]): void {
    this.#send(message)
  }

  /** Sends what the network's members must know by now. */
  pushTrust(what: 'deny-list' | 'root-set'): void {
    const { denyList, rootSet } = this.#around.network.trust
    const statement = what === 'deny-list' ? denyList?.statement : rootSet.statement
    if (statement !== undefined) this.#send({ type: what, statement: toWireStatement(statement) })
  }

  /**
   * Looks at the deny list again. Who is denied hears why, and goes. When only the CA is denied that vouched for the
   * member's roles, they are gone: it may renew, if the ledger knows it.
   */
  recheck(): void {
    const identity = this.#identity
    const { trust, authority } = this.#around.network
    if (identity === undefined || trust.stillTrusts(identity)) return
    const { name, peerId, keys } = identity
    try {
      if (trust.denied.has(keys[0] ?? '')) {
        throw new ReachError('ERR_REACH_TRUST_REVOKED', `the key of ${name ?? peerId} was revoked`)
      }
      if (authority === undefined) throw notIssuing()
      authority.mayRenew(peerId)
      this.#identity = { ...identity, by: 'key', roles: [], keys: keys.slice(0, 1) }
    } catch (error) {
      this.end(asReachError(error))
    }
  }

  /** Says why, and ends. */
  end(error: ReachError): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#send(this.#refusal(error))
    this.#timer?.cancel()
    this.#timer = this.#around.clock.setTimer(FAREWELL_MS, () => this.#cut())
    this.#socket.end()
  }

  #cut(): void {
    this.#socket.destroy()
  }

  #read(chunk: Uint8Array): void {
    if (this.#isEnding) return
    if (this.#identity !== undefined) this.#rearm()
    try {
      for (const text of this.#frames.push(chunk)) {
        const request = decodeControlRequest(text)
        // Nothing of these waits for the disk: many may come at once, and none waits for another.
        if (isDataRequest(request)) this.#handleData(request)
        else if (request.type === 'prove') void this.#handleProof(request)
        else this.#enqueue(request)
      }
    } catch (error) {
      this.end(asReachError(error))
    }
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
    if (this.#isEnding || this.#socket.destroyed) return
    try {
      await this.#dispatch(request)
    } catch (error) {
      const failure = asReachError(error)
      if (request.type === 'admin') this.#send({ ...this.#refusal(failure), id: request.id })
      else if (this.#standsAlone(request)) this.#send({ ...this.#refusal(failure), id: request.id })
      else if (request.type === 'renew') this.#send(this.#refusal(failure))
      else this.end(failure)
    }
  }

  /** Of a member's request that we do not know, its number tells that it is answered by it, as those that we know. */
  #standsAlone(request: QueuedRequest): request is QueuedRequest & { readonly id: number } {
    return request.type === 'unknown' && request.id !== undefined && this.#identity !== undefined
  }

  #handleData(request: DataRequest): void {
    const { id } = request
    if (this.#identity === undefined) {
      this.end(notAMember())
      return
    }
    try {
      this.#send({ ...this.#answerData(request), id })
    } catch (error) {
      this.#send({ ...this.#refusal(asReachError(error)), id })
    }
  }

  /** Answered when it is over; many may run at once, as far as the prover allows. */
  async #handleProof(request: ProveRequest): Promise<void> {
    const { id } = request
    if (this.#identity === undefined) {
      this.end(notAMember())
      return
    }
    try {
      const { peerId } = this.#memberInDate()
      const ip = this.#seenAs
      if (ip === undefined)
        throw new ReachError('ERR_REACH_REQUEST_REFUSED', 'this connection has no address')
      const outcome = await this.#around.prover.prove({ peerId, ip }, request)
      this.#send({ type: 'tried', id, outcome })
    } catch (error) {
      this.#send({ ...this.#refusal(asReachError(error)), id })
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
        this.#send({ type: 'network', timeMs: this.#nowMs(), rootSet: this.#around.network.state().rootSet })
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
        this.#send({ type: 'pong', id: request.id })
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
    this.#send({
      type: 'issued',
      timeMs: this.#nowMs(),
      chain: chain.map(({ der }) => toBase64(der)),
      ...state(),
    })
  }

  /** The proof first: nothing that the chain says counts before the key is proven. */
  async #authenticate(request: AuthenticateRequest): Promise<void> {
    const chain = request.chain.map((text) => Certificate.decode(fromBase64(text)))
    const [leaf] = chain
    if (leaf?.peerId === undefined || !this.#proves(leaf, fromBase64(request.signature))) {
      throw new ReachError('ERR_REACH_TRUST_WRONG_KEY', 'the proof of the key does not hold')
    }
    const { trust, authority } = this.#around.network
    const decision = decideTrust(chain, trust.policy(), this.#nowMs())
    if (decision.kind === 'trusted') {
      this.#validUntilMs = leaf.notAfterMs
      this.#welcome(decision.identity, false)
      await authority?.note(leaf.peerId, request, request.addresses)
      return
    }
    // Expired, or issued by a CA that was replaced: who is in the ledger may still get a new certificate.
    const isLate = decision.code === 'ERR_REACH_TRUST_EXPIRED' || decision.code === 'ERR_REACH_TRUST_REVOKED'
    if (isLate && authority === undefined && !trust.denied.has(leaf.spkiSha256)) throw notIssuing()
    if (authority === undefined || !isLate || trust.denied.has(leaf.spkiSha256)) {
      throw new ReachError(decision.code, `the relay does not trust us: ${decision.message}`)
    }
    const { name } = authority.mayRenew(leaf.peerId)
    const identity = { peerId: leaf.peerId, by: 'key', name, roles: [], keys: [leaf.spkiSha256] } as const
    this.#welcome(identity, true)
  }

  #proves(leaf: Certificate, signature: Uint8Array): boolean {
    const exported = this.#socket.exportKeyingMaterial(32, CONTROL_EXPORTER_LABEL, Buffer.alloc(0))
    const [own] = this.#around.network.credentials.chain
    const relayKey = own?.spkiSha256 ?? ''
    return verify(null, proofBytes(exported, relayKey), leaf.publicKey, signature)
  }

  #welcome(identity: PeerIdentity, mustRenew: boolean): void {
    this.#identity = identity
    this.#frames.setLimit(MAX_FRAME)
    this.#rearm()
    const { name = '', roles } = identity
    const { webKey, stunPorts, network } = this.#around
    const about = { name, roles, mustRenew, seenAs: this.#seenAs, webKey, stunPorts }
    this.#send({ type: 'welcome', timeMs: this.#nowMs(), ...about, ...network.state() })
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
    this.#send({ type: 'admin-result', id, result: await admin.handle(request, name ?? peerId) })
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

  #rearm(): void {
    this.#timer?.cancel()
    this.#timer = this.#around.clock.setTimer(SILENCE_TIMEOUT_MS, () => this.#cut())
  }

  #refusal(error: ReachError): Outgoing {
    const { code, message, hint } = error
    return { type: 'refused', code, message, ...(hint === undefined ? {} : { hint }), timeMs: this.#nowMs() }
  }

  #send(reply: Outgoing): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    this.#socket.write(encodeFrame(reply))
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#cut()
  }
}

function isDataRequest(request: ControlRequest): request is DataRequest {
  return request.type === 'register' || request.type === 'open' || request.type === 'peers'
}

/** A reply before it becomes JSON. */
type Outgoing = Readonly<Record<string, unknown>> & { readonly type: ControlReply['type'] }

function notAMember(): ReachError {
  return new ReachError('ERR_REACH_TRUST_NO_CERTIFICATE', 'say who you are first')
}

function notIssuing(): ReachError {
  return new ReachError('ERR_REACH_NO_AUTHORITY', 'this relay does not issue certificates', {
    hint: 'ask the relay that made the network',
  })
}

function asReachError(error: unknown): ReachError {
  if (ReachError.is(error)) return error
  return new ReachError('ERR_REACH_REQUEST_REFUSED', 'the relay failed', { cause: error })
}
