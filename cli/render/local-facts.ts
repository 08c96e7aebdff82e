import type {
  DiagnoseReport,
  DnsFact,
  Fact,
  InterfaceKind,
  InterfaceReport,
  PortMappingFact,
  PortMappingValue,
} from '../../lib/index.ts'
import type { FactGroup, FactLine, Wording } from './fact-line.ts'
import { factLine, plainLine } from './fact-line.ts'
import { familyName } from './families.ts'
import { formatDuration } from './units.ts'

/** Ours: certificates of 24 h and one-time tokens bear less than this. */
const HARMFUL_SKEW_MS = 60_000

/** What the router, the resolver and this host itself offer. */
export function localFacts(report: DiagnoseReport): FactGroup {
  const { portMapping } = report
  return {
    title: 'Local network',
    lines: [
      portMappingLine('Opens ports: PCP', portMapping.pcp),
      portMappingLine('Opens ports: NAT-PMP', portMapping.natPmp),
      portMappingLine('Opens ports: UPnP', portMapping.upnp),
      gatewayLine(report),
      dnsLine(report.dns),
      clockLine(report.clockSkewMs),
    ],
  }
}

/** Hops and interfaces as lines, for a rendering that has no tables of them. */
export function networkLines(report: DiagnoseReport): readonly FactLine[] {
  return [hopsLine(report), ...interfaceLines(report.interfaces)]
}

function portMappingLine(name: string, fact: PortMappingFact): FactLine {
  return factLine(name, fact, (value) => portMappingWords(value, fact))
}

function portMappingWords(value: PortMappingValue, { externalAddress, gateway }: PortMappingFact): Wording {
  const at = gateway === undefined ? 'the router' : gateway
  switch (value) {
    case 'available': {
      const outside = externalAddress === undefined ? '' : `, whose outside is ${externalAddress}`
      return { value, meaning: `programs can ask ${at} for an open port${outside}`, tone: 'good' }
    }
    case 'absent':
      return { value, tone: 'plain' }
    case 'refused':
      return { value, meaning: `${at} knows it, but it is switched off`, tone: 'fair' }
    case 'unreachable-from-outside':
      return { value, meaning: `${at} opens ports, but nothing comes in through them`, tone: 'bad' }
  }
}

function gatewayLine({ gateways }: DiagnoseReport): FactLine {
  const list = gateways.map(({ ip, interfaceName }) => `${ip} (${interfaceName})`).join(', ')
  return plainLine('Default gateway', list === '' ? 'none' : list)
}

function dnsLine(fact: DnsFact): FactLine {
  const speed = fact.latencyMs === undefined ? [] : [`${formatDuration(fact.latencyMs)} per answer`]
  const aaaa = fact.ipv6 === false ? ['hides IPv6 addresses'] : []
  const parts = [...fact.servers, ...speed, ...aaaa]
  const meaning = parts.length === 0 ? {} : { meaning: parts.join(', ') }
  return factLine('DNS', fact, (value): Wording => {
    switch (value) {
      case 'ok':
        return { value: 'works', tone: 'good', ...meaning }
      case 'failing':
        return { value: 'does not answer', tone: 'bad', ...meaning }
      case 'hijacked':
        return { value: 'answers falsely', tone: 'bad', ...meaning }
    }
  })
}

function clockLine(fact: Fact<number>): FactLine {
  return factLine('Clock', fact, (skewMs) => {
    if (skewMs === 0) return { value: 'right', meaning: 'as the relays’ clocks', tone: 'good' }
    const off = `${formatDuration(Math.abs(skewMs))} ${skewMs >= 0 ? 'ahead of' : 'behind'} the relays`
    return Math.abs(skewMs) >= HARMFUL_SKEW_MS
      ? { value: off, meaning: 'certificates look expired or not yet valid', tone: 'bad' }
      : { value: 'right', meaning: off, tone: 'good' }
  })
}

function hopsLine({ hops }: DiagnoseReport): FactLine {
  const heard = hops.map(({ ip, reached }) => (reached ? `${ip ?? '?'} (the server)` : (ip ?? '?')))
  return heard.length === 0
    ? { ...plainLine('Routers on the way', 'not known', 'none was asked, or none answered'), tone: 'unknown' }
    : plainLine('Routers on the way', heard.join(', '))
}

function interfaceLines(interfaces: readonly InterfaceReport[]): readonly FactLine[] {
  return interfaces
    .filter(({ kind }) => kind !== 'loopback')
    .map((one) => plainLine(`Interface ${one.name}`, interfaceKindWords(one.kind), interfaceWords(one)))
}

/** The addresses of an interface, and whether packets to the internet leave by it. */
function interfaceWords({ addresses, carries }: InterfaceReport): string {
  const parts = addresses.length === 0 ? ['no address'] : addresses
  return [...parts, ...(carries.length === 0 ? [] : [carriesWords(carries)])].join(', ')
}

/** `carries IPv4 and IPv6`. */
export function carriesWords(carries: InterfaceReport['carries']): string {
  return carries.length === 0 ? '' : `carries ${carries.map(familyName).join(' and ')}`
}

const INTERFACE_KINDS: Readonly<Record<InterfaceKind, string>> = {
  'ethernet-or-wifi': 'Ethernet or Wi-Fi',
  vpn: 'VPN',
  container: 'container network',
  'virtual-machine': 'virtual machine network',
  bridge: 'bridge',
  loopback: 'loopback',
  other: 'other',
}

export function interfaceKindWords(kind: InterfaceKind): string {
  return INTERFACE_KINDS[kind]
}
