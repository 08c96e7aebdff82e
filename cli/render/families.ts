import type { DiagnoseReport, Ipv6Report, NatReport } from '../../lib/index.ts'

export type Family = 'ipv4' | 'ipv6'

export function familyName(family: Family): string {
  return family === 'ipv4' ? 'IPv4' : 'IPv6'
}

/** Something of this family came back from the internet. */
export function familyWorks(report: DiagnoseReport, family: Family): boolean {
  const address = report.publicAddress[family].value
  return (
    report.udp.works[family].value === true ||
    report.tcp.works[family].value === true ||
    (address !== 'unknown' && address !== 'none')
  )
}

/** IPv6 works beside IPv4, so that its own facts say something. */
export function ipv6IsApart(report: DiagnoseReport): boolean {
  return report.nat.family === 'ipv4' && familyWorks(report, 'ipv6')
}

/** What was measured of a family's NAT or firewall; undefined where the report says nothing about it. */
export function factsOf(report: DiagnoseReport, family: Family): NatReport | Ipv6Report | undefined {
  if (family === report.nat.family) return report.nat
  return family === 'ipv6' ? report.ipv6 : undefined
}

/** The families worth drawing: those that work; when none does, the one that the NAT facts are about. */
export function familiesToDraw(report: DiagnoseReport): readonly Family[] {
  const working = (['ipv4', 'ipv6'] as const).filter((family) => familyWorks(report, family))
  return working.length > 0 ? working : [report.nat.family]
}

/** The family of an IP in any written form. */
export function familyOf(ip: string): Family {
  return ip.includes(':') ? 'ipv6' : 'ipv4'
}
