import type { Fact } from '../base/fact.ts'
import { unknown } from '../base/fact.ts'
import type { Runtime } from '../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import { BindingLifetimeProbe } from '../protocol/stun/binding-lifetime-probe.ts'
import { HairpinProbe } from '../protocol/stun/hairpin-probe.ts'
import { TRANSACTION_ID_LENGTH } from '../protocol/stun/message.ts'
import type { NatDiscoveryReport } from '../protocol/stun/nat-behavior-discovery.ts'
import { NatBehaviorDiscovery } from '../protocol/stun/nat-behavior-discovery.ts'
import { NatBoundaryProbe } from '../protocol/stun/nat-boundary-probe.ts'
import { PathMtuProbe } from '../protocol/stun/path-mtu-probe.ts'
import type { MtuFact } from './report.ts'
import { runSurvey } from './udp-survey.ts'

/** What UDP over one address family showed. */
export interface UdpDiagnosis {
  readonly family: AddressFamily
  /** This host's address towards the servers; undefined: it has no route to them. */
  readonly localIp: string | undefined
  readonly discovery: NatDiscoveryReport
  readonly boundaryHop: Fact<number>
  readonly mtu: MtuFact
}

export interface DiagnoseUdpOptions {
  readonly family: AddressFamily
  /** STUN servers of that family, at least one. */
  readonly servers: readonly TransportAddress[]
  /** For the discovery; what follows from it may take {@link FOLLOW_UP_MS} more. */
  readonly budgetMs: number
  readonly signal: AbortSignal
  /** Called whenever more is known. */
  readonly onNews?: (report: NatDiscoveryReport) => void
}

/** Ours: the boundary and MTU probes start as soon as a server is chosen, and end by themselves in half this time. */
export const FOLLOW_UP_MS = 1500

/** Runs all UDP probes of one family beside each other. Network outcomes are values; it does not reject for them. */
export async function diagnoseUdp(runtime: Runtime, options: DiagnoseUdpOptions): Promise<UdpDiagnosis> {
  const { family, servers, signal } = options
  const [firstServer] = servers
  const localIp = firstServer === undefined ? undefined : await runtime.network.sourceIpTowards(firstServer)
  const newTransactionId = () => runtime.random.bytes(TRANSACTION_ID_LENGTH)
  const reachable = localIp === undefined ? [] : servers
  const discovery = new NatBehaviorDiscovery({
    family,
    servers: reachable,
    localIp,
    newTransactionId,
    budgetMs: options.budgetMs,
  })
  const followUps = new FollowUps(runtime, family, newTransactionId, signal)
  const onNews = () => {
    const report = discovery.report(runtime.clock.nowMs())
    followUps.consider(report)
    options.onNews?.(report)
  }
  if (reachable.length > 0) await runSurvey(runtime, discovery, { signal, onNews })
  const report = discovery.report(runtime.clock.nowMs())
  followUps.consider(report)
  return { family, localIp, discovery: report, ...(await followUps.finish(report)) }
}

/** Probes that need to know a server and a mapping first. */
class FollowUps {
  readonly #runtime: Runtime
  readonly #common: {
    readonly family: AddressFamily
    readonly newTransactionId: () => Uint8Array
    readonly budgetMs: number
  }
  readonly #signal: AbortSignal
  #boundary:
    | { readonly probe: NatBoundaryProbe; readonly openFor: 'address' | 'port'; readonly run: Promise<void> }
    | undefined
  #mtu: { readonly probe: PathMtuProbe; readonly run: Promise<void> } | undefined

  constructor(
    runtime: Runtime,
    family: AddressFamily,
    newTransactionId: () => Uint8Array,
    signal: AbortSignal,
  ) {
    this.#runtime = runtime
    this.#common = { family, newTransactionId, budgetMs: FOLLOW_UP_MS }
    this.#signal = signal
  }

  consider({ server, mapping, contacts, filtering }: NatDiscoveryReport): void {
    const answered = server?.primary ?? contacts.find((contact) => contact.answered)?.server
    const isMeaningful = this.#runtime.network.setsDontFragment
    if (this.#mtu === undefined && isMeaningful && server !== undefined && answered !== undefined) {
      const probe = new PathMtuProbe({ ...this.#common, server: answered })
      this.#mtu = { probe, run: runSurvey(this.#runtime, probe, { signal: this.#signal }) }
    }
    const openFor = openerTarget(mapping.value, server)
    const isFiltered = filtering.value !== 'none' && filtering.value !== 'endpoint-independent'
    if (this.#boundary !== undefined || server === undefined || openFor === undefined || !isFiltered) return
    const probe = new NatBoundaryProbe({ ...this.#common, server, openFor })
    this.#boundary = { probe, openFor, run: runSurvey(this.#runtime, probe, { signal: this.#signal }) }
  }

  async finish({ filtering }: NatDiscoveryReport): Promise<{ boundaryHop: Fact<number>; mtu: MtuFact }> {
    await Promise.all([this.#boundary?.run, this.#mtu?.run])
    const nowMs = this.#runtime.clock.nowMs()
    const boundary = this.#boundary
    // What passes without an opener says nothing about how far one must live.
    const isBlocked =
      filtering.value === 'address-and-port-dependent' ||
      (filtering.value === 'address-dependent' && boundary?.openFor === 'address')
    const noBoundary = unknown<number>(
      isBlocked
        ? 'it takes a server with two addresses, and a mapping that both share'
        : 'there is no filter whose distance could be measured',
    )
    const noMtu = {
      ...unknown<number>(
        this.#runtime.network.setsDontFragment
          ? 'it takes a server that pads its answers (RFC 5780)'
          : 'this system lets its packets be fragmented on the way',
      ),
      bothWays: 'unknown' as const,
    }
    return {
      boundaryHop: isBlocked && boundary !== undefined ? boundary.probe.hop(nowMs) : noBoundary,
      mtu: this.#mtu?.probe.mtu(nowMs) ?? noMtu,
    }
  }
}

/** Which other source an opener can open the mapping for; none where every destination has a mapping of its own. */
function openerTarget(
  mapping: NatDiscoveryReport['mapping']['value'],
  server: NatDiscoveryReport['server'],
): 'address' | 'port' | undefined {
  if (server === undefined) return undefined
  const hasOtherIp = server.other.ip !== server.primary.ip
  if (mapping === 'none' || mapping === 'endpoint-independent') return hasOtherIp ? 'address' : 'port'
  return mapping === 'address-dependent' ? 'port' : undefined
}

export interface DeepFacts {
  readonly hairpin: Fact<boolean>
  readonly bindingLifetimeMs: Fact<number>
}

/** Ours: the longest idle time of BindingLifetimeProbe, and time to ask. */
export const DEEP_BUDGET_MS = 190_000
const HAIRPIN_BUDGET_MS = 4000

/** What `--deep` adds: facts that take minutes, or that some firewalls take for an attack. */
export async function diagnoseDeep(
  runtime: Runtime,
  { discovery, family, localIp }: UdpDiagnosis,
  options: { readonly signal: AbortSignal; readonly idleTimesMs?: readonly number[] },
): Promise<DeepFacts> {
  const server = discovery.server?.primary ?? discovery.contacts.find((contact) => contact.answered)?.server
  if (server === undefined) {
    const none = 'no STUN server answered'
    return { hairpin: unknown(none), bindingLifetimeMs: unknown(none) }
  }
  const common = { family, server, newTransactionId: () => runtime.random.bytes(TRANSACTION_ID_LENGTH) }
  const hairpin = new HairpinProbe({ ...common, localIp, budgetMs: HAIRPIN_BUDGET_MS })
  const idleTimes = options.idleTimesMs === undefined ? {} : { idleTimesMs: options.idleTimesMs }
  const lifetime = new BindingLifetimeProbe({ ...common, ...idleTimes, budgetMs: DEEP_BUDGET_MS })
  const hasState = discovery.mapping.value !== 'none' || discovery.filtering.value !== 'none'
  await Promise.all([
    runSurvey(runtime, hairpin, { signal: options.signal }),
    hasState ? runSurvey(runtime, lifetime, { signal: options.signal }) : undefined,
  ])
  const nowMs = runtime.clock.nowMs()
  return {
    hairpin: hairpin.hairpin(nowMs),
    bindingLifetimeMs: hasState
      ? lifetime.lifetimeMs(nowMs)
      : unknown('there is no NAT or firewall whose bindings could expire'),
  }
}
