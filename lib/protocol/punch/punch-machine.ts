import { unreachable } from '../../base/exhaustive.ts'
import type { Machine } from '../../base/machine.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { NOMINATION_REPEATS, PunchChecks, REPEAT_MS } from './punch-checks.ts'
import type { CheckNews } from './punch-checks.ts'
import type { PunchMessage } from './punch-message.ts'
import { PunchPeer } from './punch-peer.ts'
import type { Ready } from './punch-peer.ts'
import { isUnderWay, phaseDeadlineMs } from './punch-phase.ts'
import type { PunchPhase } from './punch-phase.ts'
import { newCounters } from './punch-options.ts'
import type { PunchCounters, PunchEffect, PunchInput, PunchOptions } from './punch-options.ts'
import { chooseRecipe } from './punch-recipe.ts'
import type { PunchRecipe } from './punch-recipe.ts'
import { PunchRound } from './punch-round.ts'
import type { TriedRecipe } from './punch-round.ts'
import { PunchTargets, drawNumber } from './punch-targets.ts'
import { PunchVolley } from './punch-volley.ts'

/** Ours: a peer that is silent in signalling for so long has given up. */
const READY_TIMEOUT_MS = 5000

/**
 * Punches one hole by the recipe that follows from both sides' NATs (docs/nat.md): opens sockets, asks STUN servers how
 * they look from outside, tells the peer, starts together with it, fires, and agrees on one pair. What fails is tried
 * again from new ports. Every packet is an authenticated check of ICE, so nobody else can win.
 *
 * What a lying peer can make it do is bounded (`punch-allowance.ts`): packets go to 8 IPs at most, announced or heard,
 * and only where `maySendTo` allows; at most 200 a second, for 10 s. That at most one such storm runs at once, and one
 * in 20 s, is up to the driver, which sees all punches of the host: it has a `StormBudget`.
 */
export class PunchMachine implements Machine<PunchInput, PunchEffect> {
  readonly counters: PunchCounters
  readonly recipe: PunchRecipe
  readonly #options: PunchOptions
  readonly #effects: PunchEffect[] = []
  readonly #checks: PunchChecks
  readonly #peer = new PunchPeer()
  #phase: PunchPhase = { kind: 'idle' }
  #round = 0
  #nextSocket = 0
  /** Those that are open. */
  #sockets: readonly number[] = []
  #startedMs = 0

  constructor(options: PunchOptions) {
    this.#options = options
    this.recipe = chooseRecipe(options.ours, options.theirs, options.role === 'controlling')
    this.counters = newCounters(this.recipe.name)
    this.#checks = new PunchChecks(options, this.counters, (effect) => this.#effects.push(effect))
  }

  handle(input: PunchInput, nowMs: number): void {
    switch (input.kind) {
      case 'start':
        this.#start(nowMs)
        break
      case 'opened':
        if (this.#phase.kind === 'measuring') this.#phase.round.opened(input.socket, input.local, nowMs)
        break
      case 'open-failed':
        if (this.#phase.kind === 'measuring') this.#phase.round.measurement.openFailed(input.socket)
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
    this.#checks.handleTimeout(nowMs)
    if (this.#phase.kind === 'firing') this.#phase.volley.fire(nowMs)
  }

  get deadlineMs(): number | undefined {
    const times = [phaseDeadlineMs(this.#phase), this.#checks.deadlineMs]
    return times.reduce((a, b) => (a === undefined || (b !== undefined && b < a) ? b : a), undefined)
  }

  poll(): PunchEffect | undefined {
    return this.#effects.shift()
  }

  #start(nowMs: number): void {
    if (this.#phase.kind !== 'idle') return
    this.#startedMs = nowMs
    if (this.recipe.name === 'none') this.#fail()
    else this.#beginRound(this.recipe, 1, nowMs)
  }

  #beginRound(recipe: TriedRecipe, number: number, nowMs: number): void {
    this.#closeAllBut(undefined)
    this.#checks.clear()
    const round = new PunchRound(number, recipe, this.#options, this.#nextSocket, nowMs)
    this.#round = number
    this.counters.rounds = number
    this.#sockets = round.sockets
    this.#nextSocket += round.sockets.length
    this.counters.sockets += round.sockets.length
    const { family } = this.#options
    for (const socket of round.sockets) this.#effects.push({ kind: 'open', socket, family })
    this.#phase = { kind: 'measuring', round }
  }

  #advance(nowMs: number): void {
    const phase = this.#phase
    switch (phase.kind) {
      case 'measuring':
        return this.#measureOn(phase.round, nowMs)
      case 'waiting':
        if (nowMs >= phase.untilMs) this.#fail()
        return
      case 'ready':
        if (nowMs >= phase.startMs) this.#startFiring(phase.peer, nowMs)
        return
      case 'firing':
      case 'nominating':
        if (nowMs >= phase.endMs) this.#nextRound(nowMs)
        return
      default:
        return
    }
  }

  #measureOn(round: PunchRound, nowMs: number): void {
    const { measurement } = round
    for (const { socket, bytes, to } of measurement.takeRequests(nowMs)) {
      this.#effects.push({ kind: 'send', socket, bytes, to })
      this.counters.packetsSent++
    }
    if (!measurement.isDone(nowMs)) return
    const message = round.announcement()
    if (message === undefined) return this.#fail()
    this.#effects.push({ kind: 'signal', message })
    this.#phase = { kind: 'waiting', untilMs: nowMs + READY_TIMEOUT_MS }
    this.#startWhenBothReady(nowMs)
  }

  #signalled(message: PunchMessage, nowMs: number): void {
    switch (message.kind) {
      case 'ready':
        this.#peerIsReady(message, nowMs)
        break
      case 'go':
        this.#peer.saidGo(message.round)
        break
      case 'over':
        return this.#peerGaveUp(message.heard)
      default:
        return unreachable(message)
    }
    this.#startWhenBothReady(nowMs)
  }

  #peerIsReady(ready: Ready, nowMs: number): void {
    const hasRestarted = this.#peer.announced(ready)
    const { recipe } = this
    if (!isUnderWay(this.#phase) || recipe.name === 'none') return
    // Its ports are new: ours have to be, and it follows us into the next round.
    if (hasRestarted) return this.#nextRound(nowMs)
    // It gave a round up before us.
    if (ready.round > this.#round && ready.round <= recipe.maxRounds) {
      this.#beginRound(recipe, ready.round, nowMs)
    }
  }

  #peerGaveUp(heard: boolean): void {
    this.counters.wasHeard ||= heard
    // Its sockets are closed: nothing can come of ours.
    if (isUnderWay(this.#phase)) this.#fail()
  }

  /** The controlling side says go and waits until that has arrived; the other starts when it hears it. */
  #startWhenBothReady(nowMs: number): void {
    const peer = this.#peer.readyFor(this.#round)
    if (this.#phase.kind !== 'waiting' || peer === undefined) return
    if (this.#options.role === 'controlling') {
      this.#effects.push({ kind: 'signal', message: { kind: 'go', round: this.#round } })
      this.#phase = { kind: 'ready', startMs: nowMs + this.#options.signallingRttMs / 2, peer }
    } else if (this.#peer.hasSaidGo(this.#round)) {
      this.#phase = { kind: 'ready', startMs: nowMs, peer }
    }
  }

  #startFiring(announced: Ready, nowMs: number): void {
    if (this.recipe.name === 'none') return
    const addresses = announced.addresses.filter((address) => this.#checks.maySendTo(address))
    const { name, ours, roundMs } = this.recipe
    const draw = (below: number) => drawNumber(this.#options.randomBytes, below)
    const targets = new PunchTargets(ours, { ...announced, addresses }, name === 'double-prediction', draw)
    const volley = new PunchVolley(ours, this.#sockets, targets, this.#checks, this.#round, nowMs)
    this.#phase = { kind: 'firing', endMs: nowMs + roundMs, volley }
  }

  #receive({ socket, bytes, from }: Extract<PunchInput, { kind: 'received' }>, nowMs: number): void {
    if (this.#phase.kind === 'failed' || !this.#sockets.includes(socket)) return
    // Answers of STUN servers have no FINGERPRINT where the request had none.
    if (this.#phase.kind === 'measuring') this.#phase.round.measurement.received(socket, bytes, from)
    const news = this.#checks.receive(socket, bytes, from, nowMs)
    if (news !== undefined) this.#heed(news, nowMs)
  }

  #heed(news: CheckNews, nowMs: number): void {
    switch (news.kind) {
      case 'heard':
        return news.isNew ? this.#hear(news.socket, news.from, nowMs) : undefined
      case 'nominated':
        return this.#connect(news.socket, news.from)
      case 'answered':
        if (this.#options.role === 'controlled') return
        return news.isNomination
          ? this.#connect(news.socket, news.to)
          : this.#nominate(news.socket, news.to, nowMs)
      default:
        return unreachable(news)
    }
  }

  #hear(socket: number, from: TransportAddress, nowMs: number): void {
    if (this.#phase.kind === 'connected' || this.#phase.kind === 'nominating') return
    this.#checks.checkBack(socket, from, nowMs)
    if (this.#phase.kind === 'firing') this.#phase.volley.turnTo(from, nowMs)
  }

  #nominate(socket: number, to: TransportAddress, nowMs: number): void {
    if (!['firing', 'ready', 'waiting'].includes(this.#phase.kind)) return
    this.#checks.nominate(socket, to, nowMs)
    this.#phase = { kind: 'nominating', endMs: nowMs + REPEAT_MS * NOMINATION_REPEATS }
  }

  /** The socket stays open, and goes on to answer checks: the peer may have missed our answer. */
  #connect(socket: number, remote: TransportAddress): void {
    if (this.#phase.kind === 'connected') return
    this.#checks.settle()
    this.#closeAllBut(socket)
    this.#sockets = [socket]
    this.#phase = { kind: 'connected' }
    this.#effects.push({ kind: 'connected', socket, remote })
  }

  #nextRound(nowMs: number): void {
    if (this.recipe.name === 'none' || this.#round >= this.recipe.maxRounds) return this.#fail()
    this.#beginRound(this.recipe, this.#round + 1, nowMs)
  }

  #fail(): void {
    this.#closeAllBut(undefined)
    this.#checks.clear()
    this.#phase = { kind: 'failed' }
    if (this.#round > 0) {
      const message: PunchMessage = { kind: 'over', round: this.#round, heard: this.counters.heard }
      this.#effects.push({ kind: 'signal', message })
    }
    this.#effects.push({ kind: 'failed' })
  }

  #closeAllBut(kept: number | undefined): void {
    for (const socket of this.#sockets) if (socket !== kept) this.#effects.push({ kind: 'close', socket })
    this.#sockets = []
  }
}
