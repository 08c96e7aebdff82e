import { deadlineSignal } from '../../base/deadline.ts'
import { deferred } from '../../base/deferred.ts'
import type { Runtime } from '../../base/runtime.ts'
import { iceCredentials } from '../../protocol/ice/connectivity-check.ts'
import type {
  AttemptStart,
  DirectMessage,
  StreamIds,
  TriedSummary,
} from '../../protocol/signaling/direct-message.ts'
import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'
import type { AttemptContext, RunningAttempt } from './direct-attempt.ts'
import type { DirectTools, OwnNetwork } from './direct-tools.ts'
import type { SearchHalf, SearchScene } from './search-scene.ts'
import { TcpSearch } from './tcp-search.ts'
import { UdpSearch } from './udp-search.ts'

/** Ours: everything that one attempt may take: gathering, a storm that waits for its turn, and the storm. */
const SEARCH_TIMEOUT_MS = 45_000
/** Ours: messages of the peer that come before we are ready; more make no sense. */
const MAX_EARLY = 64

/** One attempt at direct paths: over UDP and TCP side by side, until each has a path or nothing more to try. */
export class DirectSearch implements RunningAttempt {
  readonly result: Promise<TriedSummary>
  readonly #tools: DirectTools
  readonly #context: AttemptContext
  readonly #stop = new AbortController()
  readonly #theirs = deferred<AttemptStart>()
  readonly #theirNat = deferred<NatSummary>()
  #theirIps: readonly string[] = []
  readonly #early: DirectMessage[] = []
  #udp: UdpSearch | undefined
  #tcp: TcpSearch | undefined
  #hasBegun = false

  constructor(tools: DirectTools, context: AttemptContext) {
    this.#tools = tools
    this.#context = context
    for (const { promise } of [this.#theirs, this.#theirNat]) promise.catch(() => undefined) // who waits hears of it
    if (context.offer !== undefined) this.#theirs.resolve(context.offer)
    this.result = this.#run()
  }

  receive(message: DirectMessage): void {
    if (message.kind === 'answer') return this.#theirs.resolve(message)
    if (message.kind === 'nat') {
      this.#theirIps = message.nat.publicIps
      return this.#theirNat.resolve(message.nat)
    }
    // The side that decides needs us no longer.
    if (message.kind === 'over' && !this.#context.isControlling) return this.stop()
    if (this.#hasBegun) for (const half of this.#halves()) half.receive(message)
    else if (this.#early.length < MAX_EARLY) this.#early.push(message)
  }

  stop(): void {
    this.#stop.abort()
  }

  async #run(): Promise<TriedSummary> {
    using deadline = deadlineSignal(this.#tools.runtime.clock, SEARCH_TIMEOUT_MS, this.#stop.signal)
    const { signal } = deadline
    const onAbort = () => {
      this.#theirs.reject(signal.reason)
      this.#theirNat.reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await this.#search(signal)
    } catch {
      // It was stopped, its time is up, or no socket can be had: the summary says how far it came.
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#stop.abort()
      for (const half of this.#halves()) half.close()
    }
    return { ...NOTHING, ...this.#udp?.tried, ...this.#tcp?.tried }
  }

  async #search(signal: AbortSignal): Promise<void> {
    const { isControlling, attempt, send } = this.#context
    const [ports, listeners] = await Promise.all([this.#tools.ports(), this.#tools.listeners()])
    signal.throwIfAborted()
    const credentials = iceCredentials(this.#tools.runtime.random.bytes(24))
    const ids = drawIds(this.#tools.runtime)
    send({
      kind: isControlling ? 'offer' : 'answer',
      ...{ attempt, credentials, streams: ports.length === 0 ? undefined : ids, tcp: true },
    })
    const theirs = await this.#theirs.promise
    const scene: SearchScene = {
      ...{ tools: this.#tools, context: this.#context, credentials, theirs, signal },
      ourNetwork: this.#tellNetwork(signal),
      theirNat: this.#theirNat.promise,
      hosts: this.#tools.hostAddresses(),
      maySendTo: (address) => this.#tools.maySendTo(address, this.#theirIps),
    }
    if (theirs.streams !== undefined && ports.length > 0) {
      this.#udp = new UdpSearch(scene, { ports, ours: ids, theirs: theirs.streams })
    }
    if (theirs.tcp) this.#tcp = new TcpSearch(scene, listeners)
    this.#hasBegun = true
    for (const message of this.#early.splice(0)) this.receive(message)
    await Promise.all(this.#halves().map(({ done }) => done))
  }

  async #tellNetwork(signal: AbortSignal): Promise<OwnNetwork | undefined> {
    const ours = await this.#tools.network()
    const { attempt, send, onOwnNat } = this.#context
    if (ours === undefined || signal.aborted) return undefined
    onOwnNat(ours.nat)
    send({ kind: 'nat', attempt, nat: ours.nat })
    return ours
  }

  #halves(): readonly SearchHalf[] {
    return [this.#udp, this.#tcp].filter((half) => half !== undefined)
  }
}

const NOTHING: TriedSummary = {
  ...{ recipe: undefined, sockets: 0, packetsSent: 0, packetsHeard: 0, tcpTries: 0 },
}

/** Two ids of streams that differ: they may end up on one socket. */
function drawIds({ random }: Runtime): StreamIds {
  const [ice = 0, punch = 0] = new Uint32Array(random.bytes(8).buffer)
  return { ice, punch: punch === ice ? (punch ^ 1) >>> 0 : punch }
}
