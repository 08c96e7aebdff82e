import { delay } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import type { Runtime, Timer } from '../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { likelyCause } from '../protocol/port-mapping/failure-cause.ts'
import type { MappingProof, ProofKind, UnprovenReason } from '../protocol/port-mapping/mapping-proof.ts'
import type { ProbeOutcome } from '../protocol/relay/probe-outcome.ts'
import { PROOF_NONCE_LENGTH } from '../protocol/relay/proof-packet.ts'
import type { ProofRelay } from '../protocol/relay/proof-relay.ts'
import type { ProofEars, ProofListener } from './proof-listener.ts'
import { listenForProof } from './proof-listener.ts'

/** As much of a mapping as a proof needs. */
export interface ProvableMapping {
  readonly internal: TransportAddress
  /** As the gateway says; undefined when it does not say. */
  readonly externalIp: string | undefined
  readonly externalPort: number
}

/** A second, short-lived mapping at the same gateway. */
export interface SecondMapping extends ProvableMapping {
  remove(): Promise<void>
}

/** How a mapping may be proven. */
export interface ProveOptions {
  /** What {@link MappingProver.before} answered before the mapping was made. */
  readonly before?: PortBefore
  /** Whoever of ours has a socket at the internal port, if somebody has. */
  readonly ears?: ProofEars
  /** Makes a second mapping on the same gateway to that address, for a minute. Without it: no `inferred`. */
  readonly mapSecond?: (internal: TransportAddress, signal?: AbortSignal) => Promise<SecondMapping>
  readonly signal?: AbortSignal
}

/** Whether a relay's connection to the external port was taken before there was a mapping. */
export type PortBefore = 'accepted' | 'not-accepted' | 'unknown'

/** What a prover is made of. */
export interface MappingProverSetup {
  readonly runtime: Runtime
  /** Those that are connected now, the favourite first. */
  readonly relays: () => readonly ProofRelay[]
  /** Waits before each attempt. Default {@link PAUSES_MS}. */
  readonly pausesMs?: readonly number[]
}

/** Ours: some routers answer before they forward; three attempts over two seconds bear that, and a loss. */
export const PAUSES_MS: readonly number[] = [0, 500, 1500]
/** Ours: no further attempt begins after that; where everything is dropped, each one takes the relay 3 s. */
const LAST_ATTEMPT_MS = 4000
/** Ours: how long after the relay's answer its packet may still be under way. */
const LATE_MS = 700

/** Finds out whether a mapping can be reached from outside, with the help of relays, and without believing them. */
export class MappingProver {
  readonly #runtime: Runtime
  readonly #relays: () => readonly ProofRelay[]
  readonly #pausesMs: readonly number[]

  constructor({ runtime, relays, pausesMs = PAUSES_MS }: MappingProverSetup) {
    this.#runtime = runtime
    this.#relays = relays
    this.#pausesMs = pausesMs
  }

  /**
   * To be asked before a TCP mapping is made: is a connection from outside to that port taken already? Only where another
   * program has the internal port does it matter; elsewhere nobody is asked. Rejects only with the signal's reason.
   */
  async before(internal: TransportAddress, externalPort: number, signal?: AbortSignal): Promise<PortBefore> {
    if (internal.transport !== 'tcp') return 'unknown'
    signal?.throwIfAborted()
    try {
      const listener = await this.#listen(internal)
      await listener?.close()
      // What the gateway calls itself is not known yet; a relay on our side of it is found out by the proof.
      const [relay] = this.#relays().filter((one) => familyOf(one) === internal.family)
      if (listener !== undefined || relay === undefined) return 'unknown'
      const outcome = await this.#ask(relay, internal, externalPort, undefined, signal)
      if (outcome === 'heard' || outcome === 'failed') return 'unknown'
      return outcome === 'accepted' ? 'accepted' : 'not-accepted'
    } catch {
      signal?.throwIfAborted()
      return 'unknown' // a mapping without this answer can still be proven by a second one
    }
  }

  /** Never rejects but with the signal's reason: what can't be known is `unproven`. */
  async prove(mapping: ProvableMapping, options: ProveOptions = {}): Promise<MappingProof> {
    const { signal } = options
    signal?.throwIfAborted()
    const choice = this.#choose(mapping)
    if (typeof choice === 'string') return unproven(choice)
    try {
      const listener = options.ears === undefined ? await this.#listen(mapping.internal) : undefined
      const ears = options.ears ?? listener
      try {
        if (ears !== undefined) return await this.#byEars(choice, mapping, ears, 'received', signal)
      } finally {
        await listener?.close()
      }
      return await this.#behindAnother(choice, mapping, options)
    } catch (error) {
      signal?.throwIfAborted()
      return unproven(whyOf(error))
    }
  }

  /** Another program has the internal port. */
  async #behindAnother(
    choice: Choice,
    mapping: ProvableMapping,
    options: ProveOptions,
  ): Promise<MappingProof> {
    if (mapping.internal.transport === 'tcp') {
      const outcome = await this.#repeat(choice, mapping, undefined, options.signal)
      if (outcome !== 'accepted') return failed(choice, mapping, outcome)
      if (options.before === 'not-accepted') return proven(choice, mapping, 'accepted')
    }
    return this.#bySecond(choice, mapping, options)
  }

  async #bySecond(
    choice: Choice,
    mapping: ProvableMapping,
    { mapSecond, signal }: ProveOptions,
  ): Promise<MappingProof> {
    if (mapSecond === undefined) return unproven('port-in-use')
    const listener = await listenForProof(this.#runtime, { ...mapping.internal, port: 0 })
    try {
      const second = await mapSecond({ ...mapping.internal, port: listener.local.port }, signal)
      try {
        const proof = await this.#byEars(choice, second, listener, 'inferred', signal)
        return proof.proof === 'proven' ? proven(choice, mapping, 'inferred') : proof
      } finally {
        await second.remove().catch(() => undefined) // it ends by itself soon
      }
    } catch (error) {
      signal?.throwIfAborted()
      const isGateways = ReachError.is(error, 'ERR_REACH_MAPPING_REFUSED')
      return unproven(isGateways ? 'port-in-use' : whyOf(error))
    } finally {
      await listener.close()
    }
  }

  async #byEars(
    choice: Choice,
    mapping: ProvableMapping,
    ears: ProofEars,
    kind: ProofKind,
    signal: AbortSignal | undefined,
  ): Promise<MappingProof> {
    const outcome = await this.#repeat(choice, mapping, ears, signal)
    return outcome === 'heard' ? proven(choice, mapping, kind) : failed(choice, mapping, outcome)
  }

  /** Until it is heard, or the connection taken where nobody of ours could hear. */
  async #repeat(
    { relay }: Choice,
    { internal, externalPort }: ProvableMapping,
    ears: ProofEars | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ProbeOutcome | 'heard'> {
    const { clock } = this.#runtime
    const endMs = clock.nowMs() + LAST_ATTEMPT_MS
    let last: ProbeOutcome | 'heard' | undefined
    for (const pauseMs of this.#pausesMs) {
      if (last !== undefined && clock.nowMs() > endMs) break
      if (pauseMs > 0) await delay(clock, pauseMs, signal)
      try {
        last = await this.#ask(relay, internal, externalPort, ears, signal)
      } catch (error) {
        signal?.throwIfAborted()
        if (last === undefined) throw error
        return last // what was heard before the relay had enough still counts
      }
      if (last === 'heard' || (ears === undefined && last === 'accepted')) return last
    }
    return last ?? 'failed'
  }

  /** One attempt: ends with the nonce, or some time after the relay's answer. */
  async #ask(
    relay: ProofRelay,
    { transport }: TransportAddress,
    port: number,
    ears: ProofEars | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ProbeOutcome | 'heard'> {
    signal?.throwIfAborted()
    const nonce = this.#runtime.random.bytes(PROOF_NONCE_LENGTH)
    const asking = relay.prove({ transport, port, nonce }, signal)
    if (ears === undefined) return asking
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      let isOver = false
      const end = () => {
        isOver = true
        timer?.cancel()
        forget()
        signal?.removeEventListener('abort', onAbort)
      }
      const settle = (outcome: ProbeOutcome | 'heard') => {
        end()
        resolve(outcome)
      }
      const fail = (error: unknown) => {
        end()
        reject(error instanceof Error ? error : new Error(String(error)))
      }
      const onAbort = () => fail(signal?.reason)
      const forget = ears.expect(nonce, () => settle('heard'))
      signal?.addEventListener('abort', onAbort, { once: true })
      asking.then((outcome) => {
        if (!isOver) timer = this.#runtime.clock.setTimer(LATE_MS, () => settle(outcome))
      }, fail)
    })
  }

  /** A relay that can prove this, or why there is none. */
  #choose({ internal, externalIp }: ProvableMapping): Choice | UnprovenReason {
    const relays = this.#relays()
    let why: UnprovenReason = 'no-relay'
    for (const relay of relays) {
      const { seenAs } = relay
      if (seenAs === undefined) {
        why = 'relay-too-old'
        continue
      }
      if (familyOf(relay) !== internal.family) continue
      // From there the way to us does not lead through the gateway: what arrives proves nothing.
      if (seenAs !== externalIp && this.#isOwn(seenAs, internal)) why = 'relay-inside'
      else return { relay, seenAs }
    }
    return why
  }

  #isOwn(ip: string, internal: TransportAddress): boolean {
    if (ip === internal.ip) return true
    return this.#runtime.network.interfaces().some(({ addresses }) => addresses.some((own) => own.ip === ip))
  }

  /** Undefined when another program has the port. */
  async #listen(internal: TransportAddress): Promise<ProofListener | undefined> {
    try {
      return await listenForProof(this.#runtime, internal)
    } catch (error) {
      // A port below 1024 that we may not open: whoever may has it, or will have it.
      if (ReachError.is(error, 'ERR_REACH_ADDRESS_IN_USE') || ReachError.is(error, 'ERR_REACH_PERMISSION'))
        return undefined
      throw error
    }
  }
}

interface Choice {
  readonly relay: ProofRelay
  readonly seenAs: string
}

function familyOf({ seenAs }: ProofRelay): AddressFamily | undefined {
  return seenAs === undefined ? undefined : transportAddress(seenAs, 0).family
}

function unproven(why: UnprovenReason): MappingProof {
  return { proof: 'unproven', why }
}

function proven(
  { relay, seenAs }: Choice,
  { internal, externalPort }: ProvableMapping,
  kind: ProofKind,
): MappingProof {
  const external = transportAddress(seenAs, externalPort, internal.transport)
  return { proof: 'proven', kind, external, relay: relay.name }
}

function failed(
  { relay, seenAs }: Choice,
  { externalIp }: ProvableMapping,
  outcome: ProbeOutcome | 'heard',
): MappingProof {
  if (outcome === 'heard' || outcome === 'failed') return unproven('relay-failed')
  const facts = { relayHeard: outcome, externalIp, seenAs }
  return { proof: 'failed', cause: likelyCause(facts), facts, relay: relay.name }
}

function whyOf(error: unknown): UnprovenReason {
  if (ReachError.is(error, 'ERR_REACH_RATE_LIMITED')) return 'rate-limited'
  return ReachError.is(error, 'ERR_REACH_REQUEST_REFUSED') ? 'relay-too-old' : 'relay-failed'
}
