import type { DiagnoseReport, Ipv6Report, NatReport } from '../../lib/index.ts'
import type { FactGroup, FactLine, Wording } from './fact-line.ts'
import { factLine, yesNoLine } from './fact-line.ts'
import { familyName, ipv6IsApart } from './families.ts'
import { allocationWords, boundaryWords, filteringWords, mappingWords } from './nat-words.ts'
import { formatDuration } from './units.ts'

/** What translates and filters between this host and the internet; IPv6 apart, where both families work. */
export function natFacts(report: DiagnoseReport): readonly FactGroup[] {
  const groups = [{ title: `NAT (${familyName(report.nat.family)})`, lines: natLines(report.nat) }]
  return ipv6IsApart(report)
    ? [...groups, { title: 'Firewall (IPv6)', lines: ipv6Lines(report.ipv6) }]
    : groups
}

function natLines(nat: NatReport): readonly FactLine[] {
  return [
    factLine('Mapping', nat.mapping, mappingWords),
    factLine('Filtering', nat.filtering, filteringWords),
    factLine('Port allocation', nat.portAllocation, (value) => allocationWords(value, nat.portAllocation)),
    factLine('NATs in a row', nat.layers, layersWords),
    yesNoLine('Carrier NAT (CGN)', nat.cgn, {
      yes: { meaning: 'the provider shares one public address among customers', tone: 'fair' },
      no: { meaning: 'the provider does not translate', tone: 'plain' },
    }),
    factLine('Outermost filter', nat.boundaryHop, (hop) => ({ value: boundaryWords(hop), tone: 'plain' })),
    factLine('Idle mapping lasts', nat.bindingLifetimeMs, lifetimeWords),
    yesNoLine('Hairpinning', nat.hairpin, {
      yes: { meaning: 'hosts behind this NAT reach each other by public address', tone: 'good' },
      no: { meaning: 'hosts behind this NAT must use their local addresses', tone: 'plain' },
    }),
  ]
}

function ipv6Lines(ipv6: Ipv6Report): readonly FactLine[] {
  return [
    factLine('Mapping', ipv6.mapping, mappingWords),
    factLine('Filtering', ipv6.filtering, filteringWords),
    factLine('Outermost filter', ipv6.boundaryHop, (hop) => ({ value: boundaryWords(hop), tone: 'plain' })),
  ]
}

function layersWords(value: '0' | '1' | '2+'): Wording {
  switch (value) {
    case '0':
      return { value: 'none', tone: 'good' }
    case '1':
      return { value: 'one', tone: 'plain' }
    case '2+':
      return { value: 'two or more', meaning: 'a NAT behind another NAT', tone: 'fair' }
  }
}

function lifetimeWords(ms: number): Wording {
  return {
    value: formatDuration(ms),
    meaning: 'without traffic, then the public port is given up',
    tone: 'plain',
  }
}
