import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import { formatAddress } from '../../base/transport-address.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import {
  CheckKeys,
  encodeCheck,
  encodeCheckSuccess,
  readCheck,
  readCheckAnswer,
  readCheckMessage,
} from '../ice/connectivity-check.ts'
import { candidatePriority } from '../ice/candidate.ts'
import { transactionKey } from '../stun/message.ts'
import { announce } from './punch-announcement.ts'
import { PunchMeasurement } from './punch-measurement.ts'
import type { PunchMessage } from './punch-message.ts'
import type { PunchCounters, PunchEffect, PunchInput, PunchOptions } from './punch-options.ts'
import { chooseRecipe, traitsOf } from './punch-recipe.ts'
import type { PunchRecipe } from './punch-recipe.ts'
import { PunchTargets } from './punch-targets.ts'

/** Ours: a peer that is silent in signalling for so long has given up. */
const READY_TIMEOUT_MS = 5000
/** Ours: checks that answer a check, and nominations, are sent again after this, so many times. */
const REPEAT_MS = 150
const REPEATS = 4
const NOMINATION_REPEATS = 20
/** Ours: sources that are answered with checks of ours in one round; each has proven that it knows our password. */
const MAX_HEARD = 64
/** Ours: sources that make all our sockets turn to them: the peer's NAT has few ports towards us. */
const MAX_RETARGETS = 3

type Ready = Extract<PunchMessage, { kind: 'ready' }>
type TriedRecipe = Exclude<PunchRecipe, { name: 'none' }>

interface Sent {
  readonly socket: number
  readonly to: TransportAddress
  readonly isNomination: boolean
}

interface Repeat {
  readonly socket: number
  readonly to: TransportAddress
  readonly isNomination: boolean
  left: number
  dueMs: number
}

type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'measuring'; readonly measurement: PunchMeasurement }
  | { readonly kind: 'waiting'; readonly untilMs: number }
  | { readonly kind: 'ready'; readonly startMs: number; readonly peer: Ready }
  | {
      readonly kind: 'firing'
      readonly endMs: number
      readonly targets: PunchTargets
      dueMs: number | undefined
    }
  | {
      readonly kind: 'nominating'
      readonly endMs: number
      readonly socket: number
      readonly to: TransportAddress
    }
  | { readonly kind: 'connected'; readonly socket: number }
  | { readonly kind: 'failed' }

/**
 * Punches one hole by the recipe that follows from both sides' NATs (docs/nat.md): opens sockets, asks STUN servers how
 * they look from outside, tells the peer, starts together with it, fires, and agrees on one pair. What fails is tried
 * again from new ports. Every packet is an authenticated check of ICE, so nobody else can win.
 *
 * What a lying peer can make it do is bounded: packets go to the IPs that it announced (8 at most, and only where
 * `maySendTo` allows), at most 200 a second for 10 s. That at most one such storm runs at once, and one in 20 s, is up to
 * the driver, which sees all punches of the host.
 */
export class PunchMachine implements Machine<PunchInput, PunchEffect> {
  readonly counters: PunchCounters
  readonly recipe: PunchRecipe
  readonly #options: PunchOptions
  readonly #keys: CheckKeys
  readonly #tieBreaker: bigint
  readonly #effects: PunchEffect[] = []
  readonly #sent = new Map<string, Sent>()
  readonly #repeats: Repeat[] = []
  readonly #heard = new Set<string>()
  #phase: Phase = { kind: 'idle' }
  #round = 0
  #nextSocket = 0
  /** Sockets of this round that send, in order; then those that only ask. */
  #sockets: number[] = []
  #locals = new Map<number, TransportAddress>()
  #peerReady: Ready | undefined
  #peerGo = -1
  #retargets = 0
  #startedMs = 0

  constructor(options: PunchOptions) {
    this.#options = options
    this.#keys = new CheckKeys(options.localCredentials, options.remoteCredentials)
    this.recipe = chooseRecipe(options.ours, options.theirs, options.role === 'controlling')
    this.#tieBreaker = options.role === 'controlling' ? 1n : 0n
    this.counters = {
      recipe: this.recipe.name,
      rounds: 0,
      sockets: 0,
      packetsSent: 0,
      checksReceived: 0,
      elapsedMs: 0,
    }
  }

  handle(input: PunchInput, nowMs: number): void {
    switch (input.kind) {
      case 'start':
        this.#startedMs = nowMs
        if (this.recipe.name === 'none') this.#fail()
        else this.#beginRound(this.recipe, 1, nowMs)
        break
      case 'opened':
        this.#locals.set(input.socket, input.local)
        this.#measure((measurement) => measurement.opened(input.socket, nowMs))
        break
      case 'open-failed':
        this.#measure((measurement) => measurement.openFailed(input.socket))
        break
      case 'received':
        this.#receive(input, nowMs)
        break
      case 'send-failed':
        break
      case 'signal':
        this.#signalled(input.message, nowMs)
        break
      default:
        unreachable(input)
    }
    this.handleTimeout(nowMs)
  }

  handleTimeout(nowMs: number): void {
    if (this.#phase.kind === 'idle' || this.#phase.kind === 'failed') return
    if (this.#phase.kind !== 'connected') this.counters.elapsedMs = nowMs - this.#startedMs
    this.#advance(nowMs)
    this.#repeat(nowMs)
    this.#fire(nowMs)
  }

  get deadlineMs(): number | undefined {
    const phase = this.#phase
    const times = this.#repeats.map(({ dueMs }) => dueMs)
    if (phase.kind === 'measuring') times.push(phase.measurement.deadlineMs)
    if (phase.kind === 'waiting') times.push(phase.untilMs)
    if (phase.kind === 'ready') times.push(phase.startMs)
    if (phase.kind === 'firing' || phase.kind === 'nominating') times.push(phase.endMs)
    if (phase.kind === 'firing' && phase.dueMs !== undefined) times.push(phase.dueMs)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  poll(): PunchEffect | undefined {
    return this.#effects.shift()
  }

  #beginRound(recipe: TriedRecipe, round: number, nowMs: number): void {
    this.#closeAllBut(undefined)
    this.#round = round
    this.counters.rounds = round
    this.#sent.clear()
    this.#repeats.length = 0
    this.#heard.clear()
    this.#retargets = 0
    const { ours, servers, randomBytes } = this.#options
    const traits = traitsOf(ours)
    // Where a NAT preserves ports, the first packet of the punching socket has to go to the peer: another one asks.
    const asksApart = traits.isKnownOnce && ours.mapping !== 'none' && ours.mapping !== 'endpoint-independent'
    const searches = ours.portAllocation === 'block' && recipe.name !== 'plain'
    const askers = asksApart ? 1 : searches ? LEARNING_SOCKETS : 0
    const first = this.#nextSocket
    this.#nextSocket += recipe.ours.sockets + askers
    this.#sockets = Array.from({ length: recipe.ours.sockets + askers }, (_, i) => first + i)
    for (const socket of this.#sockets)
      this.#effects.push({ kind: 'open', socket, family: this.#options.family })
    this.counters.sockets += this.#sockets.length
    const punching = this.#sockets[0] ?? 0
    const asking = this.#sockets.slice(recipe.ours.sockets)
    const measurement = new PunchMeasurement(
      {
        sockets: this.#sockets,
        asking: asksApart ? asking : [punching, ...asking],
        servers,
        randomBytes,
      },
      nowMs,
    )
    this.#phase = { kind: 'measuring', measurement }
  }

  #measure(tell: (measurement: PunchMeasurement) => void): void {
    if (this.#phase.kind === 'measuring') tell(this.#phase.measurement)
  }

  #advance(nowMs: number): void {
    const phase = this.#phase
    switch (phase.kind) {
      case 'measuring':
        this.#askOn(phase.measurement, nowMs)
        if (phase.measurement.isDone(nowMs)) this.#announce(phase.measurement, nowMs)
        return
      case 'waiting':
        if (nowMs >= phase.untilMs) this.#fail()
        return
      case 'ready':
        if (nowMs >= phase.startMs) this.#startFiring(phase.peer, nowMs)
        return
      case 'firing':
      case 'nominating':
        if (nowMs >= phase.endMs) this.#endRound(nowMs)
        return
      default:
        return
    }
  }

  #askOn(measurement: PunchMeasurement, nowMs: number): void {
    for (const { socket, bytes, to } of measurement.takeRequests(nowMs)) {
      this.#effects.push({ kind: 'send', socket, bytes, to })
      this.counters.packetsSent++
    }
  }

  #announce(measurement: PunchMeasurement, nowMs: number): void {
    const seen = measurement.seen
    if (seen.length === 0) return this.#fail()
    const punching = this.#sockets[0] ?? 0
    const fresh = measurement.hasAsked(punching) ? undefined : this.#locals.get(punching)?.port
    this.#effects.push({ kind: 'signal', message: announce(this.#round, this.#options.ours, seen, fresh) })
    this.#phase = { kind: 'waiting', untilMs: nowMs + READY_TIMEOUT_MS }
    this.#startWhenBothReady(nowMs)
  }

  #signalled(message: PunchMessage, nowMs: number): void {
    if (message.kind === 'go') this.#peerGo = message.round
    else this.#peerReady = message
    if (this.recipe.name !== 'none' && this.#mayFollowTo(message.round)) {
      this.#beginRound(this.recipe, message.round, nowMs)
    }
    this.#startWhenBothReady(nowMs)
  }

  /** The peer gave a round up before us. */
  #mayFollowTo(round: number): boolean {
    if (this.recipe.name === 'none' || round > this.recipe.maxRounds || round <= this.#round) return false
    return this.#phase.kind === 'firing' || this.#phase.kind === 'ready' || this.#phase.kind === 'waiting'
  }

  /** The controlling side says go and waits until that has arrived; the other starts when it hears it. */
  #startWhenBothReady(nowMs: number): void {
    const peer = this.#peerReady
    if (this.#phase.kind !== 'waiting' || peer?.round !== this.#round) return
    if (this.#options.role === 'controlling') {
      this.#effects.push({ kind: 'signal', message: { kind: 'go', round: this.#round } })
      this.#phase = { kind: 'ready', startMs: nowMs + this.#options.signallingRttMs / 2, peer }
    } else if (this.#peerGo === this.#round) {
      this.#phase = { kind: 'ready', startMs: nowMs, peer }
    }
  }

  #startFiring(announced: Ready, nowMs: number): void {
    if (this.recipe.name === 'none') return
    const addresses = announced.addresses.filter(
      (address) => address.family === this.#options.family && this.#options.maySendTo(address),
    )
    const { name, ours, roundMs } = this.recipe
    const targets = new PunchTargets(
      ours,
      { ...announced, addresses },
      name === 'double-prediction',
      (below) => this.#draw(below),
    )
    this.#phase = { kind: 'firing', endMs: nowMs + roundMs, targets, dueMs: nowMs }
  }

  #fire(nowMs: number): void {
    const phase = this.#phase
    if (phase.kind !== 'firing' || this.recipe.name === 'none') return
    while (phase.dueMs !== undefined && nowMs >= phase.dueMs) {
      const shot = phase.targets.next()
      if (shot === undefined) {
        phase.dueMs = undefined
        return
      }
      const socket = this.#sockets[shot.index]
      if (socket !== undefined) this.#check({ socket, to: shot.to, isNomination: false }, shot.isOpener)
      // One socket opens twice in quick succession and goes on at once: the opener has made room already.
      const gapMs =
        shot.isOpener && this.recipe.ours.sockets === 1
          ? OPENER_GAP_MS
          : 1000 / this.recipe.ours.packetsPerSecond
      phase.dueMs += gapMs
    }
  }

  #check({ socket, to, isNomination }: Sent, isOpener = false): void {
    const id = this.#options.randomBytes(12)
    const bytes = encodeCheck(this.#keys, {
      transactionId: id,
      role: this.#options.role,
      tieBreaker: this.#tieBreaker,
      priority: candidatePriority('prflx', 65_535),
      useCandidate: isNomination,
    })
    const ttl = isOpener ? { ttl: this.#options.openerTtl ?? DEFAULT_OPENER_TTL } : {}
    this.#sent.set(transactionKey(id), { socket, to, isNomination })
    this.#effects.push({ kind: 'send', socket, bytes, to, ...ttl })
    this.counters.packetsSent++
  }

  #repeat(nowMs: number): void {
    for (const repeat of [...this.#repeats]) {
      if (repeat.dueMs > nowMs) continue
      this.#check(repeat)
      repeat.left--
      repeat.dueMs = nowMs + REPEAT_MS
      if (repeat.left <= 0) this.#repeats.splice(this.#repeats.indexOf(repeat), 1)
    }
  }

  #receive({ socket, bytes, from }: Extract<PunchInput, { kind: 'received' }>, nowMs: number): void {
    const message = readCheckMessage(bytes)
    if (message === undefined || message.class === 'indication') {
      // Answers of STUN servers have no FINGERPRINT where the request had none.
      this.#measure((measurement) => measurement.received(socket, bytes, from))
      return
    }
    if (message.class !== 'request') {
      this.#measure((measurement) => measurement.received(socket, bytes, from))
      const sent = this.#sent.get(transactionKey(message.transactionId))
      const answer = sent === undefined ? undefined : readCheckAnswer(message, this.#keys.remoteKey)
      if (sent?.socket === socket && answer?.kind === 'success') this.#answered(sent, nowMs)
      return
    }
    const check = readCheck(message, this.#keys.localUfrag, this.#keys.localKey, this.#keys.remoteUfrag)
    if (check === undefined || check.role === this.#options.role || !this.#options.maySendTo(from)) return
    if (this.#phase.kind === 'failed' || !this.#sockets.includes(socket)) return
    this.counters.checksReceived++
    const success = encodeCheckSuccess(this.#keys.localKey, check.transactionId, from)
    this.#effects.push({ kind: 'send', socket, bytes: success, to: from })
    this.counters.packetsSent++
    if (check.useCandidate && this.#options.role === 'controlled') this.#connect(socket, from)
    else this.#hear(socket, from, nowMs)
  }

  /** A check of the peer came through: check back to where it came from (RFC 8445 §7.3.1.4). */
  #hear(socket: number, from: TransportAddress, nowMs: number): void {
    const key = `${socket} ${formatAddress(from)}`
    const isOver = this.#phase.kind === 'connected' || this.#phase.kind === 'nominating'
    if (isOver || this.#heard.has(key) || this.#heard.size >= MAX_HEARD) return
    this.#heard.add(key)
    this.#repeats.push({ socket, to: from, isNomination: false, left: REPEATS, dueMs: nowMs })
    if (this.#phase.kind !== 'firing' || this.#retargets >= MAX_RETARGETS) return
    this.#retargets++
    this.#phase.targets.retarget(from)
    this.#phase.dueMs ??= nowMs
  }

  #answered({ socket, to, isNomination }: Sent, nowMs: number): void {
    if (this.#options.role === 'controlled') return
    if (isNomination) return this.#connect(socket, to)
    if (this.#phase.kind !== 'firing' && this.#phase.kind !== 'ready' && this.#phase.kind !== 'waiting')
      return
    this.#repeats.length = 0
    this.#repeats.push({ socket, to, isNomination: true, left: NOMINATION_REPEATS, dueMs: nowMs })
    this.#phase = { kind: 'nominating', endMs: nowMs + REPEAT_MS * NOMINATION_REPEATS, socket, to }
  }

  /** The socket stays open, and goes on to answer checks: the peer may have missed our answer. */
  #connect(socket: number, remote: TransportAddress): void {
    if (this.#phase.kind === 'connected') return
    this.#repeats.length = 0
    this.#closeAllBut(socket)
    this.#sockets = [socket]
    this.#phase = { kind: 'connected', socket }
    this.#effects.push({ kind: 'connected', socket, remote })
  }

  #endRound(nowMs: number): void {
    if (this.recipe.name === 'none' || this.#round >= this.recipe.maxRounds) return this.#fail()
    this.#beginRound(this.recipe, this.#round + 1, nowMs)
  }

  #fail(): void {
    this.#closeAllBut(undefined)
    this.#repeats.length = 0
    this.#sent.clear()
    this.#phase = { kind: 'failed' }
    this.#effects.push({ kind: 'failed' })
  }

  #closeAllBut(kept: number | undefined): void {
    for (const socket of this.#sockets) if (socket !== kept) this.#effects.push({ kind: 'close', socket })
    this.#sockets = []
  }

  #draw(below: number): number {
    const bytes = this.#options.randomBytes(4)
    return Math.floor((bytes.reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 32) * below)
  }
}

/** Ours: 32 samples find a block's ends to a 33rd of it (docs/nat.md). */
const LEARNING_SOCKETS = 32
/** Ours: past one NAT of ours. */
const DEFAULT_OPENER_TTL = 2
const OPENER_GAP_MS = 10
