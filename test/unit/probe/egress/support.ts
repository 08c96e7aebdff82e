import { Duplex } from 'node:stream'
import { ReachError } from '../../../../lib/base/errors.ts'
import type {
  ConnectTcpOptions,
  Network,
  ResolveOutcome,
  Resolver,
  Runtime,
  TcpSocket,
} from '../../../../lib/base/runtime.ts'
import type { TransportAddress } from '../../../../lib/base/transport-address.ts'
import { formatAddress, transportAddress } from '../../../../lib/base/transport-address.ts'
import { FakeClock } from '../../net/support/fake-clock.ts'

/** How a dialled address behaves: after some time it answers, refuses with a code, or never does anything. */
export type Dialled = { readonly afterMs: number; readonly code?: string } | 'silent'

/** What a resolver does with a question, `lookup NAME` or `A NAME`. */
export type Resolving = (question: string) => ResolveOutcome | 'silent'

/** The outside as a test writes it: one answer for each address and each name, on a clock that it moves. */
export class ScriptedRuntime implements Runtime {
  readonly clock = new FakeClock()
  readonly network: Network
  readonly resolver: Resolver
  readonly random = {
    bytes: (length: number) => Uint8Array.from({ length }, () => this.#randomByte++ & 0xff),
  }
  /** `MS ADDRESS` of each dialling, from the start of the script. */
  readonly dialled: string[] = []
  readonly asked: string[] = []
  readonly sockets: TcpSocket[] = []
  readonly #dials: Readonly<Record<string, Dialled>>
  readonly #resolving: Resolving
  readonly #startMs = this.clock.nowMs()
  #randomByte = 0

  constructor(script: {
    readonly dials?: Readonly<Record<string, Dialled>>
    readonly resolving?: Resolving
  }) {
    this.#dials = script.dials ?? {}
    this.#resolving = script.resolving ?? (() => ({ kind: 'failed', code: 'ESCRIPT' }))
    const missing = () => {
      throw new Error('not scripted')
    }
    this.network = {
      setsDontFragment: true,
      connectTcp: (to, options) => this.#connect(to, options),
      openUdp: missing,
      interfaces: missing,
      defaultGateways: missing,
      sourceIpTowards: missing,
      traceHops: missing,
    }
    this.resolver = {
      lookup: (host, signal) => this.#resolve(`lookup ${host}`, signal),
      query: (host, type, signal) => this.#resolve(`${type} ${host}`, signal),
      servers: () => ['192.0.2.53'],
    }
  }

  /** Lets promises run, and then time, step by step. */
  async advance(...stepsMs: readonly number[]): Promise<void> {
    await turn()
    for (const stepMs of stepsMs) {
      this.clock.advance(stepMs)
      await turn()
    }
  }

  #connect(to: TransportAddress, { signal }: ConnectTcpOptions = {}): Promise<TcpSocket> {
    this.dialled.push(`${this.clock.nowMs() - this.#startMs} ${formatAddress(to)}`)
    const script = this.#dials[to.ip] ?? 'silent'
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        timer?.cancel()
        reject(signal?.reason)
      }
      const settle = () => {
        signal?.removeEventListener('abort', onAbort)
        if (script !== 'silent' && script.code !== undefined) {
          const { code } = script
          reject(new ReachError('ERR_REACH_SOCKET', `cannot connect: ${code}`, { details: { code } }))
        } else resolve(this.#socket(to))
      }
      const timer = script === 'silent' ? undefined : this.clock.setTimer(script.afterMs, settle)
      if (signal?.aborted === true) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #socket(remote: TransportAddress): TcpSocket {
    const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
    const socket = Object.assign(stream, { remote, local: transportAddress('192.0.2.1', 5000, 'tcp') })
    this.sockets.push(socket)
    return socket
  }

  #resolve(question: string, signal: AbortSignal | undefined): Promise<ResolveOutcome> {
    this.asked.push(question)
    const outcome = this.#resolving(question)
    if (outcome !== 'silent') return Promise.resolve(outcome)
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
}

/** Until all promises that can run have run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
