import type { Fact } from '../base/fact.ts'
import { inferred, measured, unknown } from '../base/fact.ts'
import { ipScope } from '../base/ip-range.ts'
import type { Gateway, Hop } from '../base/runtime.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import { sameAddress } from '../base/transport-address.ts'
import { predictTypicalPairs } from '../protocol/ice/pair-prediction.ts'
import type { MappingFact } from '../protocol/stun/nat-inference.ts'
import type { EgressFindings } from './egress/egress-survey.ts'
import { lossFact, publicAddressFact, rttFact, udpWorksFact } from './family-facts.ts'
import { inferLayers } from './layers.ts'
import { peerWayOf } from './peer-way.ts'
import type { PortMappingPresence } from './port-mapping-presence.ts'
import type {
  DiagnoseReport,
  EgressFact,
  EgressTransport,
  InterfaceReport,
  Ipv6Report,
  MtuFact,
  NatReport,
  PerFamily,
  RelayReport,
} from './report.ts'
import { REPORT_SCHEMA } from './report.ts'
import type { StunTarget } from './targets.ts'
import type { DeepFacts, UdpDiagnosis } from './udp-diagnosis.ts'
import { drawVerdict, isAnythingReachable, peerNetworkOf } from './verdict.ts'

/** What is known without sending a packet. */
export interface LocalFacts {
  readonly interfaces: readonly InterfaceReport[]
  readonly gateways: readonly Gateway[]
  readonly sourceIps: PerFamily<string | undefined>
}

/** When each group of probes ended, in milliseconds since the diagnosis began. */
export interface GroupTimes {
  readonly ipv4: number
  readonly ipv6: number
  readonly hops: number
  readonly portMapping: number
  readonly egress: number
}

/** Everything that the probes brought home. */
export interface Gathered {
  readonly times: GroupTimes
  readonly startedAt: string
  readonly durationMs: number
  readonly local: LocalFacts
  readonly stunTargets: readonly StunTarget[]
  readonly udp: PerFamily<UdpDiagnosis | undefined>
  readonly hops: readonly Hop[]
  readonly portMapping: PortMappingPresence
  readonly egress: EgressFindings
  /** As the person wrote them. */
  readonly relayUrls: readonly string[]
  readonly deep: DeepFacts | undefined
}

/** Puts the findings together into the report, with prediction and verdict. Pure. */
export function assembleReport(gathered: Gathered): DiagnoseReport {
  const { local, udp, egress, portMapping, hops } = gathered
  const works = { ipv4: udpWorksFact(udp.ipv4, 'ipv4'), ipv6: udpWorksFact(udp.ipv6, 'ipv6') }
  const family: AddressFamily = works.ipv4.value !== true && works.ipv6.value === true ? 'ipv6' : 'ipv4'
  const primary = udp[family]
  const stunFacts = gathered.stunTargets.flatMap((target) => stunEgress(target, udp))
  const ways = [...stunFacts, ...egress.facts]
  const { times } = gathered
  const findings = {
    nat: natReport(gathered, family),
    ipv6: knownAll(times.ipv6, ipv6Report(udp.ipv6)),
    udp: {
      works: { ipv4: known(times.ipv4, works.ipv4), ipv6: known(times.ipv6, works.ipv6) },
      ...knownAll(times[family], { lossRate: lossFact(primary), rttMs: rttFact(primary) }),
    },
    tcp: { works: knownAll(times.egress, egress.tcpWorks) },
    icmp: knownAll(times.hops, { works: icmpFact(hops) }),
    publicAddress: {
      ipv4: known(times.ipv4, publicAddressFact(udp.ipv4, egress.overTcp, 'ipv4')),
      ipv6: known(times.ipv6, publicAddressFact(udp.ipv6, egress.overTcp, 'ipv6')),
    },
    portMapping: knownAll(times.portMapping, portMapping),
    egress: ways,
    relays: relayReports(gathered.relayUrls, ways),
    captivePortal: known(times.egress, egress.captivePortal),
    clockSkewMs: known(times.egress, egress.clockSkewMs),
    dns: known(times.egress, egress.dns),
    proxy: known(times.egress, egress.proxy),
    mtu: known(
      times[family],
      works[family].value === true && primary !== undefined ? primary.mtu : unknownMtu(),
    ),
    interfaces: local.interfaces,
    gateways: local.gateways.map(({ ip, interfaceName }) => ({ ip, interfaceName })),
    hops: hops.map(({ ttl, ip, reached }) => ({
      ttl,
      reached,
      ...(ip === undefined ? {} : { ip, scope: ipScope(ip) }),
    })),
  }
  // Where nothing was reached, nothing can be predicted.
  const prediction = isAnythingReachable(findings) ? predictTypicalPairs(peerNetworkOf(findings)) : []
  const { startedAt, durationMs } = gathered
  return {
    schema: REPORT_SCHEMA,
    startedAt,
    durationMs,
    ...findings,
    prediction,
    verdict: drawVerdict(findings),
  }
}

/** A fact with the time at which it was known. */
function known<F extends Fact<unknown>>(atMs: number, fact: F): F & { readonly ms: number } {
  return { ...fact, ms: fact.ms ?? atMs }
}

function knownAll<R extends Readonly<Record<keyof R, Fact<unknown>>>>(atMs: number, facts: R): R {
  // Same keys, same kinds of facts, each with its time.
  return Object.fromEntries(
    Object.entries<Fact<unknown>>(facts).map(([name, fact]) => [name, known(atMs, fact)]),
  ) as R
}

function natReport(gathered: Gathered, family: AddressFamily): NatReport {
  const { publicIps, family: of, hairpin, bindingLifetimeMs, ...facts } = untimedNatReport(gathered, family)
  const deepFacts = knownAll(gathered.durationMs, { hairpin, bindingLifetimeMs })
  return { family: of, publicIps, ...deepFacts, ...knownAll(gathered.times[family], facts) }
}

function untimedNatReport(gathered: Gathered, family: AddressFamily): NatReport {
  const { udp, deep, egress } = gathered
  const diagnosis = udp[family]
  const notDeep = 'measured with --deep only'
  const overTcp = egress.overTcp.find(({ mapped }) => mapped.family === family)?.mapped.ip
  const common = {
    family,
    hairpin: deep?.hairpin ?? unknown(notDeep),
    bindingLifetimeMs: deep?.bindingLifetimeMs ?? unknown(notDeep),
    ...layerFacts(gathered, family, diagnosis?.discovery.publicAddress?.ip ?? overTcp),
  } as const
  if (diagnosis?.discovery.contacts.some((contact) => contact.answered) !== true)
    return { ...common, ...unknownNat() }
  const { discovery, boundaryHop } = diagnosis
  const { mapping, filtering, portAllocation, addressPool, publicIps, alg } = discovery
  return { ...common, mapping, filtering, portAllocation, boundaryHop, addressPool, publicIps, alg }
}

/** NATs can be counted with any public address, one that was seen over TCP included. */
function layerFacts(
  { udp, hops, portMapping, local }: Gathered,
  family: AddressFamily,
  publicIp: string | undefined,
): Pick<NatReport, 'layers' | 'cgn'> {
  const { pcp, natPmp, upnp } = portMapping
  return inferLayers({
    localIp: local.sourceIps[family],
    publicIp,
    gatewayExternalIps: [pcp, natPmp, upnp].flatMap((fact) => fact.externalAddress ?? []),
    hops,
    boundaryHop: udp[family]?.boundaryHop ?? unknown(),
  })
}

function unknownNat(): Omit<NatReport, 'family' | 'hairpin' | 'bindingLifetimeMs' | 'layers' | 'cgn'> {
  const why = 'no STUN server answered over UDP, so nothing could be asked'
  return {
    mapping: unknownMapping(why),
    filtering: unknown(why),
    portAllocation: unknown(why),
    boundaryHop: unknown(why),
    addressPool: unknown(why),
    publicIps: [],
    alg: unknown(why),
  }
}

function ipv6Report(diagnosis: UdpDiagnosis | undefined): Ipv6Report {
  const why = 'no server with an IPv6 address was asked'
  return {
    mapping: diagnosis?.discovery.mapping ?? unknownMapping(why),
    filtering: diagnosis?.discovery.filtering ?? unknown(why),
    boundaryHop: diagnosis?.boundaryHop ?? unknown(why),
  }
}

function unknownMapping(why: string): MappingFact {
  return { ...unknown(why), variesByDestination: 'unknown' }
}

function unknownMtu(): MtuFact {
  return { ...unknown('no STUN server answered over UDP, so nothing could be asked'), bothWays: 'unknown' }
}

function icmpFact(hops: readonly Hop[]): Fact<boolean> {
  const answered = hops.filter((hop) => hop.ip !== undefined)
  if (answered.length === 0) return unknown('no router answered a ping, or this host has no ping program')
  const reached = hops.find((hop) => hop.reached)
  if (reached !== undefined) return measured(true, `${reached.ip ?? 'the server'} answered a ping`)
  return inferred(true, `routers on the way answered: ${answered.map((hop) => hop.ip ?? '').join(', ')}`)
}

/** UDP to one STUN server, for each family that was asked. */
function stunEgress(
  { label, addresses, endpoint, outcome }: StunTarget,
  udp: Gathered['udp'],
): readonly EgressFact[] {
  const base = { relay: label, transport: 'udp-stun', port: endpoint.port } as const
  if (outcome.kind !== 'found') {
    return [{ ...base, ...unknown(`${endpoint.host} could not be resolved`), error: outcome.code }]
  }
  return addresses.flatMap((address) => stunContact(base, address, udp[address.family]))
}

function stunContact(
  base: Pick<EgressFact, 'relay' | 'transport' | 'port'>,
  address: TransportAddress,
  diagnosis: UdpDiagnosis | undefined,
): readonly EgressFact[] {
  const contact = diagnosis?.discovery.contacts.find(({ server }) => sameAddress(server, address))
  const at = { ...base, ip: address.ip }
  // A family that this host does not have is no way out that could be blocked.
  if (contact === undefined) return []
  if (contact.answered) {
    const { rttMs } = contact
    return [
      {
        ...at,
        ...measured(true, 'it answered a Binding request'),
        ...(rttMs === undefined ? {} : { ms: rttMs }),
      },
    ]
  }
  const { refused } = contact
  if (refused !== undefined)
    return [{ ...at, ...measured(false, `sending failed: ${refused}`), error: refused }]
  return [{ ...at, ...inferred(false, 'it did not answer; it may also be down'), error: 'no answer' }]
}

/** Ours: the order in which a relay is used best. */
const PREFERENCE: readonly EgressTransport[] = [
  ...(['udp-stun', 'tcp', 'tls', 'websocket', 'connect-proxy', 'socks5', 'ssh'] as const),
]

function relayReports(urls: readonly string[], ways: readonly EgressFact[]): readonly RelayReport[] {
  return urls.map((url) => {
    const working = ways.filter((way) => way.relay === url && way.value === true)
    const times = working.flatMap((way) => way.ms ?? [])
    const reachableBy = PREFERENCE.filter((transport) => working.some((way) => way.transport === transport))
    const peerWay = peerWayOf(ways.filter((way) => way.relay === url))
    return { url, ...(times.length > 0 ? { latencyMs: Math.min(...times) } : {}), reachableBy, peerWay }
  })
}
