import { fromBase64 } from '../../lib/base/base64.ts'
import { deadlineSignal } from '../../lib/base/deadline.ts'
import { ReachError } from '../../lib/base/errors.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import type { Runtime, TcpSocket } from '../../lib/base/runtime.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { sameAddress, transportAddress } from '../../lib/base/transport-address.ts'
import { complaintOf, sendFromFreshPort } from '../../lib/net/send-from-fresh-port.ts'
import type { ProveRequest } from '../../lib/protocol/relay/control-request.ts'
import type { ProbeOutcome } from '../../lib/protocol/relay/probe-outcome.ts'
import { PROOF_NONCE_LENGTH, encodeProof } from '../../lib/protocol/relay/proof-packet.ts'
import type { RateLimitOptions } from '../../lib/protocol/stun/rate-limit.ts'
import { SourceRateLimit } from '../../lib/protocol/stun/rate-limit.ts'
import { sourceOf } from '../source.ts'
import { SourceQuota } from '../source-quota.ts'

/** Limits of proofs; what is left out has the default that is named. */
export interface ProofLimits {
  /** For each member, and once more for each source block. Default {@link PROVE_RATE}. */
  readonly rate?: RateLimitOptions
  /** How long a TCP connection may take. Default {@link CONNECT_TIMEOUT_MS}. */
  readonly connectTimeoutMs?: number
  /** Proofs under way at once, in all and for each source. Default {@link MAX_UNDER_WAY}, {@link MAX_PER_SOURCE}. */
  readonly maxUnderWay?: number
  readonly maxPerSource?: number
}

/** Who asks, and from where. */
export interface ProofAsker {
  readonly peerId: PeerId
  /** The IP of the control connection, the only one that anything is ever sent to. */
  readonly ip: string
}

/**
 * Ours: a mapping is proven when it is made and when it is renewed, with some repetitions. Slow enough that nobody
 * scans the ports of those behind the same NAT: all of them would take 18 hours.
 */
export const PROVE_RATE = { ratePerS: 1, burst: 10, maxSources: 20_000 } as const
/** Ours: a second SYN leaves after 1 s (RFC 6298 §2), which outlasts a packet that is lost. */
export const CONNECT_TIMEOUT_MS = 3000
/** Ours: sockets of the process that proofs may hold; and a household may prove some ports at once. */
export const MAX_UNDER_WAY = 128
export const MAX_PER_SOURCE = 8

/** Ours: one of three arrives when a fifth is lost; 60 bytes of payload in all, so nobody is flooded. */
const UDP_TIMES = 3
const UDP_INTERVAL_MS = 200
/** Ours: an answer by ICMP comes within a round trip. */
const UDP_LINGER_MS = 300
/** Ours: how long the other side of a connection may take to end it, too. */
const TCP_LINGER_MS = 1000

/**
 * Sends a member's own random bytes to a port at the address that the member's control connection comes from: the
 * member hears by itself whether they arrive. Nothing is ever sent to an address that a member names, so nobody can be
 * reflected at; and it comes from a fresh port, so that no NAT lets it in as an answer.
 */
export class PortProver {
  readonly #runtime: Runtime
  readonly #byMember: SourceRateLimit
  readonly #bySource: SourceRateLimit
  readonly #quota: SourceQuota
  readonly #connectTimeoutMs: number
  readonly #outcomes = new Map<ProbeOutcome, number>()
  readonly #stop = new AbortController()

  constructor(runtime: Runtime, limits: ProofLimits = {}) {
    const { rate = PROVE_RATE, maxUnderWay = MAX_UNDER_WAY, maxPerSource = MAX_PER_SOURCE } = limits
    this.#runtime = runtime
    this.#byMember = new SourceRateLimit(rate)
    this.#bySource = new SourceRateLimit(rate)
    this.#quota = new SourceQuota(maxUnderWay, maxPerSource)
    this.#connectTimeoutMs = limits.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
  }

  /** How many proofs ended how. */
  get outcomes(): ReadonlyMap<ProbeOutcome, number> {
    return this.#outcomes
  }

  /** @throws {ReachError} ERR_REACH_RATE_LIMITED, ERR_REACH_DECODE */
  async prove(asker: ProofAsker, { transport, port, nonce: text }: ProveRequest): Promise<ProbeOutcome> {
    const nonce = fromBase64(text)
    if (nonce.length !== PROOF_NONCE_LENGTH) {
      throw new ReachError('ERR_REACH_DECODE', `a nonce is ${PROOF_NONCE_LENGTH} random bytes`)
    }
    const release = this.#admit(asker)
    try {
      const to = transportAddress(asker.ip, port, transport)
      const outcome = await (transport === 'udp' ? this.#overUdp(to, nonce) : this.#overTcp(to, nonce))
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
      return outcome
    } finally {
      release()
    }
  }

  /** Ends what is under way. */
  close(): void {
    this.#stop.abort(new ReachError('ERR_REACH_ABORTED', 'the relay ends'))
  }

  #admit({ peerId, ip }: ProofAsker): () => void {
    const nowMs = this.#runtime.clock.nowMs()
    const source = sourceOf(ip)
    const release = this.#quota.take(source)
    if (release === undefined) throw tooMany()
    if (this.#byMember.take(peerId, nowMs) && this.#bySource.take(source, nowMs)) return release
    release()
    throw tooMany()
  }

  #overUdp(to: TransportAddress, nonce: Uint8Array): Promise<ProbeOutcome> {
    return sendFromFreshPort(encodeProof(nonce), to, {
      clock: this.#runtime.clock,
      times: UDP_TIMES,
      intervalMs: UDP_INTERVAL_MS,
      lingerMs: UDP_LINGER_MS,
      signal: this.#stop.signal,
    })
  }

  async #overTcp(to: TransportAddress, nonce: Uint8Array): Promise<ProbeOutcome> {
    const { clock, network } = this.#runtime
    using deadline = deadlineSignal(clock, this.#connectTimeoutMs, this.#stop.signal)
    let socket: TcpSocket
    try {
      socket = await network.connectTcp(to, { signal: deadline.signal })
    } catch (error) {
      if (this.#stop.signal.aborted) return 'failed'
      return deadline.signal.aborted ? 'timed-out' : connectOutcome(error)
    }
    // On one host the system may pick the very port that is asked: TCP then connects to itself (RFC 9293 §3.5).
    if (sameAddress(socket.local, socket.remote)) {
      socket.destroy()
      return 'refused'
    }
    this.#deliver(socket, encodeProof(nonce))
    return 'accepted'
  }

  /** What the other side says is thrown away; a reset would take our bytes from it before it has read them. */
  #deliver(socket: TcpSocket, bytes: Uint8Array): void {
    const timer = this.#runtime.clock.setTimer(TCP_LINGER_MS, () => socket.destroy())
    socket.on('error', () => undefined) // 'close' follows
    socket.once('close', () => timer.cancel())
    socket.resume()
    socket.end(bytes)
  }
}

function connectOutcome(error: unknown): ProbeOutcome {
  const code = ReachError.is(error) ? String(error.details['code']) : ''
  if (code === 'ECONNRESET') return 'refused'
  return code === 'ETIMEDOUT' ? 'timed-out' : complaintOf(code)
}

function tooMany(): ReachError {
  return new ReachError('ERR_REACH_RATE_LIMITED', 'too many proofs in a short time', {
    hint: 'wait some seconds and try again',
  })
}
