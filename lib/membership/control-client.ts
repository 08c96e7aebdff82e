import { sign } from 'node:crypto'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { toBase64 } from '../base/base64.ts'
import { deadlineSignal } from '../base/deadline.ts'
import type { Endpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import type { ControlStream, RelayDialer, StreamTrial } from '../base/relay-dialer.ts'
import type { Runtime, Timer } from '../base/runtime.ts'
import { isIp } from '../base/transport-address.ts'
import type { Certificate } from '../identity/certificate/certificate.ts'
import { secured } from '../identity/tls/connect-securely.ts'
import { presentedChain } from '../identity/tls/secure-channel.ts'
import { tlsFailure } from '../identity/tls/tls-failure.ts'
import { directDialer, unreachableRelay } from '../net/direct-dialer.ts'
import type { TlsCredentials } from '../identity/tls/tls-options.ts'
import { verificationOptions } from '../identity/tls/tls-options.ts'
import {
  CONTROL_ALPN,
  CONTROL_EXPORTER_LABEL,
  FrameReader,
  MAX_FRAME,
  encodeFrame,
} from '../protocol/relay/control-frame.ts'
import type { ControlChannel, ReplyOf } from '../protocol/relay/control-channel.ts'
import type { ControlReply } from '../protocol/relay/control-reply.ts'
import { decodeControlReply, refusalError } from '../protocol/relay/control-reply.ts'
import type { TrustReport } from '../protocol/relay/control-request.ts'
import { proofBytes } from '../protocol/relay/control-request.ts'
import { OpenQuestions } from './open-questions.ts'

/** How a control connection is opened. */
export interface ControlClientOptions {
  readonly runtime: Runtime
  /** Default: by TCP, and in no other way. */
  readonly dialer?: RelayDialer | undefined
  readonly relay: Endpoint
  /** Rejects when the connection is no use: then another way to the relay may do better. */
  readonly check?: (client: ControlClient) => Promise<void>
  readonly signal?: AbortSignal
}

const WAIT_HINT = 'it may be starting anew: try again in a moment'

/** Ours: to connect, and for each answer; a relay that works takes far less. */
const CONNECT_TIMEOUT_MS = 10_000
const ANSWER_TIMEOUT_MS = 20_000
/** Ours: silence that most NATs and proxies bear; the relay waits for three. */
const PING_INTERVAL_MS = 30_000
/** Ours: where something else says already that the relay may be gone. */
const PROBE_TIMEOUT_MS = 3000

/** A connection to a relay's control service. It believes nothing of itself: who opened it checks `relayChain`. */
export class ControlClient implements ControlChannel {
  /** What the relay showed in the TLS handshake, leaf first. */
  readonly relayChain: readonly Certificate[]
  readonly via: ControlStream
  readonly #socket: TLSSocket
  readonly #runtime: Runtime
  readonly #frames = new FrameReader(MAX_FRAME)
  readonly #asked = new OpenQuestions()
  readonly #listeners = new Set<(reply: ControlReply) => void>()
  readonly #closed: Promise<ReachError>
  #end: (error: ReachError) => void = () => undefined
  #ended: ReachError | undefined
  #pinger: Timer | undefined
  #isProbing = false
  #nextId = 1
  /** When something went over it last, in either direction. */
  #lastBytesMs: number
  #seenAs: string | undefined
  #stunPorts: readonly number[] | undefined

  private constructor(socket: TLSSocket, via: ControlStream, runtime: Runtime) {
    this.#socket = socket
    this.via = via
    this.#runtime = runtime
    this.#lastBytesMs = runtime.clock.nowMs()
    this.relayChain = presentedChain(socket)
    this.#closed = new Promise((resolve) => (this.#end = resolve))
    socket.on('data', (chunk: Uint8Array) => this.#read(chunk))
    const onGone = () => {
      if (this.#ended === undefined) via.wasCut(runtime.clock.nowMs() - this.#lastBytesMs)
      this.#finish(
        new ReachError('ERR_REACH_RELAY_UNREACHABLE', 'the relay closed the connection', { hint: WAIT_HINT }),
      )
    }
    // A relay that was killed says goodbye, and the socket is open in our direction still.
    socket.once('end', onGone).once('close', onGone)
  }

  /**
   * Connects and ends the TLS handshake.
   * @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE, ERR_REACH_TLS, ERR_REACH_TLS_VERSION, and what `check` throws
   */
  static async open(options: ControlClientOptions): Promise<ControlClient> {
    const { runtime, relay, signal } = options
    using deadline = deadlineSignal(runtime.clock, CONNECT_TIMEOUT_MS, signal)
    try {
      return await dialerOf(options).dial(relay, trialOf(options), deadline.signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (error === deadline.signal.reason) throw unreachableRelay(relay, 'it does not answer', error)
      throw error
    }
  }

  /** The same over a better way, if there is one by now. Rejects only with the signal's reason. */
  static openBetter(
    options: ControlClientOptions & { readonly signal: AbortSignal },
    than: string,
  ): Promise<ControlClient | undefined> {
    return dialerOf(options).improve(options.relay, than, trialOf(options), options.signal)
  }

  /** TLS with the relay itself, whatever carries it: a stream that comes from another program fails here. */
  static async over(via: ControlStream, relay: Endpoint, runtime: Runtime): Promise<ControlClient> {
    const socket = connect({
      socket: via.stream,
      ...verificationOptions(),
      ...(isIp(relay.host) ? {} : { servername: relay.host }),
      ALPNProtocols: [CONTROL_ALPN],
      sigalgs: 'ed25519', // the relay has another certificate for the web
      rejectUnauthorized: false, // whoever opens the connection decides
      checkServerIdentity: () => undefined,
    })
    if (via.stream.destroyed) socket.destroy()
    try {
      await secured(socket)
    } catch (error) {
      throw tlsFailure(error)
    }
    return new ControlClient(socket, via, runtime)
  }

  /** Resolves with the reason when the connection is over. */
  get closed(): Promise<ReachError> {
    return this.#closed
  }

  get seenAs(): string | undefined {
    return this.#seenAs
  }

  get stunPorts(): readonly number[] | undefined {
    return this.#stunPorts
  }

  async ask<T extends ControlReply['type']>(
    request: Readonly<Record<string, unknown>>,
    types: readonly T[],
    signal?: AbortSignal,
  ): Promise<ReplyOf<T>> {
    using deadline = deadlineSignal(this.#runtime.clock, ANSWER_TIMEOUT_MS, signal)
    if (this.#ended !== undefined) throw this.#ended
    deadline.signal.throwIfAborted()
    const answer = this.#asked.add(request['id'], types, deadline.signal)
    this.#send(request)
    const reply = await answer
    if (isOneOf(reply, types)) return reply
    throw new ReachError('ERR_REACH_DECODE', `the relay answers ${reply.type}`)
  }

  watch(listener: (reply: ControlReply) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Says something that has no answer. */
  tell(request: Readonly<Record<string, unknown>>): void {
    this.#send(request)
  }

  /** Proves our key, bound to this very connection. @throws {ReachError} ERR_REACH_TRUST_… as the relay sees us */
  async authenticate(
    { chain, privateKey }: TlsCredentials,
    report: TrustReport,
    addresses: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReplyOf<'welcome'>> {
    const exported = this.#socket.exportKeyingMaterial(32, CONTROL_EXPORTER_LABEL, Buffer.alloc(0))
    const [relay] = this.relayChain
    const signature = sign(null, proofBytes(exported, relay?.spkiSha256 ?? ''), privateKey)
    const request = {
      type: 'authenticate',
      chain: chain.map(({ der }) => toBase64(der)),
      signature: toBase64(signature),
      addresses,
      ...report,
    }
    const welcome = await this.ask(request, ['welcome'], signal)
    this.#seenAs = welcome.seenAs
    this.#stunPorts = welcome.stunPorts
    return welcome
  }

  nextId(): number {
    return this.#nextId++
  }

  /** From now on, asks now and then whether the relay is still there; one that is silent ends the connection. */
  keepAlive(): void {
    const intervalMs = Math.min(PING_INTERVAL_MS, this.via.keepaliveMs ?? Infinity)
    this.#pinger = this.#runtime.clock.setTimer(intervalMs, () => {
      this.ask({ type: 'ping', id: this.nextId() }, ['pong']).then(
        () => this.keepAlive(),
        () => this.#fellSilent(),
      )
    })
    if (this.#ended !== undefined) this.#pinger.cancel()
  }

  /** Asks now whether the relay is still there: one that does not answer in some seconds ends the connection. */
  probe(): void {
    if (this.#isProbing || this.#ended !== undefined) return
    this.#isProbing = true
    const deadline = deadlineSignal(this.#runtime.clock, PROBE_TIMEOUT_MS)
    this.ask({ type: 'ping', id: this.nextId() }, ['pong'], deadline.signal)
      .catch(() => this.#fellSilent())
      .finally(() => {
        deadline[Symbol.dispose]()
        this.#isProbing = false
      })
  }

  close(): void {
    this.#finish(new ReachError('ERR_REACH_ABORTED', 'closed'))
  }

  #send(request: Readonly<Record<string, unknown>>): void {
    if (this.#ended !== undefined) return
    this.#lastBytesMs = this.#runtime.clock.nowMs()
    this.#socket.write(encodeFrame(request))
  }

  #read(chunk: Uint8Array): void {
    this.#lastBytesMs = this.#runtime.clock.nowMs()
    try {
      for (const text of this.#frames.push(chunk)) this.#take(decodeControlReply(text))
    } catch (error) {
      this.#finish(ReachError.is(error) ? error : tlsFailure(error))
    }
  }

  #take(reply: ControlReply): void {
    if (this.#asked.answer(reply)) return
    if (reply.type !== 'refused') for (const listener of [...this.#listeners]) listener(reply)
    else if (reply.id === undefined) this.#finish(refusalError(reply))
  }

  #fellSilent(): void {
    this.#finish(new ReachError('ERR_REACH_TIMEOUT', 'the relay has fallen silent', { hint: WAIT_HINT }))
  }

  #finish(error: ReachError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#pinger?.cancel()
    this.#socket.destroy()
    this.#asked.fail(error)
    this.#end(error)
  }
}

function isOneOf<T extends ControlReply['type']>(
  reply: ControlReply,
  types: readonly T[],
): reply is ReplyOf<T> {
  return types.some((type) => type === reply.type)
}

function dialerOf({ dialer, runtime }: ControlClientOptions): RelayDialer {
  return dialer ?? directDialer(runtime)
}

/** A way is good when the relay's own TLS comes through, and the relay is who it should be. */
function trialOf({ runtime, relay, check }: ControlClientOptions): StreamTrial<ControlClient> {
  return {
    async open(via, signal) {
      const onAbort = () => void via.stream.destroy()
      signal.addEventListener('abort', onAbort, { once: true })
      let client: ControlClient | undefined = undefined
      try {
        client = await ControlClient.over(via, relay, runtime)
        await check?.(client)
        return client
      } catch (error) {
        client?.close()
        signal.throwIfAborted()
        throw error
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    },
    discard: (client) => client.close(),
  }
}
