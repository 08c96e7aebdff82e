import { EventEmitter, once } from 'node:events'
import { Driver } from '../../../lib/net/driver.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { openUdp } from '../../../lib/net/udp-socket.ts'
import type { NodeUdpSocket } from '../../../lib/net/udp-socket.ts'
import { formatCandidate, parseCandidate } from '../../../lib/protocol/ice/candidate-text.ts'
import { localCandidate } from '../../../lib/protocol/ice/candidate.ts'
import type { IceRole } from '../../../lib/protocol/ice/candidate-pair.ts'
import { iceCredentials } from '../../../lib/protocol/ice/connectivity-check.ts'
import { IceAgent } from '../../../lib/protocol/ice/ice-agent.ts'
import type { IceEffect, IceInput } from '../../../lib/protocol/ice/ice-agent-options.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'

const runtime = nodeRuntime()

/** What another agent tells of itself. */
export interface RemoteAgent {
  readonly ufrag: string
  readonly password: string
  /** Lines of the candidate-attribute. */
  readonly candidates: readonly string[]
}

/** Our agent on one real socket of 127.0.0.1, and the data that comes beside its checks (RFC 7983). */
export class OurIce implements Disposable {
  readonly agent: IceAgent
  readonly kinds: IceEffect['kind'][] = []
  readonly data: string[] = []
  readonly #socket: NodeUdpSocket
  readonly #driver: Driver<IceInput, IceEffect>
  readonly #events = new EventEmitter()
  #credentials = iceCredentials(runtime.random.bytes(24))

  private constructor(socket: NodeUdpSocket, role: IceRole) {
    this.#socket = socket
    const randomBytes = (length: number) => runtime.random.bytes(length)
    this.agent = new IceAgent({ role, credentials: this.#credentials, randomBytes, maySendTo: () => true })
    this.#driver = new Driver(this.agent, runtime.clock, (effect) => this.#perform(effect))
    socket.onPacket = ({ bytes, from }) => {
      if ((bytes[0] ?? 0) > 3) this.data.push(Buffer.from(bytes).toString())
      else this.#driver.feed({ kind: 'received', socket: 1, bytes, from })
      this.#events.emit('packet')
    }
  }

  static async open(role: IceRole): Promise<OurIce> {
    return new OurIce(await openUdp({ family: 'ipv4', ip: '127.0.0.1' }), role)
  }

  /** What to tell the other agent. */
  get told(): RemoteAgent {
    return { ...this.#credentials, candidates: [formatCandidate(this.#candidate)] }
  }

  /** Takes what the other agent tells, with our own candidate. */
  meet({ ufrag, password, candidates }: RemoteAgent): void {
    this.#driver.feed({ kind: 'local-candidate', candidate: this.#candidate })
    this.#driver.feed({ kind: 'local-end' })
    this.#driver.feed({ kind: 'remote-credentials', credentials: { ufrag, password } })
    for (const line of candidates) {
      this.#driver.feed({ kind: 'remote-candidate', candidate: parseCandidate(line) })
    }
    this.#driver.feed({ kind: 'remote-end' })
  }

  restart(): void {
    this.#credentials = iceCredentials(runtime.random.bytes(24))
    this.#driver.feed({ kind: 'restart', credentials: this.#credentials })
  }

  /** Settles when the claim holds, looked at after each packet and effect. */
  async until(claim: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(30_000)
    while (!claim()) await once(this.#events, 'packet', { signal })
  }

  send(text: string): void {
    const to = this.agent.selected?.remote.address
    if (to !== undefined) this.#socket.send(Buffer.from(text), to)
  }

  [Symbol.dispose](): void {
    this.#driver.stop()
    this.#socket.close()
  }

  get #candidate() {
    const base = transportAddress('127.0.0.1', this.#socket.local.port)
    return localCandidate({ type: 'host', address: base, base, socket: 1 })
  }

  #perform(effect: IceEffect): void {
    if (effect.kind === 'send') return this.#socket.send(effect.bytes, effect.to)
    this.kinds.push(effect.kind)
    this.#events.emit('packet')
  }
}
