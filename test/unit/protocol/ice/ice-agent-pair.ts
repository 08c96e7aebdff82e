import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type { TransportAddress } from '../../../../lib/base/transport-address.ts'
import { localCandidate } from '../../../../lib/protocol/ice/candidate.ts'
import type { IceRole } from '../../../../lib/protocol/ice/candidate-pair.ts'
import { iceCredentials } from '../../../../lib/protocol/ice/connectivity-check.ts'
import { IceAgent } from '../../../../lib/protocol/ice/ice-agent.ts'
import type { IceAgentOptions, IceEffect } from '../../../../lib/protocol/ice/ice-agent-options.ts'
import { SeededRandom } from '../../../sim/seeded-random.ts'

/** One packet on the wire between two agents. */
export interface WirePacket {
  readonly bytes: Uint8Array
  readonly from: TransportAddress
  readonly to: TransportAddress
}

/** An agent with one socket, number 1, and what it told. */
export class TestPeer {
  readonly agent: IceAgent
  readonly address: TransportAddress
  readonly credentials
  readonly told: IceEffect[] = []

  constructor(ip: string, role: IceRole, seed: number, options: Partial<IceAgentOptions> = {}) {
    const random = new SeededRandom(seed)
    this.address = transportAddress(ip, 5000)
    this.credentials = iceCredentials(random.bytes(24))
    const randomBytes = (length: number) => random.bytes(length)
    this.agent = new IceAgent({
      role,
      credentials: this.credentials,
      randomBytes,
      maySendTo: () => true,
      ...options,
    })
  }

  get candidate() {
    return localCandidate({ type: 'host', address: this.address, base: this.address, socket: 1 })
  }

  kinds(): string[] {
    return this.told.map(({ kind }) => kind)
  }
}

/** Two agents and a wire that takes 10 ms; what `passes` refuses is lost. */
export class AgentPair {
  nowMs = 0
  readonly packets: WirePacket[] = []
  passes: (packet: WirePacket) => boolean = () => true
  readonly #wire: { readonly dueMs: number; readonly packet: WirePacket }[] = []
  readonly a: TestPeer
  readonly b: TestPeer

  constructor(a: TestPeer, b: TestPeer) {
    this.a = a
    this.b = b
  }

  /** Exchanges credentials and candidates. */
  introduce(): void {
    for (const [one, other] of [
      [this.a, this.b],
      [this.b, this.a],
    ] as const) {
      one.agent.handle({ kind: 'local-candidate', candidate: one.candidate }, this.nowMs)
      one.agent.handle({ kind: 'local-end' }, this.nowMs)
      one.agent.handle({ kind: 'remote-credentials', credentials: other.credentials }, this.nowMs)
      one.agent.handle({ kind: 'remote-candidate', candidate: other.candidate }, this.nowMs)
      one.agent.handle({ kind: 'remote-end' }, this.nowMs)
    }
  }

  runUntil(endMs: number): void {
    for (;;) {
      this.#drain()
      const times = [
        this.a.agent.deadlineMs,
        this.b.agent.deadlineMs,
        ...this.#wire.map(({ dueMs }) => dueMs),
      ].filter((time) => time !== undefined)
      const nextMs = Math.max(this.nowMs, Math.min(...times))
      if (nextMs > endMs) break
      this.nowMs = nextMs
      this.#deliver()
      for (const { agent } of [this.a, this.b]) agent.handleTimeout(this.nowMs)
    }
    this.nowMs = endMs
  }

  #drain(): void {
    for (const peer of [this.a, this.b]) {
      for (let effect = peer.agent.poll(); effect !== undefined; effect = peer.agent.poll()) {
        if (effect.kind !== 'send') {
          peer.told.push(effect)
          continue
        }
        const packet = { bytes: effect.bytes, from: peer.address, to: effect.to }
        this.packets.push(packet)
        if (this.passes(packet)) this.#wire.push({ dueMs: this.nowMs + 10, packet })
      }
    }
  }

  #deliver(): void {
    for (let i = 0; i < this.#wire.length;) {
      const entry = this.#wire[i]
      if (entry === undefined || entry.dueMs > this.nowMs) {
        i++
        continue
      }
      this.#wire.splice(i, 1)
      const { bytes, from, to } = entry.packet
      const peer = [this.a, this.b].find(({ address }) => address.ip === to.ip && address.port === to.port)
      peer?.agent.handle({ kind: 'received', socket: 1, bytes, from }, this.nowMs)
    }
  }
}
