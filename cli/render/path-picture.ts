import type { DiagnoseReport, EndpointDependence, HopReport, InterfaceReport } from '../../lib/index.ts'
import type { Family } from './families.ts'
import { factsOf, familyOf, familyWorks } from './families.ts'

export type PathStepKind =
  'host' | 'router' | 'nat' | 'carrier-nat' | 'firewall' | 'internet' | 'portal' | 'dead-end'

/** One station on the way from this host to the internet. Texts are raw: the renderings make them safe. */
export interface PathStep {
  readonly kind: PathStepKind
  /** `this host`, `NAT`, `carrier NAT`, `internet as`, … */
  readonly title: string
  readonly address?: string
  readonly notes: readonly string[]
}

/** The way of one family's packets, as far as the facts tell; never more NATs than were found. */
export function pathSteps(report: DiagnoseReport, family: Family): readonly PathStep[] {
  return [hostStep(report, family), ...routerSteps(report, family), endStep(report, family)]
}

function step(kind: PathStepKind, title: string, address?: string, notes: readonly string[] = []): PathStep {
  return { kind, title, notes, ...(address === undefined ? {} : { address }) }
}

function hostStep(report: DiagnoseReport, family: Family): PathStep {
  const carrier = carryingInterface(report, family)
  const notes = carrier === undefined ? [] : [carrier.kind === 'vpn' ? `VPN ${carrier.name}` : carrier.name]
  const { restricts, boundaryHop } = behaviour(report, family)
  return step('host', 'this host', sourceIp(report, family), [
    ...notes,
    ...(restricts && boundaryHop === 0 ? ['its own firewall filters'] : []),
  ])
}

function endStep(report: DiagnoseReport, family: Family): PathStep {
  if (report.captivePortal.value === true) {
    return step('portal', 'sign-in page', hostOf(report.captivePortal.location))
  }
  const address = report.publicAddress[family].value
  if (familyWorks(report, family)) {
    return address === 'unknown' || address === 'none'
      ? step('internet', 'internet', undefined, ['public address not known'])
      : step('internet', 'internet as', address)
  }
  const isDead =
    report.verdict.class === 'offline' ||
    address === 'none' ||
    (report.udp.works[family].value === false && report.tcp.works[family].value === false)
  return isDead
    ? step('dead-end', 'no way to the internet')
    : step('internet', 'internet', undefined, ['not known whether it is reached'])
}

/** What stands between: NATs where they were found, else the firewall or plain router. */
function routerSteps(report: DiagnoseReport, family: Family): readonly PathStep[] {
  const gateway = gatewayIp(report, family)
  const { mapping } = behaviour(report, family)
  const layers = family === report.nat.family ? report.nat.layers.value : 'unknown'
  if (mapping === 'none' || layers === '0') return filterSteps(report, family, gateway)
  switch (layers) {
    case '1':
      return [singleNat(report, gateway)]
    case '2+':
      return [firstNat(report, gateway), outerNat(report)]
    case 'unknown':
      return mapping === 'unknown' && !isTranslated(report, family)
        ? plainRouter(gateway)
        : [firstNat(report, gateway, ['how many in a row is not known'])]
  }
}

function filterSteps(
  report: DiagnoseReport,
  family: Family,
  gateway: string | undefined,
): readonly PathStep[] {
  const { restricts, boundaryHop: hop } = behaviour(report, family)
  if (!restricts || hop === 0) return plainRouter(gateway)
  if (hop === 'unknown' || hop === 1) return [step('firewall', 'firewall', gateway)]
  const at = report.hops.find(({ ttl, ip }) => ttl === hop && ip !== undefined && familyOf(ip) === family)?.ip
  return [...plainRouter(gateway), step('firewall', 'firewall', at, at === undefined ? [`hop ${hop}`] : [])]
}

function plainRouter(gateway: string | undefined): readonly PathStep[] {
  return gateway === undefined ? [] : [step('router', 'router', gateway)]
}

function singleNat(report: DiagnoseReport, gateway: string | undefined): PathStep {
  return report.nat.cgn.value === true
    ? step('carrier-nat', 'carrier NAT', gateway)
    : firstNat(report, gateway)
}

function firstNat(
  report: DiagnoseReport,
  gateway: string | undefined,
  notes: readonly string[] = [],
): PathStep {
  const outside = Object.values(report.portMapping).find((fact) => fact.externalAddress !== undefined)
  const seen = report.publicAddress[report.nat.family].value
  const external = outside?.externalAddress
  const differs = external !== undefined && external !== seen
  return step('nat', 'NAT', gateway, [...(differs ? [`outside ${external}`] : []), ...notes])
}

function outerNat({ nat, hops }: DiagnoseReport): PathStep {
  const beyond = hops.filter((hop) => hop.ttl >= 2 && !hop.reached)
  const ofScope = (scope: string): HopReport | undefined => beyond.find((hop) => hop.scope === scope)
  if (nat.cgn.value === true) {
    return step('carrier-nat', 'carrier NAT', (ofScope('shared') ?? ofScope('private'))?.ip)
  }
  const title = nat.cgn.value === false ? 'second NAT' : 'second NAT (a router or the carrier)'
  return step('nat', title, (ofScope('private') ?? ofScope('shared'))?.ip)
}

function isTranslated(report: DiagnoseReport, family: Family): boolean {
  const seen = report.publicAddress[family].value
  const own = sourceIp(report, family)
  return seen !== 'unknown' && seen !== 'none' && own !== undefined && own !== seen
}

interface Behaviour {
  readonly mapping: EndpointDependence | 'unknown'
  /** Not everybody can send in. */
  readonly restricts: boolean
  readonly boundaryHop: number | 'unknown'
}

function behaviour(report: DiagnoseReport, family: Family): Behaviour {
  const facts = factsOf(report, family)
  if (facts === undefined) return { mapping: 'unknown', restricts: false, boundaryHop: 'unknown' }
  const { mapping, filtering, boundaryHop } = facts
  const restricts =
    filtering.value === 'address-dependent' || filtering.value === 'address-and-port-dependent'
  return { mapping: mapping.value, restricts, boundaryHop: boundaryHop.value }
}

function carryingInterface(report: DiagnoseReport, family: Family): InterfaceReport | undefined {
  return report.interfaces.find((one) => one.carries.includes(family))
}

/** This host's address in that family: that of the interface that carries it, link-local ones last. */
function sourceIp(report: DiagnoseReport, family: Family): string | undefined {
  const of = (one: InterfaceReport): readonly string[] =>
    one.addresses.map((address) => address.replace(/\/\d+$/, '')).filter((ip) => familyOf(ip) === family)
  const carrier = carryingInterface(report, family)
  const candidates =
    carrier === undefined
      ? report.interfaces.filter(({ kind }) => kind === 'ethernet-or-wifi').flatMap(of)
      : of(carrier)
  return candidates.find((ip) => !/^fe[89ab]/i.test(ip)) ?? candidates[0]
}

function gatewayIp(report: DiagnoseReport, family: Family): string | undefined {
  const ofFamily = report.gateways.filter(({ ip }) => familyOf(ip) === family)
  const carrier = carryingInterface(report, family)
  const gateway = ofFamily.find((one) => one.interfaceName === carrier?.name) ?? ofFamily[0]
  const ip = gateway?.ip.split('%')[0] // a zone says nothing in a picture that names the interface
  return ip ?? report.hops.find((hop) => hop.ttl === 1 && familyOf(hop.ip ?? '') === family)?.ip
}

/** The host of a web page; undefined when a portal sent something else. */
function hostOf(url: string | undefined): string | undefined {
  return url !== undefined && /^https?:/i.test(url) && URL.canParse(url) ? new URL(url).host : undefined
}
