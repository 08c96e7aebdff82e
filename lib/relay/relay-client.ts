import type { Duplex } from 'node:stream'
import { fromBase64, toBase64 } from '../base/base64.ts'
import type { Deadline } from '../base/deadline.ts'
import { orAbort } from '../base/deadline.ts'
import type { Endpoint } from '../base/endpoint.ts'
import { formatEndpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import type { PeerId } from '../base/peer-id.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import type { RelayStream } from '../base/relay-dialer.ts'
import type { Runtime } from '../base/runtime.ts'
import type { PeerNetwork } from '../protocol/ice/pair-prediction.ts'
import type { ControlChannel } from '../protocol/relay/control-channel.ts'
import type { ControlReply, IncomingReply, PresentPeer } from '../protocol/relay/control-reply.ts'
import { TICKET_LENGTH, encodeLegHead, legStatusName } from '../protocol/relay/data-leg.ts'
import type { LegStatus } from '../protocol/relay/data-leg.ts'
import type { ProbeOutcome } from '../protocol/relay/probe-outcome.ts'
import type { ProofRelay, ProofTarget } from '../protocol/relay/proof-relay.ts'
import { networkFields } from '../protocol/signaling/nat-summary.ts'
import { DEFAULT_STUN_PORT } from '../protocol/stun/default-port.ts'
import { stunServersAt } from './stun-servers.ts'

export type { PresentPeer } from '../protocol/relay/control-reply.ts'

/** A path that the relay has made: bytes written to the leg come out at the peer's, and nobody else has sent any. */
export interface Dialled {
  readonly leg: RelayStream
  /** Who the relay says it leads to. Believe it after the handshake. */
  readonly peerId: PeerId
  readonly name: string | undefined
}

/** Somebody wants a path to us. */
export interface Incoming {
  /** Who, as the relay says. Believe it after the handshake. */
  readonly peerId: PeerId
  readonly name: string | undefined
  /** Brings our data leg. @throws {ReachError} as `dial` does */
  accept(signal?: AbortSignal): Promise<RelayStream>
}

/** What a client of a relay is made of. */
export interface RelayClientSetup {
  /** A control connection on which the relay knows us. Its owner closes it. */
  readonly channel: ControlChannel
  readonly runtime: Runtime
  /** What the relay is called in messages. */
  readonly relay: Endpoint
}

/** Ours: for a path in all, if the caller's signal is not earlier: as the relay waits for legs. */
const PATH_TIMEOUT_MS = 15_000

/** One relay, as a peer uses it: asks for paths to others, and hears of those who want one. */
export class RelayClient implements ProofRelay {
  /** Somebody wants a path; called only after `register`. */
  onIncoming: ((incoming: Incoming) => void) | undefined
  /** Another connection has registered with our key. */
  onSuperseded: (() => void) | undefined
  /** The relay is about to end, and hopes to be back after that time. */
  onRestarting: ((delayMs: number) => void) | undefined
  readonly #channel: ControlChannel
  readonly #runtime: Runtime
  readonly #relay: Endpoint
  #stunServers: Promise<readonly TransportAddress[]> | undefined

  constructor({ channel, runtime, relay }: RelayClientSetup) {
    this.#channel = channel
    this.#runtime = runtime
    this.#relay = relay
    void channel.closed.then(channel.watch((reply) => this.#take(reply)))
  }

  get name(): string {
    return formatEndpoint(this.#relay)
  }

  /** Where it is, as our control connection reaches it; undefined through a proxy. */
  get address(): TransportAddress | undefined {
    return this.#channel.via.remote
  }

  /** The IP that we come from, as the relay sees it; undefined for a relay that can't prove ports. */
  get seenAs(): string | undefined {
    return this.#channel.seenAs
  }

  /**
   * Where the relay answers STUN over UDP: at the address that our control connection leads to, and at one of the other
   * family where its name has one. Empty for a relay without STUN, and behind a proxy. Over TCP it answers at the control
   * connection's own address and port. Never rejects.
   */
  stunServers(): Promise<readonly TransportAddress[]> {
    return (this.#stunServers ??= this.#findStun())
  }

  async prove({ transport, port, nonce }: ProofTarget, signal?: AbortSignal): Promise<ProbeOutcome> {
    // A relay that does not know the request would end the connection.
    if (this.seenAs === undefined) {
      throw new ReachError('ERR_REACH_REQUEST_REFUSED', `the relay ${this.name} can’t prove ports`, {
        hint: 'update the relay',
      })
    }
    const request = { type: 'prove', id: this.#channel.nextId(), transport, port, nonce: toBase64(nonce) }
    return (await this.#channel.ask(request, ['tried'], signal)).outcome
  }

  /**
   * Takes sessions from now on. Answers the generation of the registration, which is the same when we register again.
   * @param nat what others may know of our network; what is said last counts. Default: nothing
   * @throws {ReachError}
   */
  async register(signal?: AbortSignal, nat?: PeerNetwork): Promise<number> {
    const about = nat === undefined ? {} : { nat: networkFields(nat) }
    const request = { type: 'register', id: this.#channel.nextId(), ...about }
    return (await this.#channel.ask(request, ['registered'], signal)).generation
  }

  /** Who takes sessions at this relay. @throws {ReachError} */
  async peers(signal?: AbortSignal): Promise<readonly PresentPeer[]> {
    return (await this.#channel.ask({ type: 'peers', id: this.#channel.nextId() }, ['peers'], signal)).peers
  }

  /**
   * Makes a path to a peer. The request and our data leg leave together; resolves when the other leg is there, too. A dial
   * that is given up rejects at once; a leg that is still on its way then comes and ends, which tells the peer.
   * @param peer PeerId, or name in the network
   * @throws {ReachError} ERR_REACH_PEER_UNKNOWN, ERR_REACH_PEER_OFFLINE, ERR_REACH_RATE_LIMITED,
   * ERR_REACH_RELAY_UNREACHABLE, ERR_REACH_TIMEOUT
   * @throws the signal's reason when it fires first
   */
  async dial(peer: string, signal?: AbortSignal): Promise<Dialled> {
    signal?.throwIfAborted()
    using deadline = this.#deadline(signal, peer)
    using leg = new Attempt(deadline.signal)
    const coming = this.#deadline(undefined, peer)
    const ticket = this.#runtime.random.bytes(TICKET_LENGTH)
    const request = { type: 'open', id: this.#channel.nextId(), peer, ticket: toBase64(ticket) }
    const opening = this.#channel.ask(request, ['opening'], deadline.signal)
    const bringing = this.#bringLeg(ticket, leg.signal, peer, coming.signal)
    // Whoever fails last has nobody to tell; the relay says more on the request than on the leg.
    bringing.catch(() => undefined).finally(() => coming[Symbol.dispose]())
    try {
      const { peerId, name } = await opening
      return { leg: await orAbort(bringing, deadline.signal), peerId, name }
    } catch (error) {
      leg.abort(error)
      if (!deadline.signal.aborted) coming.abort(error) // nobody waits for a leg that was refused
      void bringing.then(
        ({ stream }) => stream.destroy(),
        () => undefined,
      )
      throw error
    }
  }

  async #findStun(): Promise<readonly TransportAddress[]> {
    const { address } = this
    if (address === undefined) return []
    // An older relay does not say; most listen where everybody does.
    const ports = this.#channel.stunPorts ?? [DEFAULT_STUN_PORT]
    return await stunServersAt(this.#runtime.resolver, this.#relay.host, address, ports)
  }

  #take(reply: ControlReply): void {
    if (reply.type === 'incoming') this.onIncoming?.(this.#incoming(reply))
    else if (reply.type === 'superseded') this.onSuperseded?.()
    else if (reply.type === 'restarting') this.onRestarting?.(reply.delayMs)
  }

  #incoming({ ticket, peerId, name }: IncomingReply): Incoming {
    const accept = async (signal?: AbortSignal) => {
      signal?.throwIfAborted()
      const bytes = fromBase64(ticket)
      if (bytes.length !== TICKET_LENGTH) throw new ReachError('ERR_REACH_DECODE', 'the relay sent no ticket')
      using deadline = this.#deadline(signal, name ?? peerId)
      return await this.#bringLeg(bytes, deadline.signal, name ?? peerId)
    }
    return { peerId, name, accept }
  }

  /** Our leg, from its dialling to `go`. @param coming ends its dialling; default: `signal` does */
  async #bringLeg(
    ticket: Uint8Array,
    signal: AbortSignal,
    peer: string,
    coming: AbortSignal = signal,
  ): Promise<RelayStream> {
    const leg = await this.#connect(coming)
    const { stream } = leg
    stream.on('error', () => undefined) // its end is told below, and later by whoever has the leg
    if (!signal.aborted) return await this.#awaitGo(leg, ticket, signal, peer)
    stream.end(encodeLegHead(ticket), () => stream.destroy()) // a leg that ends says that its side has given up
    throw signal.reason
  }

  async #awaitGo(
    leg: RelayStream,
    ticket: Uint8Array,
    signal: AbortSignal,
    peer: string,
  ): Promise<RelayStream> {
    const { stream } = leg
    const onAbort = () => void stream.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      stream.write(encodeLegHead(ticket))
      const status = await firstByte(stream)
      const isLate = ReachError.is(signal.reason, 'ERR_REACH_TIMEOUT')
      if (status === 'closed' && (isLate || !signal.aborted)) leg.wasSilent?.()
      signal.throwIfAborted()
      if (status === 'go') return leg
      throw this.#refusal(status, peer)
    } catch (error) {
      stream.destroy()
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #connect(signal: AbortSignal): Promise<RelayStream> {
    try {
      return await this.#channel.via.openLeg(signal)
    } catch (error) {
      signal.throwIfAborted()
      throw this.#unreachable('it takes no connection for data', error)
    }
  }

  #deadline(signal: AbortSignal | undefined, peer: string): Deadline & { abort(reason: unknown): void } {
    const { clock } = this.#runtime
    const late = () =>
      new ReachError('ERR_REACH_TIMEOUT', `no path to ${peer} within ${PATH_TIMEOUT_MS} ms`, {
        hint: 'try again; if it stays so,  p2p-reach diagnose  says which ways out work here',
        details: { timeoutMs: PATH_TIMEOUT_MS, relay: formatEndpoint(this.#relay) },
      })
    const attempt = new Attempt(signal)
    const timer = clock.setTimer(PATH_TIMEOUT_MS, () => attempt.abort(late()))
    return {
      signal: attempt.signal,
      abort: (reason) => attempt.abort(reason),
      [Symbol.dispose]() {
        timer.cancel()
        attempt[Symbol.dispose]()
      },
    }
  }

  #refusal(status: LegStatus | 'closed' | `status ${number}`, peer: string): ReachError {
    const details = { status, relay: formatEndpoint(this.#relay) }
    switch (status) {
      case 'peer-late':
      case 'peer-gone':
        return new ReachError('ERR_REACH_PEER_OFFLINE', `${peer} did not come to the relay: ${status}`, {
          hint: 'try again in a moment; if it stays so, look at what runs there',
          details,
        })
      case 'busy':
        return new ReachError('ERR_REACH_RATE_LIMITED', 'the relay has too many connections that wait', {
          hint: 'try again in a moment',
          details,
        })
      case 'go':
      case 'ticket-unknown':
      case 'draining':
      case 'closed':
      default:
        return this.#unreachable(`it did not make a path (${status})`, undefined, { status })
    }
  }

  #unreachable(why: string, cause?: unknown, details: Readonly<Record<string, unknown>> = {}): ReachError {
    return new ReachError(
      'ERR_REACH_RELAY_UNREACHABLE',
      `the relay ${formatEndpoint(this.#relay)} failed: ${why}`,
      {
        cause,
        hint: 'try again in a moment',
        details: { relay: formatEndpoint(this.#relay), ...details },
      },
    )
  }
}

/** A signal of our own that fires with its parent's, too. */
class Attempt implements Disposable {
  readonly #controller = new AbortController()
  readonly #parent: AbortSignal | undefined

  constructor(parent: AbortSignal | undefined) {
    this.#parent = parent
    parent?.addEventListener('abort', this.#onAbort, { once: true })
    if (parent?.aborted === true) this.#onAbort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason)
  }

  [Symbol.dispose](): void {
    this.#parent?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => this.#controller.abort(this.#parent?.reason)
}

/** The relay's answer; what follows it stays in the socket. */
function firstByte(socket: Duplex): Promise<LegStatus | 'closed' | `status ${number}`> {
  return new Promise((resolve) => {
    const settle = (status: LegStatus | 'closed' | `status ${number}`) => {
      socket.off('readable', onReadable).off('end', onClose).off('close', onClose)
      resolve(status)
    }
    const onClose = () => settle('closed')
    const onReadable = () => {
      const chunk: unknown = socket.read(1)
      if (!(chunk instanceof Uint8Array)) return
      const byte = chunk[0] ?? 0
      settle(legStatusName(byte) ?? `status ${byte}`)
    }
    socket.on('readable', onReadable).once('end', onClose).once('close', onClose)
    if (socket.destroyed) onClose()
  })
}
