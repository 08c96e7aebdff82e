import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import { unknown } from '../base/fact.ts'
import type { Gateway, Hop, Runtime } from '../base/runtime.ts'
import { formatSshUrl } from '../base/ssh-url.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import { transportAddress } from '../base/transport-address.ts'
import { nodeRuntime } from '../net/node-runtime.ts'
import type { MappingTrial } from '../protocol/port-mapping/mapping-trial.ts'
import type { Gathered, LocalFacts } from './assemble-report.ts'
import { assembleReport } from './assemble-report.ts'
import type { EgressFindings } from './egress/egress-survey.ts'
import { surveyEgress } from './egress/egress-survey.ts'
import { DEFAULT_PORTAL_CHECKS } from './default-servers.ts'
import { proxyFor } from '../net/outward/proxy-environment.ts'
import { describeInterfaces } from './interfaces.ts'
import type { PortMappingPresence } from './port-mapping-presence.ts'
import { probePortMapping } from './port-mapping-presence.ts'
import type { DiagnoseProgress } from './progress.ts'
import { ProgressTeller } from './progress.ts'
import type { DiagnoseReport } from './report.ts'
import { withTrial } from './tried-mapping.ts'
import type { StunTarget, Targets } from './targets.ts'
import { addressesOfFamily, parseTargets, resolveStunTargets } from './targets.ts'
import type { DeepFacts, UdpDiagnosis } from './udp-diagnosis.ts'
import { diagnoseDeep, diagnoseUdp } from './udp-diagnosis.ts'

export type { DiagnoseProgress } from './progress.ts'

/** Whom to ask, and how; everything has a default. */
export interface DiagnoseOptions {
  /** Relays to try in every way: `https://HOST[:PORT][#sha256=HEX]`, `http://HOST[:PORT]`, `HOST`. */
  readonly relays?: readonly string[]
  /** STUN servers, `HOST[:PORT]`. With neither these nor relays, public servers are asked. */
  readonly stun?: readonly string[]
  /** Also hairpinning and binding lifetime, which take up to three minutes. @default false */
  readonly deep?: boolean
  /**
   * With `deep`: makes a mapping at the gateway, has it tried from outside, and removes it. Default: none is made, and
   * `portMapping.*.proven` stays unknown. `Peer.tryMapping` is one.
   */
  readonly tryMapping?: (signal: AbortSignal) => Promise<MappingTrial>
  /** Where to look for a proxy: `HTTPS_PROXY` and its kin. @default none */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Ends the diagnosis; it rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Called as facts become known, for a person who waits. */
  readonly onProgress?: (progress: DiagnoseProgress) => void
  /** The outside world. @default this process's own */
  readonly runtime?: Runtime
  /** Idle times for the binding lifetime, ascending. Only with `deep`. @default 10 s to 180 s */
  readonly idleTimesMs?: readonly number[]
}

/** Ours: people wait 5 s for a report, starting the program included; what is not known by then is `unknown`. */
export const DIAGNOSE_BUDGET_MS = 4200
/** Ours: what steps with a budget of their own leave, so that they end by themselves and not by the deadline. */
const REPORT_MARGIN_MS = 200
/** Ours: UDP discovery ends by then; a slow resolver takes from its time, not from the report's. */
const UDP_DEADLINE_MS = 3200
const MIN_UDP_BUDGET_MS = 1000
const TRACE_MAX_HOPS = 6
const TRACE_TIMEOUT_MS = 1000
/** Ours: a gateway answers in a second, a relay proves in some; what hangs must not hold the report up. */
const TRIAL_BUDGET_MS = 20_000
const ANY_TLS_HOST = { host: 'relay.invalid', port: 443, secure: true } as const
/** Any address of the internet: asking for the route to it sends nothing. Documentation ranges of RFC 5737 and 3849. */
const ANYWHERE: Readonly<Record<AddressFamily, TransportAddress>> = {
  ipv4: transportAddress('203.0.113.1', 3478),
  ipv6: transportAddress('2001:db8::1', 3478),
}

/**
 * Finds out what this network does to peer-to-peer traffic. Resolves within 5 s (`deep`: about 3 min), whatever the
 * network does; what could not be measured is `unknown`.
 * @throws {ReachError} ERR_REACH_ADDRESS for a server that is none, ERR_REACH_HOST_NOT_FOUND for a name that does not
 * exist; rejects with the signal's reason when that fires
 */
export async function diagnose(options: DiagnoseOptions = {}): Promise<DiagnoseReport> {
  options.signal?.throwIfAborted()
  const targets = parseTargets(options.relays ?? [], options.stun ?? [])
  const runtime = options.runtime ?? nodeRuntime()
  return new Diagnosis(runtime, targets, options).run()
}

class Diagnosis {
  readonly #runtime: Runtime
  readonly #targets: Targets
  readonly #options: DiagnoseOptions
  readonly #teller: ProgressTeller
  readonly #startMs: number
  readonly #startedAt: string

  constructor(runtime: Runtime, targets: Targets, options: DiagnoseOptions) {
    this.#runtime = runtime
    this.#targets = targets
    this.#options = options
    this.#teller = new ProgressTeller(options.onProgress)
    this.#startMs = runtime.clock.nowMs()
    this.#startedAt = new Date(runtime.clock.wallMs()).toISOString()
  }

  async run(): Promise<DiagnoseReport> {
    const { signal } = this.#options
    // A mistake in one task ends the others, too.
    const failure = new AbortController()
    const parents = AbortSignal.any([failure.signal, ...(signal === undefined ? [] : [signal])])
    using deadline = deadlineSignal(this.#runtime.clock, DIAGNOSE_BUDGET_MS, parents)
    try {
      const gathered = await this.#gather(deadline.signal)
      signal?.throwIfAborted()
      const isDeep = this.#options.deep === true
      const [deep, trial] = isDeep
        ? await Promise.all([this.#goDeep(gathered, signal), this.#tryMapping(signal)])
        : []
      const durationMs = this.#elapsedMs()
      const portMapping = withTrial(gathered.portMapping, trial)
      const report = assembleReport({
        ...{ ...gathered, portMapping, deep },
        ...{ startedAt: this.#startedAt, durationMs },
      })
      this.#teller.done()
      return report
    } catch (error) {
      failure.abort(error)
      signal?.throwIfAborted()
      throw error
    }
  }

  async #gather(signal: AbortSignal): Promise<Omit<Gathered, 'deep' | 'startedAt' | 'durationMs'>> {
    const stunTargets = this.#resolve(signal)
    const gateways = this.#runtime.network.defaultGateways()
    const local = this.#local(stunTargets, gateways)
    const times = { ipv4: 0, ipv6: 0, hops: 0, portMapping: 0, egress: 0 }
    const timed = async <T>(group: keyof typeof times, work: Promise<T>): Promise<T> => {
      const result = await work
      times[group] = this.#elapsedMs()
      return result
    }
    const [ipv4, ipv6, hops, portMapping, egress, resolved] = await Promise.all([
      timed('ipv4', this.#udp('ipv4', stunTargets, signal)),
      timed('ipv6', this.#udp('ipv6', stunTargets, signal)),
      timed('hops', this.#hops(stunTargets, signal)),
      timed('portMapping', this.#portMapping(gateways, signal)),
      timed('egress', this.#egress(stunTargets, signal)),
      stunTargets,
    ])
    const { relays, ssh } = this.#targets
    const relayUrls = [...relays.map(({ text }) => text), ...ssh.map(formatSshUrl)]
    return {
      times,
      udp: { ipv4, ipv6 },
      hops,
      portMapping,
      egress,
      relayUrls,
      stunTargets: resolved,
      local: await local,
    }
  }

  #elapsedMs(): number {
    return this.#runtime.clock.nowMs() - this.#startMs
  }

  async #resolve(signal: AbortSignal): Promise<readonly StunTarget[]> {
    try {
      // Networks with a proxy often resolve no name of the outside: there only the proxy knows.
      const hasProxy = proxyFor(this.#options.env ?? {}, ANY_TLS_HOST).kind !== 'direct'
      const absent = this.#targets.areDefault || hasProxy ? 'outcome' : 'error'
      return await resolveStunTargets(this.#runtime, this.#targets, { signal, absent })
    } catch (error) {
      if (!isTimeout(error)) throw error
      return []
    }
  }

  /** What can be known without sending a packet. */
  async #local(
    stunTargets: Promise<readonly StunTarget[]>,
    defaultGateways: Promise<readonly Gateway[]>,
  ): Promise<LocalFacts> {
    const { network } = this.#runtime
    const interfaces = network.interfaces()
    const gateways = await defaultGateways
    const targets = await stunTargets.catch(() => [])
    const source = (family: AddressFamily) =>
      network.sourceIpTowards(addressesOfFamily(targets, family)[0] ?? ANYWHERE[family])
    const [ipv4, ipv6] = await Promise.all([source('ipv4'), source('ipv6')])
    const reports = describeInterfaces(interfaces, { ipv4, ipv6 })
    this.#teller.local(reports, gateways)
    return { interfaces: reports, gateways, sourceIps: { ipv4, ipv6 } }
  }

  async #udp(
    family: AddressFamily,
    stunTargets: Promise<readonly StunTarget[]>,
    signal: AbortSignal,
  ): Promise<UdpDiagnosis | undefined> {
    const servers = addressesOfFamily(await stunTargets, family)
    if (servers.length === 0) return undefined
    const onNews = (report: UdpDiagnosis['discovery']) => this.#teller.udp(report)
    const diagnosis = await diagnoseUdp(this.#runtime, {
      family,
      servers,
      budgetMs: Math.max(MIN_UDP_BUDGET_MS, UDP_DEADLINE_MS - this.#elapsedMs()),
      signal,
      onNews,
    })
    this.#teller.udp(diagnosis.discovery)
    return diagnosis
  }

  async #hops(stunTargets: Promise<readonly StunTarget[]>, signal: AbortSignal): Promise<readonly Hop[]> {
    const targets = await stunTargets
    const [to] = [...addressesOfFamily(targets, 'ipv4'), ...addressesOfFamily(targets, 'ipv6')]
    if (to === undefined) return []
    try {
      const limits = { maxHops: TRACE_MAX_HOPS, timeoutMs: TRACE_TIMEOUT_MS, signal }
      return (await this.#runtime.network.traceHops(to, limits)) ?? []
    } catch (error) {
      if (!isTimeout(error)) throw error
      return []
    }
  }

  async #portMapping(
    gateways: Promise<readonly Gateway[]>,
    signal: AbortSignal,
  ): Promise<PortMappingPresence> {
    const presence = await probePortMapping(this.#runtime, await gateways, signal)
    this.#teller.portMapping(presence)
    return presence
  }

  async #egress(stunTargets: Promise<readonly StunTarget[]>, signal: AbortSignal): Promise<EgressFindings> {
    const { relays, ssh, stun, areDefault } = this.#targets
    const named = (await stunTargets).filter(({ isRelay }) => !isRelay)
    const stunServers = [...addressesOfFamily(named, 'ipv4'), ...addressesOfFamily(named, 'ipv6')]
    return surveyEgress(this.#runtime, {
      relays,
      ssh,
      stunServers,
      names: [...relays, ...ssh, ...stun].map(({ host }) => host),
      portalChecks: areDefault ? DEFAULT_PORTAL_CHECKS : [],
      env: this.#options.env ?? {},
      signal,
      budgetMs: Math.max(0, DIAGNOSE_BUDGET_MS - REPORT_MARGIN_MS - this.#elapsedMs()),
      onFact: this.#teller.egress,
    })
  }

  async #tryMapping(signal: AbortSignal | undefined): Promise<MappingTrial | undefined> {
    const { tryMapping } = this.#options
    if (tryMapping === undefined) return undefined
    using deadline = deadlineSignal(this.#runtime.clock, TRIAL_BUDGET_MS, signal)
    try {
      return await tryMapping(deadline.signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!ReachError.is(error)) throw error
      return { kind: 'refused', error }
    }
  }

  async #goDeep({ udp }: Pick<Gathered, 'udp'>, signal: AbortSignal | undefined): Promise<DeepFacts> {
    const diagnosis = [udp.ipv4, udp.ipv6].find(
      (one) => one?.discovery.contacts.some((contact) => contact.answered) === true,
    )
    if (diagnosis === undefined) {
      const none = 'UDP does not work, so nothing could be asked'
      return { hairpin: unknown(none), bindingLifetimeMs: unknown(none) }
    }
    this.#teller.deep()
    const { idleTimesMs } = this.#options
    const idle = idleTimesMs === undefined ? {} : { idleTimesMs }
    const facts = await diagnoseDeep(this.#runtime, diagnosis, {
      signal: signal ?? new AbortController().signal,
      ...idle,
    })
    signal?.throwIfAborted()
    return facts
  }
}

/** The diagnosis' own deadline is no failure: what is not known by then stays unknown. */
function isTimeout(error: unknown): boolean {
  return ReachError.is(error, 'ERR_REACH_TIMEOUT')
}
