import test, { type ExecutionContext } from 'ava'
import type { DiagnoseReport, VerdictClass } from '../../lib/index.ts'
import type { FamilyTruth, SiteTruth } from '../../cli/demo/lab/ground-truth.ts'
import { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import { SITE_RECIPES, type SiteKind } from '../../cli/demo/lab/site-kinds.ts'
import { openSite, type Site } from '../../cli/demo/lab/site.ts'
import { startCoturn } from './support/coturn.ts'
import { coturnVerdict, stunClientVerdict } from './support/nat-judges.ts'
import { BUSY, inTurn } from './support/lab-turns.ts'
import { canRunLabs } from './support/netns-test.ts'
import { runDiagnose, startRelay, type RelayProcess } from './support/relay-process.ts'

/*
 * The command as a person runs it, on hosts behind real Linux NATs, against our relay and against coturn: it must name
 * what the ruleset is. The ground truth is judged by other programs in lab-kinds.test.ts.
 */

const RELAY_IPS = ['203.0.113.2', '203.0.113.3', '2001:db8:0:1::2', '2001:db8:0:1::3']
const COTURN_IPS = ['203.0.113.4', '203.0.113.5']

const sites = new Map<SiteKind, Site>()
let lab: NetnsLab | undefined
let relay: RelayProcess | undefined
/** Of each site the test that began last. */
const lastOf = new Map<string, Promise<void>>()

const kinds = Object.keys(SITE_RECIPES).filter((kind): kind is SiteKind => kind in SITE_RECIPES)

if (canRunLabs) {
  test.before(async () => {
    lab = await NetnsLab.open()
    const internet = await lab.internet()
    const server = await lab.host('relay', { at: internet, ips: RELAY_IPS })
    const coturn = await lab.host('coturn', { at: internet, ips: COTURN_IPS })
    relay = await startRelay(server, RELAY_IPS)
    await startCoturn(coturn, COTURN_IPS)
    for (const [index, kind] of kinds.entries()) {
      sites.set(kind, await openSite(lab, internet, kind, { number: index + 1 }))
    }
  })
  test.after.always(() => lab?.close())
}

/**
 * Tests of one site come one after the other: where a NAT counts its ports up, nobody else may use any meanwhile. Those of
 * other sites have nothing in common but the internet and its servers.
 */
function declare(title: string, kind: SiteKind | 'deep', body: (t: ExecutionContext) => Promise<void>): void {
  const declareTest = canRunLabs ? test : test.skip
  declareTest(title, async (t) => {
    const before = lastOf.get(kind)
    const turn = (async () => {
      await before?.catch(() => undefined)
      await inTurn(BUSY, () => body(t))
    })()
    lastOf.set(kind, turn)
    await turn
  })
}

function siteOf(kind: SiteKind): Site {
  const site = sites.get(kind)
  if (site === undefined) throw new Error('the site is missing')
  return site
}

for (const kind of kinds) {
  declare(`diagnose names ${kind} as its ruleset is, with our relay`, kind, async (t) => {
    const { host, truth } = siteOf(kind)
    const pin = relay?.pin ?? ''
    const flags = ['--relay', `https://203.0.113.2${pin}`, '--relay', `https://[2001:db8:0:1::2]${pin}`]
    const { report, code } = await runDiagnose(host, flags)
    judgeNat(t, report, truth)
    judgeReachability(t, report, truth)
    judgeLayers(t, report, truth)
    t.is(report.verdict.class, expectedVerdict(truth), report.verdict.summary)
    t.is(code, expectedVerdict(truth) === 'offline' || isCutOff(truth) ? 3 : 0)
  })
}

/** Kinds in which the STUN server's own behaviour matters; the others would only repeat them. */
const STUN_KINDS = [
  'open',
  'public-firewall',
  'port-preserving',
  'full-cone',
  'address-restricted',
  'address-dependent',
  'fully-random',
  'cgn-fully-random',
] as const

for (const kind of STUN_KINDS) {
  declare(`diagnose says the same of ${kind} with coturn as STUN server`, kind, async (t) => {
    const { host, truth } = siteOf(kind)
    const { report } = await runDiagnose(host, ['--stun', '203.0.113.4'])
    judgeNat(t, report, truth)
  })

  declare(
    `coturn's and Debian's clients name ${kind} right with our relay as STUN server`,
    kind,
    async (t) => {
      const { host, hostIps, truth } = siteOf(kind)
      const [localIp = ''] = hostIps
      const { ipv4 } = truth
      if (ipv4 === undefined) throw new Error('all these sites have IPv4')
      const mapping = await coturnVerdict(host, 'mapping', localIp, '203.0.113.2')
      // Its third question goes to the OTHER-ADDRESS of the second answer. RFC 5780 §6.1 (table 1) leads it back to the
      // first IP from there, coturn's own server does not: with ours it takes address-dependent for the stricter kind.
      const seen = kind === 'address-dependent' ? 'address-and-port-dependent' : ipv4.mapping
      t.is(mapping.behavior, seen, mapping.output)
      const expected = ipv4.filtering === 'none' ? 'endpoint-independent' : ipv4.filtering
      const askFiltering = () => coturnVerdict(host, 'filtering', localIp, '203.0.113.2')
      let filtering = await askFiltering()
      // It asks once and takes silence for an answer: one late packet of a busy machine is a stricter kind.
      for (let again = 0; again < 3 && filtering.behavior !== expected; again++)
        filtering = await askFiltering()
      t.is(filtering.behavior, expected, filtering.output)
      t.is(await stunClientVerdict(host, '203.0.113.2'), await stunClientVerdict(host, '203.0.113.4'))
    },
  )
}

declare('diagnose --deep brackets the life of a binding and sees hairpinning', 'deep', async (t) => {
  if (lab === undefined || relay === undefined) throw new Error('the lab is missing')
  const internet = await lab.internet()
  const server = await lab.host('deep relay', { at: internet, ips: RELAY_IPS })
  await startRelay(server, RELAY_IPS)
  const options = { number: 1, name: 'deep', udpLifetimeS: 12 }
  const { host, truth } = await openSite(lab, internet, 'full-cone', options)
  const { report } = await runDiagnose(host, ['--deep', '--stun', '203.0.113.2'])
  t.is(report.nat.hairpin.value, truth.ipv4?.hairpin ?? 'unknown', report.nat.hairpin.evidence.join('\n'))
  // Of the idle times that are tried, 10 s is the longest within 12 s.
  t.is(report.nat.bindingLifetimeMs.value, 10_000, report.nat.bindingLifetimeMs.evidence.join('\n'))
})

function judgeNat(t: ExecutionContext, { nat }: DiagnoseReport, truth: SiteTruth): void {
  const family = familyOf(truth, nat.family)
  const { mapping, filtering, portAllocation } = nat
  t.is(mapping.value, family.mapping, mapping.evidence.join('\n'))
  t.is(filtering.value, family.filtering, filtering.evidence.join('\n'))
  // The lab makes address-dependent mappings of one block of ports per destination: towards one server that is a block.
  const isBlockPerServer = family.mapping === 'address-dependent' && portAllocation.value === 'block'
  if (!isBlockPerServer)
    t.is(portAllocation.value, family.portAllocation.kind, portAllocation.evidence.join('\n'))
  if (family.portAllocation.kind === 'sequential') t.is(portAllocation.step, family.portAllocation.step)
  for (const ip of nat.publicIps) t.true(family.publicIps.includes(ip), ip)
}

/** What is true where no packet passes. */
const SILENT: FamilyTruth = {
  udpWorks: false,
  tcpPorts: [],
  mapping: 'unknown',
  filtering: 'unknown',
  portAllocation: { kind: 'unknown' },
  hairpin: 'unknown',
  publicIps: [],
}

function familyOf(truth: SiteTruth, family: 'ipv4' | 'ipv6'): FamilyTruth {
  return truth[family] ?? SILENT
}

function judgeReachability(t: ExecutionContext, report: DiagnoseReport, truth: SiteTruth): void {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const { udpWorks, tcpPorts, publicIps } = familyOf(truth, family)
    t.is(report.udp.works[family].value, udpWorks, report.udp.works[family].evidence.join('\n'))
    const tcp443 = tcpPorts === 'all' || tcpPorts.includes(443)
    t.is(report.tcp.works[family].value, tcp443, report.tcp.works[family].evidence.join('\n'))
    const seen = report.publicAddress[family].value
    if (udpWorks || tcp443) t.true(publicIps.includes(seen), seen)
    else t.true(seen === 'unknown' || seen === 'none', seen)
  }
  const tls = report.egress.find(
    ({ relay: url, transport }) => transport === 'tls' && url.includes('203.0.113.2'),
  )
  const v4 = familyOf(truth, 'ipv4')
  if (v4.tcpPorts === 'all' || v4.tcpPorts.includes(443)) {
    t.is(tls?.value, true, tls?.error)
    t.is(tls?.tlsTrusted, true, 'the pin of the URL is the relay’s key')
    const webSocket = report.egress.find(({ transport }) => transport === 'websocket')
    t.is(webSocket?.value, true, webSocket?.error)
    t.is(report.clockSkewMs.value, 0)
  }
}

/** The number may stay unknown where nothing tells, but must not be wrong. */
function judgeLayers(t: ExecutionContext, { nat }: DiagnoseReport, truth: SiteTruth): void {
  if (nat.family === 'ipv6') return
  const expected = truth.natLayers === 0 ? '0' : truth.natLayers === 1 ? '1' : '2+'
  const { udpWorks, tcpPorts } = familyOf(truth, 'ipv4')
  // Over TCP a relay also tells the public address; where pings do not pass, nothing tells the routers' addresses.
  const isAnswered = udpWorks || tcpPorts === 'all'
  t.is(nat.layers.value, isAnswered ? expected : 'unknown', nat.layers.evidence.join('\n'))
  if (isAnswered) t.is(nat.cgn.value, truth.cgn, nat.cgn.evidence.join('\n'))
}

function isCutOff(truth: SiteTruth): boolean {
  return (['ipv4', 'ipv6'] as const).every((family) => {
    const { udpWorks, tcpPorts } = familyOf(truth, family)
    return !udpWorks && tcpPorts !== 'all' && !tcpPorts.includes(443)
  })
}

function expectedVerdict(truth: SiteTruth): VerdictClass {
  if (truth.ipv4 === undefined && truth.ipv6 === undefined) return 'offline'
  const family = truth.ipv4?.udpWorks === true ? truth.ipv4 : familyOf(truth, 'ipv6')
  if (!family.udpWorks) return 'blocked'
  if (family.mapping === 'none' && family.filtering === 'none') return 'open'
  return family.mapping === 'none' || family.mapping === 'endpoint-independent' ? 'easy' : 'hard'
}
