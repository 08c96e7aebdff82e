import type { Runtime, SendError, StreamUdpSocket, UdpPacket } from '../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import { formatAddress } from '../base/transport-address.ts'
import { datagramKind } from '../net/udp-demux.ts'
import { readCheckMessage } from '../protocol/ice/connectivity-check.ts'
import { findAttribute, looksLikeStun, transactionKey } from '../protocol/stun/message.ts'
import { ReflexiveQuestion } from './reflexive-question.ts'

/** Ours: questions whose answers are still awaited, of all agents together; the oldest is forgotten beyond it. */
const MAX_QUESTIONS = 4096

/** RFC 8489 §5: the first two bytes of a Binding request, and where its transaction id is. */
const BINDING_REQUEST = [0, 1] as const
const TRANSACTION_ID = { start: 8, end: 20 } as const

/** An agent on a shared port. */
export interface DirectPortMember {
  /** The user name fragment by which others address it (RFC 8445 §7.2.2). */
  readonly localUfrag: string
  /** Checks that name it, and answers to what it asked. */
  readonly onPacket: (packet: UdpPacket) => void
  readonly onSendError?: (error: SendError) => void
}

/** A place on a shared port; dispose it to leave. */
export interface DirectPortSeat extends Disposable {
  /** Sends, and brings the answer when it is a request. */
  send(bytes: Uint8Array, to: TransportAddress): void
}

/**
 * One long-lived UDP socket of a family, shared by the ICE agents of all peers: one port in the NAT's table, one mapping
 * to lease. Checks find their agent by its fragment in USERNAME, answers by their transaction id, all else by whom it is
 * from. Whoever opens it closes it.
 */
export class DirectPort implements Disposable {
  readonly socket: StreamUdpSocket
  /** What is from nobody with a handler, and STUN that neither names an agent nor answers one: a relay's proof, say. */
  onOther: ((packet: UdpPacket) => void) | undefined
  readonly #runtime: Runtime
  readonly #members = new Map<string, DirectPortMember>()
  readonly #remotes = new Map<string, (packet: UdpPacket) => void>()
  readonly #askers = new Map<string, (packet: UdpPacket) => void>()
  readonly #questions = new Set<ReflexiveQuestion>()
  #isClosed = false

  private constructor(runtime: Runtime, socket: StreamUdpSocket) {
    this.#runtime = runtime
    this.socket = socket
    socket.onPacket = (packet) => this.#receive(packet)
    socket.onSendError = (error) => {
      for (const member of this.#members.values()) member.onSendError?.(error)
    }
  }

  /**
   * Binds to all addresses of a family; undefined where this system has no sockets with streams.
   * @throws {ReachError} as `Network.openUdp`
   */
  static async open(
    runtime: Runtime,
    family: AddressFamily,
    where: { readonly ip?: string; readonly port?: number } = {},
  ): Promise<DirectPort | undefined> {
    const socket = await runtime.network.openStreamUdp?.({ family, ...where })
    return socket === undefined ? undefined : new DirectPort(runtime, socket)
  }

  /** Where it is bound: the IP is unspecified unless one was given. */
  get local(): TransportAddress {
    return this.socket.local
  }

  /** @throws {RangeError} when the fragment is taken */
  join(member: DirectPortMember): DirectPortSeat {
    const { localUfrag, onPacket } = member
    if (this.#members.has(localUfrag)) throw new RangeError('an agent with that fragment is here already')
    this.#members.set(localUfrag, member)
    return {
      send: (bytes, to) => this.#send(bytes, to, onPacket),
      [Symbol.dispose]: () => {
        if (this.#members.get(localUfrag) === member) this.#members.delete(localUfrag)
        for (const [key, asker] of this.#askers) if (asker === onPacket) this.#askers.delete(key)
      },
    }
  }

  /** Takes what comes from an address and is no STUN; a later handler for the same address replaces it. */
  handleRemote(remote: TransportAddress, onPacket: (packet: UdpPacket) => void): Disposable {
    const key = formatAddress(remote)
    this.#remotes.set(key, onPacket)
    return {
      [Symbol.dispose]: () => {
        if (this.#remotes.get(key) === onPacket) this.#remotes.delete(key)
      },
    }
  }

  /** How this port looks from outside; undefined when the server does not answer within 2.2 s, or the signal fires. */
  async askReflexive(server: TransportAddress, signal?: AbortSignal): Promise<TransportAddress | undefined> {
    if (signal?.aborted === true || this.#isClosed) return undefined
    const question = new ReflexiveQuestion({
      runtime: this.#runtime,
      server,
      send: (bytes) => this.#send(bytes, server, onPacket),
    })
    const onAbort = () => question.giveUp()
    this.#questions.add(question)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await question.answer
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#questions.delete(question)
    }
    function onPacket(packet: UdpPacket): void {
      question.receive(packet)
    }
  }

  /** Idempotent. Streams of the socket fail, questions end without an answer. */
  close(): void {
    this.#isClosed = true
    for (const question of this.#questions) question.giveUp()
    this.#members.clear()
    this.#remotes.clear()
    this.#askers.clear()
    this.socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #send(bytes: Uint8Array, to: TransportAddress, asker: (packet: UdpPacket) => void): void {
    if (bytes[0] === BINDING_REQUEST[0] && bytes[1] === BINDING_REQUEST[1]) {
      const key = transactionKey(bytes.subarray(TRANSACTION_ID.start, TRANSACTION_ID.end))
      this.#askers.set(key, asker)
      const [oldest] = this.#askers.size > MAX_QUESTIONS ? this.#askers.keys() : []
      if (oldest !== undefined) this.#askers.delete(oldest)
    }
    this.socket.send(bytes, to)
  }

  #receive(packet: UdpPacket): void {
    const { bytes, from } = packet
    if (datagramKind(bytes) !== 'stun') {
      const handler = this.#remotes.get(formatAddress(from)) ?? this.onOther
      return handler?.(packet)
    }
    if (!looksLikeStun(bytes)) return
    // An answer may come twice, so what was asked is not forgotten with the first.
    const asker = this.#askers.get(transactionKey(bytes.subarray(TRANSACTION_ID.start, TRANSACTION_ID.end)))
    if (asker !== undefined && bytes[0] !== BINDING_REQUEST[0]) return asker(packet)
    const member = this.#addressee(bytes)
    if (member === undefined) this.onOther?.(packet)
    else member.onPacket(packet)
  }

  /** Whom a check names. Whether it was made by somebody who may, the agent finds out. */
  #addressee(bytes: Uint8Array): DirectPortMember | undefined {
    const message = readCheckMessage(bytes)
    if (message?.class !== 'request') return undefined
    const [ufrag = ''] = findAttribute(message, 'username')?.value.split(':') ?? []
    return this.#members.get(ufrag)
  }
}
