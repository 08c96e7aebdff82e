import type {
  CaptivePortalFact,
  DiagnoseReport,
  Fact,
  MtuFact,
  PerFamily,
  ProxyFact,
} from '../../lib/index.ts'
import type { FactGroup, FactLine, Tone, Wording } from './fact-line.ts'
import { factLine, yesNoLine } from './fact-line.ts'
import { familyName } from './families.ts'
import { formatDuration, formatPercent } from './units.ts'

/** Ours: from here on, calls and games suffer. */
const HIGH_LOSS = 0.02
/** RFC 8200 §5: every IPv6 link carries this; paths that carry less break QUIC (RFC 9000 §14: 1200 bytes of payload). */
const SMALL_MTU_BYTES = 1280

/** Which kinds of packets reach the internet from here. */
export function wayOutFacts(report: DiagnoseReport): FactGroup {
  const { udp, tcp, icmp } = report
  return {
    title: 'Ways out',
    lines: [
      ...familyLines('UDP', udp.works),
      ...familyLines('TCP', tcp.works),
      factLine('UDP loss', udp.lossRate, lossWords),
      factLine('UDP round trip', udp.rttMs, (ms) => ({ value: formatDuration(ms), tone: 'plain' })),
      factLine('Largest packet', report.mtu, (bytes) => mtuWords(bytes, report.mtu)),
      worksLine('Ping (ICMP)', icmp.works, 'plain'),
      captivePortalLine(report.captivePortal),
      proxyLine(report.proxy),
    ],
  }
}

/** One family that works is enough, so the other's failure is no harm. */
function familyLines(name: string, works: PerFamily<Fact<boolean>>): readonly FactLine[] {
  const toneOfNo = works.ipv4.value === true || works.ipv6.value === true ? 'plain' : 'bad'
  return (['ipv4', 'ipv6'] as const).map((family) =>
    worksLine(`${name} over ${familyName(family)}`, works[family], toneOfNo),
  )
}

function worksLine(name: string, fact: Fact<boolean>, toneOfNo: Tone): FactLine {
  return factLine(name, fact, (works) => ({
    value: works ? 'works' : 'does not work',
    tone: works ? 'good' : toneOfNo,
  }))
}

function lossWords(rate: number): Wording {
  const value = formatPercent(rate)
  return rate >= HIGH_LOSS
    ? { value, meaning: 'packets get lost', tone: 'fair' }
    : { value, tone: rate === 0 ? 'good' : 'plain' }
}

function mtuWords(bytes: number, { bothWays }: MtuFact): Wording {
  const direction = bothWays === true ? ' both ways' : bothWays === false ? ' outward, less inward' : ''
  return { value: `${bytes} bytes${direction}`, tone: bytes < SMALL_MTU_BYTES ? 'fair' : 'plain' }
}

function captivePortalLine(fact: CaptivePortalFact): FactLine {
  const where = fact.location === undefined ? '' : ` at ${fact.location}`
  return yesNoLine('Captive portal', fact, {
    yes: { meaning: `this network wants you to sign in first${where}`, tone: 'bad' },
    no: { tone: 'good' },
  })
}

function proxyLine(fact: ProxyFact): FactLine {
  const from = fact.source === undefined ? '' : `, from ${fact.source}`
  const meaning = fact.address === undefined ? {} : { meaning: `${fact.address}${from}` }
  return factLine('HTTP proxy', fact, (value): Wording => {
    switch (value) {
      case 'none':
        return { value: 'none', tone: 'plain' }
      case 'works':
        return { value: 'works', tone: 'good', ...meaning }
      case 'refuses':
        return { value: 'refuses', tone: 'bad', ...meaning }
      case 'dead':
        return { value: 'does not answer', tone: 'bad', ...meaning }
    }
  })
}
