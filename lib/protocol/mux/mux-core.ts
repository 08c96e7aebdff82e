import { Fifo } from '../../base/fifo.ts'
import { ControlQueue } from './control-queue.ts'
import { INITIAL_WINDOW, MAX_STREAM_ID } from './frame.ts'
import { GO_AWAY_CODES } from './go-away.ts'
import { Keepalive } from './keepalive.ts'
import type { MuxEnd, MuxEvent } from './mux-event.ts'
import { muxOptions } from './mux-options.ts'
import type { MuxOptions, MuxSetup } from './mux-options.ts'
import { PeerStreamIds } from './peer-stream-ids.ts'
import { ReceiveBudget } from './receive-budget.ts'
import { ReceiveWindow } from './receive-window.ts'
import { RESET_REASONS } from './reset-reason.ts'
import { StreamRecord } from './stream-record.ts'
import type { StreamHost, StreamSubject } from './stream-record.ts'
import { StreamRing } from './stream-ring.ts'
import { violation } from './violation.ts'

/** Ours: resets that the link has not taken yet. Who opens more streams with that many unread answers is no peer. */
export const MAX_PENDING_RESETS = 8192

/** A reset that is to be sent; its stream is forgotten already. */
export interface PendingReset {
  readonly id: number
  readonly code: number
}

/** Why no stream can be opened now. */
export type OpenRefusal = 'too-many-streams' | 'draining' | 'ids-exhausted' | 'ended'

/** What the halves of a session share: its streams, what is due to be sent, and how streams begin and end. */
export class MuxCore implements StreamHost {
  readonly setup: MuxSetup
  readonly options: MuxOptions
  readonly budget: ReceiveBudget
  readonly keepalive: Keepalive
  readonly ids: PeerStreamIds
  readonly streams = new Map<number, StreamRecord>()
  readonly events = new Fifo<MuxEvent>()
  /** Streams whose turn on the link will come, in that order. */
  readonly ready = new StreamRing<StreamRecord>()
  /** Streams of ours that wait until the peer has answered others: those of which it has not heard, in order. */
  readonly parked = new StreamRing<StreamRecord>()
  /** Streams that owe an acknowledgement or credit. */
  readonly control = new ControlQueue<StreamRecord>()
  readonly resets = new Fifo<PendingReset>()
  /** Values of pings that are to be answered. */
  readonly pongs: number[] = []
  /** The code of a go away that is to be sent. */
  goAwayDue: number | undefined
  end: MuxEnd | undefined
  isDraining = false
  isPeerDraining = false
  /** Streams of the peer that we have not decided on. */
  offered = 0
  /** Data that may still come for streams that are over: what their windows allowed when they were forgotten. */
  orphanAllowance = 0
  #ours = 0
  /** Streams of ours that the peer has not answered, or will hear of next. */
  #unanswered = 0
  #nextId: number

  constructor(setup: MuxSetup, nowMs: number) {
    this.setup = setup
    this.options = muxOptions(setup)
    this.budget = new ReceiveBudget(this.options.receive)
    this.keepalive = new Keepalive(this.options.keepalive, nowMs)
    const isInitiator = setup.role === 'initiator'
    this.#nextId = isInitiator ? 1 : 2
    this.ids = new PeerStreamIds(isInitiator ? 2 : 1)
  }

  get openRefusal(): OpenRefusal | undefined {
    if (this.end !== undefined) return 'ended'
    if (this.isDraining || this.isPeerDraining) return 'draining'
    if (this.#nextId > MAX_STREAM_ID) return 'ids-exhausted'
    return this.#ours >= this.options.maxStreams ? 'too-many-streams' : undefined
  }

  get peerStreams(): number {
    return this.streams.size - this.#ours
  }

  openOurs(subject: StreamSubject, nowMs: number): StreamRecord {
    const id = this.#nextId
    this.#nextId += 2
    this.#ours++
    const record = this.#add(id, true, subject, nowMs)
    this.parked.append(record)
    this.#unpark()
    return record
  }

  openPeers(id: number, subject: StreamSubject, nowMs: number): StreamRecord {
    this.offered++
    const record = this.#add(id, false, subject, nowMs)
    this.events.push({ kind: 'open', stream: record })
    return record
  }

  /** True for a stream id that the peer may speak of although we don't know it any more. */
  isPast(id: number): boolean {
    return this.ids.isPeers(id) ? this.ids.wasUsed(id) : id < this.#nextId
  }

  schedule(record: StreamRecord): void {
    if (record.ring === undefined && record.isSendable) this.ready.append(record)
  }

  scheduleControl(record: StreamRecord): void {
    this.control.add(record)
  }

  accepted(record: StreamRecord): void {
    this.offered--
    this.control.add(record)
  }

  consumed(record: StreamRecord, length: number, nowMs: number): void {
    const isDue = record.window.consume(length, this.keepalive.rttMs, nowMs)
    if (!isDue) return
    this.keepalive.wantSample(nowMs)
    this.control.add(record)
  }

  /** The peer has accepted a stream of ours. */
  answered(record: StreamRecord): void {
    record.opening = 'established'
    this.#freeSlot()
  }

  abandon(record: StreamRecord, code: number): void {
    this.tearDown(record)
    if (record.isKnownToPeer) this.resets.push({ id: record.id, code })
    this.#endIfDrained()
  }

  /** The peer reset a stream. */
  wasReset(record: StreamRecord, code: number): void {
    this.events.push({ kind: 'reset', stream: record, code, by: 'peer' })
    this.tearDown(record)
    this.#endIfDrained()
  }

  /** The peer opens a stream, whatever becomes of it. @throws {ReachError} ERR_REACH_PROTOCOL for too many */
  admitOpening(): void {
    if (this.resets.length < MAX_PENDING_RESETS) return
    throw violation('it opens streams and does not read the answers', { resets: this.resets.length })
  }

  /** Refuses a stream that is not, and will not be, in our books. */
  refuse(id: number, code: number): void {
    this.orphanAllowance += INITIAL_WINDOW
    this.resets.push({ id, code })
  }

  /** A stream that makes us hold too much goes, so that the others can stay. @returns whether it went */
  dropIfTooMuch(record: StreamRecord): boolean {
    if (!this.budget.isTooMuch(record.window.held, this.streams.size)) return false
    const code = RESET_REASONS['too-slow']
    this.events.push({ kind: 'reset', stream: record, code, by: 'us' })
    this.abandon(record, code)
    return true
  }

  /** The peer's direction has ended: it wants no credit any more. */
  endReceiving(record: StreamRecord): void {
    record.receiving = 'ended'
    record.window.end()
    if (record.opening !== 'ack-due') this.control.remove(record)
  }

  /** Ends a stream whose both directions have ended. */
  finishIfEnded(record: StreamRecord): void {
    if (record.life !== 'live' || record.sending !== 'ended' || record.receiving !== 'ended') return
    record.life = 'finished'
    this.#forget(record)
    this.events.push({ kind: 'closed', stream: record })
    this.#endIfDrained()
  }

  /** We take no new streams; the session ends with the last one that is open. */
  drain(): void {
    if (this.end !== undefined || this.isDraining) return
    this.isDraining = true
    this.goAwayDue = GO_AWAY_CODES.normal
    this.#endIfDrained()
  }

  /** Ends the session. @param goAway what the peer is told; undefined for nothing */
  finish(end: MuxEnd, goAway: number | undefined): void {
    if (this.end !== undefined) return
    this.end = end
    for (const record of [...this.streams.values()]) this.tearDown(record)
    this.pongs.length = 0
    if (end.kind !== 'finished') {
      this.resets.clear()
      this.goAwayDue = goAway
    }
    this.events.push({ kind: 'ended', end })
  }

  /** A stream is over, without a word to anybody. */
  tearDown(record: StreamRecord): void {
    record.life = 'reset'
    this.#forget(record)
    if (record.receiving === 'open') this.orphanAllowance += record.window.available
    record.window.close()
    record.queue.clear()
  }

  #add(id: number, isOurs: boolean, subject: StreamSubject, nowMs: number): StreamRecord {
    const window = new ReceiveWindow(this.budget, this.options.maxWindow, nowMs)
    const record = new StreamRecord(this, id, isOurs, subject, window)
    this.streams.set(id, record)
    return record
  }

  #forget(record: StreamRecord): void {
    this.streams.delete(record.id)
    this.control.remove(record)
    record.ring?.remove(record)
    if (record.isOurs) this.#ours--
    if (record.opening === 'offered') this.offered--
    if (record.opening === 'syn-due' || record.opening === 'syn-sent') this.#freeSlot()
  }

  /** One stream less waits for an answer: the next one may go. */
  #freeSlot(): void {
    this.#unanswered--
    this.#unpark()
  }

  /** Each has its slot before it queues for the link: so no stream overtakes another one that was opened earlier. */
  #unpark(): void {
    if (this.#unanswered >= this.options.maxUnaccepted) return
    const next = this.parked.shift()
    if (next === undefined) return
    this.#unanswered++
    next.opening = 'syn-due'
    this.ready.append(next)
  }

  #endIfDrained(): void {
    if (this.isDraining && this.streams.size === 0) this.finish({ kind: 'finished' }, undefined)
  }
}
