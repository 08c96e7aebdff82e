import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../../../lib/base/transport-address.ts'
import { CheckKeys, encodeCheck, iceCredentials } from '../../../../lib/protocol/ice/connectivity-check.ts'
import type { CheckParts } from '../../../../lib/protocol/ice/connectivity-check.ts'
import { PunchMachine } from '../../../../lib/protocol/punch/punch-machine.ts'
import type { PunchEffect, PunchInput, PunchOptions } from '../../../../lib/protocol/punch/punch-options.ts'
import { decodeStun, encodeStun } from '../../../../lib/protocol/stun/message.ts'
import { SeededRandom } from '../../../sim/seeded-random.ts'

const SERVER = transportAddress('198.51.100.1', 3478)

/** A packet that the machine sent. */
export interface SentPacket {
  readonly atMs: number
  readonly to: TransportAddress
  readonly bytes: Uint8Array
}

/** One machine on virtual time, whose sockets open at once and whose STUN server answers; the peer is the test. */
export class PunchRun {
  nowMs = 0
  readonly machine: PunchMachine
  readonly effects: PunchEffect[] = []
  /** Towards the peer, or whom it named. */
  readonly packets: SentPacket[] = []
  readonly openSockets = new Set<number>()
  readonly #theirKeys: CheckKeys
  readonly #random: SeededRandom

  constructor(options: Pick<PunchOptions, 'ours' | 'theirs' | 'role'> & Partial<PunchOptions>, seed = 1) {
    const random = new SeededRandom(seed)
    const [ours, theirs] = [iceCredentials(random.bytes(24)), iceCredentials(random.bytes(24))]
    this.#random = random
    this.#theirKeys = new CheckKeys(theirs, ours)
    this.machine = new PunchMachine({
      family: 'ipv4',
      localCredentials: ours,
      remoteCredentials: theirs,
      servers: [SERVER],
      signallingRttMs: 100,
      maySendTo: () => true,
      randomBytes: (length) => random.bytes(length),
      ...options,
    })
  }

  /** A check as only the peer can make it. */
  theirCheck(parts: Partial<CheckParts> = {}): Uint8Array {
    const role = 'controlled'
    const transactionId = this.#random.bytes(12)
    return encodeCheck(this.#theirKeys, { transactionId, role, tieBreaker: 0n, priority: 1, ...parts })
  }

  feed(input: PunchInput): void {
    this.machine.handle(input, this.nowMs)
    this.#drain()
  }

  receive(bytes: Uint8Array, from: TransportAddress, socket = [...this.openSockets][0] ?? 0): void {
    this.feed({ kind: 'received', socket, bytes, from })
  }

  /** Lets time pass, deadline by deadline. */
  runUntil(endMs: number): void {
    for (let turns = 0; turns < 100_000; turns++) {
      const dueMs = this.machine.deadlineMs
      if (dueMs === undefined || dueMs > endMs) break
      this.nowMs = Math.max(this.nowMs, dueMs)
      this.machine.handleTimeout(this.nowMs)
      this.#drain()
    }
    this.nowMs = endMs
  }

  kinds(): string[] {
    return this.effects.map(({ kind }) => kind)
  }

  /** The most packets to the peer in any second. */
  get peakPerSecond(): number {
    let [peak, first] = [0, 0]
    for (const [last, { atMs }] of this.packets.entries()) {
      while ((this.packets[first]?.atMs ?? 0) <= atMs - 1000) first++
      peak = Math.max(peak, last - first + 1)
    }
    return peak
  }

  get ips(): ReadonlySet<string> {
    return new Set(this.packets.map(({ to }) => to.ip))
  }

  #drain(): void {
    for (let effect = this.machine.poll(); effect !== undefined; effect = this.machine.poll()) {
      this.#perform(effect)
    }
  }

  #perform(effect: PunchEffect): void {
    if (effect.kind === 'open') {
      this.openSockets.add(effect.socket)
      const local = transportAddress('10.0.0.2', 20_000 + effect.socket)
      this.machine.handle({ kind: 'opened', socket: effect.socket, local }, this.nowMs)
    } else if (effect.kind === 'close') {
      this.openSockets.delete(effect.socket)
    } else if (effect.kind === 'send') {
      const { to, bytes } = effect
      if (to.ip === SERVER.ip) this.#answer(effect.socket, bytes)
      else this.packets.push({ atMs: this.nowMs, to, bytes })
    } else {
      this.effects.push(effect)
    }
  }

  #answer(socket: number, request: Uint8Array): void {
    const { method, transactionId } = decodeStun(request)
    const address = transportAddress('203.0.113.1', 30_000 + socket)
    const attributes = [{ type: 'xor-mapped-address', address }] as const
    const bytes = encodeStun({ class: 'success', method, transactionId, attributes })
    this.machine.handle({ kind: 'received', socket, bytes, from: SERVER }, this.nowMs)
  }
}
