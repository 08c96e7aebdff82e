import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress } from '../../base/transport-address.ts'
import { distinctAddresses, ownAddresses } from './tcp-punch-addresses.ts'
import type { TcpPunchMessage } from './tcp-punch-message.ts'
import type { TcpPunchEffect, TcpPunchInput, TcpPunchOptions } from './tcp-punch-options.ts'

/** Ours: TCP repeats a SYN that was dropped after 1 s (RFC 6298 §2), so a round holds two of them. */
const ROUND_MS = 3000
export const MAX_TCP_ROUNDS = 3
/** Ours: for a server to say how it sees us; then, how long the second may be behind the first. */
const ASK_MS = 3000
const SECOND_ANSWER_MS = 300
const ASKED_SERVERS = 2
/** Ours: the peer may be asking all the time that it has, and its word takes a while; then it has given up. */
const READY_TIMEOUT_MS = 2 * ASK_MS
/**
 * Ours: a refused SYN is sent again after so long, drawn anew each time: the two sides' SYNs have to cross on the way
 * between the NATs, and two that keep step never might.
 */
const RETRY_MS = { min: 50, spread: 50 }
/** Ours: what a NAT or its firewall answers to a SYN that it does not expect (a reset, or one of ICMP's refusals). */
const RETRIED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH'])
/** Ours: from where servers listen up to where Linux begins to take ports by itself (32768). */
const PORTS = { first: 10_000, count: 22_768 }
/** Ours: a port is taken once in many thousand times; a host where four are has another trouble. */
const MAX_PORTS_OF_ROUND = 4

type Ready = Extract<TcpPunchMessage, { kind: 'ready' }>

interface Asking {
  readonly kind: 'asking'
  readonly missing: Set<string>
  readonly seen: TransportAddress[]
  untilMs: number
}

interface Connecting {
  readonly kind: 'connecting'
  readonly endMs: number
  readonly retries: Map<string, { readonly to: TransportAddress; readonly dueMs: number }>
}

type Phase =
  | { readonly kind: 'idle' }
  | Asking
  | { readonly kind: 'waiting'; readonly untilMs: number; readonly isHopeless: boolean }
  | { readonly kind: 'ready'; readonly startMs: number; readonly peer: Ready }
  | Connecting
  | { readonly kind: 'over' }

/**
 * Opens a TCP connection from both sides at once (RFC 9293 §3.5), through NATs that let in only what answers: each SYN
 * makes room for the other one. Round by round, from a new port each time: asks servers how that port looks from outside,
 * tells the peer, starts together with it. A port that is listened on can't be connected from, so none is.
 *
 * What a lying peer can make it do is bounded: it connects to at most four addresses a round, where `maySendTo` allows,
 * and to each some forty times in 3 s, three rounds long.
 */
export class TcpPunchMachine implements Machine<TcpPunchInput, TcpPunchEffect> {
  readonly #options: TcpPunchOptions
  readonly #effects: TcpPunchEffect[] = []
  #phase: Phase = { kind: 'idle' }
  #round = 0
  #port = 0
  #portsOfRound = 0
  #peerReady: Ready | undefined
  #peerGo = 0

  constructor(options: TcpPunchOptions) {
    this.#options = options
  }

  /** Rounds that were begun. */
  get rounds(): number {
    return this.#round
  }

  get deadlineMs(): number | undefined {
    const phase = this.#phase
    switch (phase.kind) {
      case 'asking':
      case 'waiting':
        return phase.untilMs
      case 'ready':
        return phase.startMs
      case 'connecting':
        return Math.min(phase.endMs, ...[...phase.retries.values()].map(({ dueMs }) => dueMs))
      default:
        return undefined
    }
  }

  poll(): TcpPunchEffect | undefined {
    return this.#effects.shift()
  }

  handle(input: TcpPunchInput, nowMs: number): void {
    switch (input.kind) {
      case 'start':
        if (this.#phase.kind === 'idle') this.#beginRound(1, nowMs)
        break
      case 'mapped':
        this.#mapped(input)
        break
      case 'port-taken':
        if (input.port === this.#port && this.#phase.kind === 'asking') this.#takeAnotherPort(nowMs)
        break
      case 'signal':
        this.#signalled(input.message, nowMs)
        break
      case 'connect-failed':
        if (input.port === this.#port && RETRIED.has(input.code)) this.#retryLater(input.to, nowMs)
        break
      default:
        unreachable(input)
    }
    this.handleTimeout(nowMs)
  }

  handleTimeout(nowMs: number): void {
    const phase = this.#phase
    switch (phase.kind) {
      case 'asking':
        return this.#endAsking(phase, nowMs)
      case 'waiting':
        return nowMs >= phase.untilMs ? this.#end() : undefined
      case 'ready':
        return nowMs >= phase.startMs ? this.#connect(phase.peer, nowMs) : undefined
      case 'connecting':
        return nowMs >= phase.endMs ? this.#endRound(nowMs) : this.#retry(phase, nowMs)
      default:
        return
    }
  }

  #beginRound(round: number, nowMs: number): void {
    if (this.#round > 0) this.#effects.push({ kind: 'release', port: this.#port })
    this.#round = round
    this.#portsOfRound = 0
    this.#ask(nowMs)
  }

  #ask(nowMs: number): void {
    this.#portsOfRound++
    this.#port = PORTS.first + this.#draw(PORTS.count)
    const { servers } = this.#options
    const first = ((this.#round - 1) * ASKED_SERVERS) % Math.max(1, servers.length)
    const asked = distinctAddresses([...servers.slice(first), ...servers]).slice(0, ASKED_SERVERS)
    const missing = new Set(asked.map(formatAddress))
    this.#phase = { kind: 'asking', missing, seen: [], untilMs: nowMs + ASK_MS }
    for (const server of asked) this.#effects.push({ kind: 'ask', port: this.#port, server })
  }

  #takeAnotherPort(nowMs: number): void {
    this.#effects.push({ kind: 'release', port: this.#port })
    if (this.#portsOfRound < MAX_PORTS_OF_ROUND) this.#ask(nowMs)
    else this.#end()
  }

  #mapped({ port, server, mapped }: Extract<TcpPunchInput, { kind: 'mapped' }>): void {
    if (this.#phase.kind !== 'asking' || port !== this.#port) return
    if (this.#phase.missing.delete(formatAddress(server)) && mapped !== undefined)
      this.#phase.seen.push(mapped)
  }

  #endAsking(phase: Asking, nowMs: number): void {
    if (phase.seen.length > 0) phase.untilMs = Math.min(phase.untilMs, nowMs + SECOND_ANSWER_MS)
    if (phase.missing.size > 0 && nowMs < phase.untilMs) return
    const addresses = ownAddresses(this.#options, this.#port, phase.seen)
    this.#effects.push({ kind: 'signal', message: { kind: 'ready', round: this.#round, addresses } })
    const isHopeless = addresses.length === 0
    this.#phase = { kind: 'waiting', untilMs: nowMs + READY_TIMEOUT_MS, isHopeless }
    this.#startWhenBothReady(nowMs)
  }

  #signalled(message: TcpPunchMessage, nowMs: number): void {
    if (message.round > MAX_TCP_ROUNDS || message.round < this.#round) return
    if (message.kind === 'go') this.#peerGo = message.round
    else this.#peerReady = message
    const hasBegun = this.#phase.kind !== 'idle' && this.#phase.kind !== 'over'
    // The peer gave a round up before us.
    if (hasBegun && message.round > this.#round) this.#beginRound(message.round, nowMs)
    this.#startWhenBothReady(nowMs)
  }

  /** The controlling side says go and waits until that has arrived; the other starts when it hears it. */
  #startWhenBothReady(nowMs: number): void {
    const peer = this.#peerReady
    if (this.#phase.kind !== 'waiting' || peer?.round !== this.#round) return
    // Nobody saw the port of one side, which both know: the next round asks others.
    if (this.#phase.isHopeless || peer.addresses.length === 0) return this.#endRound(nowMs)
    if (this.#options.role === 'controlling') {
      this.#effects.push({ kind: 'signal', message: { kind: 'go', round: this.#round } })
      this.#phase = { kind: 'ready', startMs: nowMs + this.#options.signallingRttMs / 2, peer }
    } else if (this.#peerGo === this.#round) {
      this.#phase = { kind: 'ready', startMs: nowMs, peer }
    }
  }

  #connect({ addresses }: Ready, nowMs: number): void {
    this.#phase = { kind: 'connecting', endMs: nowMs + ROUND_MS, retries: new Map() }
    const { maySendTo } = this.#options
    for (const to of distinctAddresses(addresses)) if (maySendTo(to)) this.#connectTo(to)
  }

  #connectTo(to: TransportAddress): void {
    this.#effects.push({ kind: 'connect', port: this.#port, to })
  }

  #retryLater(to: TransportAddress, nowMs: number): void {
    if (this.#phase.kind !== 'connecting') return
    const dueMs = nowMs + RETRY_MS.min + this.#draw(RETRY_MS.spread)
    this.#phase.retries.set(formatAddress(to), { to, dueMs })
  }

  #retry({ retries }: Connecting, nowMs: number): void {
    for (const [key, { to, dueMs }] of retries) {
      if (dueMs > nowMs) continue
      retries.delete(key)
      this.#connectTo(to)
    }
  }

  #endRound(nowMs: number): void {
    if (this.#round >= MAX_TCP_ROUNDS) this.#end()
    else this.#beginRound(this.#round + 1, nowMs)
  }

  #end(): void {
    this.#phase = { kind: 'over' }
    this.#effects.push({ kind: 'release', port: this.#port }, { kind: 'over' })
  }

  #draw(below: number): number {
    const bytes = this.#options.randomBytes(4)
    return Math.floor((bytes.reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 32) * below)
  }
}
