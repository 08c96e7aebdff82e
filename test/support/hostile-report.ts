import type { Fact } from '../../lib/base/fact.ts'
import type { DiagnoseReport, NatReport, PerFamily, PortMappingFact } from '../../lib/probe/report.ts'

/**
 * The report with `text` in every field whose text is open: what servers, portals, routers, the environment and the
 * system chose, and our own sentences, into which such texts are put. Closed words (`measured`, `tcp`) stay.
 */
export function withEveryText(report: DiagnoseReport, text: string): DiagnoseReport {
  const { udp, tcp, icmp, ipv6, portMapping, publicAddress } = report
  const fact = <F extends Fact<unknown>>(one: F): F => ({ ...one, evidence: [text, text] })
  const both = <F extends Fact<unknown>>(one: PerFamily<F>): PerFamily<F> => ({
    ipv4: fact(one.ipv4),
    ipv6: fact(one.ipv6),
  })
  const mapper = (one: PortMappingFact): PortMappingFact => ({
    ...fact(one),
    externalAddress: text,
    gateway: text,
  })
  return {
    ...report,
    ...hostileLists(report, text),
    startedAt: text,
    nat: hostileNat(report.nat, text),
    ipv6: {
      mapping: fact(ipv6.mapping),
      filtering: fact(ipv6.filtering),
      boundaryHop: fact(ipv6.boundaryHop),
    },
    udp: { works: both(udp.works), lossRate: fact(udp.lossRate), rttMs: fact(udp.rttMs) },
    tcp: { works: both(tcp.works) },
    icmp: { works: fact(icmp.works) },
    publicAddress: {
      ipv4: { ...fact(publicAddress.ipv4), value: text },
      ipv6: { ...fact(publicAddress.ipv6), value: text },
    },
    portMapping: {
      pcp: mapper(portMapping.pcp),
      natPmp: mapper(portMapping.natPmp),
      upnp: mapper(portMapping.upnp),
    },
    captivePortal: { ...fact(report.captivePortal), value: true, location: text },
    clockSkewMs: fact(report.clockSkewMs),
    dns: { ...fact(report.dns), servers: [text] },
    proxy: { ...fact(report.proxy), value: 'refuses', address: text, source: text },
    mtu: fact(report.mtu),
  }
}

function hostileNat(nat: NatReport, text: string): NatReport {
  const evidence = [text, text]
  return {
    ...nat,
    mapping: { ...nat.mapping, evidence },
    filtering: { ...nat.filtering, evidence },
    portAllocation: { ...nat.portAllocation, evidence },
    hairpin: { ...nat.hairpin, evidence },
    bindingLifetimeMs: { ...nat.bindingLifetimeMs, evidence },
    layers: { ...nat.layers, evidence },
    cgn: { ...nat.cgn, evidence },
    boundaryHop: { ...nat.boundaryHop, evidence },
    addressPool: { ...nat.addressPool, value: true, evidence },
    publicIps: [text],
    alg: { ...nat.alg, evidence },
  }
}

type Lists = 'egress' | 'relays' | 'interfaces' | 'gateways' | 'hops' | 'prediction' | 'verdict'

function hostileLists(report: DiagnoseReport, text: string): Pick<DiagnoseReport, Lists> {
  const remedy = { id: text, action: text, why: text }
  return {
    egress: report.egress.map((one) => ({
      ...one,
      evidence: [text],
      relay: text,
      ip: text,
      error: text,
      tlsIssuer: text,
      tlsTrusted: false,
    })),
    relays: report.relays.map((relay) => ({ ...relay, url: text })),
    interfaces: report.interfaces.map((one) => ({ ...one, name: text, addresses: [text] })),
    gateways: [{ ip: text, interfaceName: text }],
    hops: [{ ttl: 1, ip: text, scope: text, reached: false }],
    prediction: report.prediction.map((one) => ({ ...one, peerNat: text, example: text, why: text })),
    verdict: { ...report.verdict, summary: text, remedies: [remedy, remedy] },
  }
}
