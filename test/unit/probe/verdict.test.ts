import test from 'ava'
import { inferred, measured, unknown } from '../../../lib/base/fact.ts'
import type { EndpointDependence } from '../../../lib/base/nat-behavior.ts'
import type { DiagnoseReport, VerdictClass } from '../../../lib/probe/report.ts'
import { drawVerdict, isAnythingReachable, peerNetworkOf } from '../../../lib/probe/verdict.ts'
import {
  aMapping,
  aNat,
  aPortMapping,
  aReport,
  anEgress,
  captivePortal,
  dualStackFirewall,
  easyHome,
  offline,
  onlyTcp443,
  openServer,
  symmetricBehindCgn,
  udpBlocked,
  unknownMapping,
} from '../../support/report-fixtures.ts'

function verdictOf(report: DiagnoseReport): VerdictClass {
  return drawVerdict(report).class
}

function remedyIds(report: DiagnoseReport): readonly string[] {
  return drawVerdict(report).remedies.map(({ id }) => id)
}

/** No mapping service, one strict NAT, no IPv6. */
function hardHome(): DiagnoseReport {
  return aReport({
    nat: aNat({ mapping: aMapping('address-and-port-dependent', 'another port for each') }),
    portMapping: NO_MAPPER,
  })
}

const NO_MAPPER = {
  pcp: aPortMapping('absent', 'no answer'),
  natPmp: aPortMapping('absent', 'no answer'),
  upnp: aPortMapping('absent', 'no answer'),
}

/** UDP and TCP are dead, but there is a route. */
function nothingAnswers(): DiagnoseReport {
  const blocked = udpBlocked()
  const dead = { ipv4: measured(false, 'silence'), ipv6: measured(false, 'silence') }
  return { ...blocked, tcp: { works: dead }, egress: [anEgress('x', 'tcp', 443, false)] }
}

const CLASSES: readonly (readonly [string, () => DiagnoseReport, VerdictClass])[] = [
  ['a public address without a filter is open', openServer, 'open'],
  ['an ordinary router is easy', easyHome, 'easy'],
  ['a NAT that maps per destination is hard', symmetricBehindCgn, 'hard'],
  ['a network without UDP is blocked', udpBlocked, 'blocked'],
  ['a network with nothing but port 443 is blocked', onlyTcp443, 'blocked'],
  ['a route but no answer at all is blocked, not offline', nothingAnswers, 'blocked'],
  ['no gateway and no interface that carries anything is offline', offline, 'offline'],
  ['IPv6 behind a firewall is easy', dualStackFirewall, 'easy'],
]

for (const [title, build, expected] of CLASSES) test(title, (t) => t.is(verdictOf(build()), expected))

test('an own address behind a firewall, and a mapping that nobody could measure, are easy, and said so', (t) => {
  const firewall = aReport({ nat: aNat({ mapping: aMapping('none', 'own address') }) })
  t.is(verdictOf(firewall), 'easy')
  t.regex(drawVerdict(firewall).summary, /behind a firewall/)
  const unclear = aReport({ nat: aNat({ mapping: unknownMapping('one server') }) })
  t.is(verdictOf(unclear), 'easy')
  t.regex(drawVerdict(unclear).summary, /probably/)
})

test('UDP over IPv6 alone is UDP', (t) => {
  const base = easyHome()
  const works = { ipv4: measured(false, 'silence'), ipv6: measured(true, 'answered') }
  t.is(verdictOf({ ...base, udp: { ...base.udp, works } }), 'easy')
  const hard = hardHome()
  const both = {
    ...hard,
    udp: { ...hard.udp, works: { ipv4: measured(true, 'a'), ipv6: measured(true, 'b') } },
  }
  t.regex(drawVerdict(both).summary, /Over IPv6 it is easy\.$/)
})

test('reachable is whatever answered in any way', (t) => {
  t.true(isAnythingReachable(udpBlocked()))
  t.false(isAnythingReachable(nothingAnswers()))
  t.true(isAnythingReachable({ ...nothingAnswers(), egress: [anEgress('x', 'connect-proxy', 3128, true)] }))
  const byTcp = { works: { ipv4: unknown<boolean>('?'), ipv6: inferred(true, 'connected') } }
  t.true(isAnythingReachable({ ...nothingAnswers(), tcp: byTcp }))
})

const REMEDIES: readonly (readonly [string, () => DiagnoseReport, readonly string[]])[] = [
  ['an easy home with a mapping service needs nothing', easyHome, []],
  ['an open server needs nothing', openServer, []],
  ['offline: connect, and nothing that needs a network', offline, ['connect']],
  ['UDP blocked: allow it, or use a relay', udpBlocked, ['allow-udp', 'use-relay']],
  [
    'nothing answers: another way out, or check the servers',
    nothingAnswers,
    ['any-way-out', 'check-servers'],
  ],
  ['a strict NAT of one’s own', hardHome, ['port-mapping', 'static-port', 'ipv6']],
  ['a carrier’s NAT: nothing at home helps', symmetricBehindCgn, ['carrier-nat', 'ipv6']],
]

for (const [title, build, expected] of REMEDIES)
  test(`remedies: ${title}`, (t) => t.deepEqual(remedyIds(build()), expected))

test('a captive portal comes first in words and remedies, with its page', (t) => {
  const { summary, remedies } = drawVerdict(captivePortal())
  t.regex(summary, /login page/)
  t.is(remedies[0]?.id, 'sign-in')
  t.true(remedies[0]?.action.includes('wifi.hotel.example'))
  t.true(remedyIds(captivePortal()).includes('dns-hijack'))
  const nameless = aReport({ captivePortal: measured(true, 'another page came') })
  t.is(drawVerdict(nameless).remedies[0]?.action, 'Open any web page in a browser and sign in.')
})

test('dns: failing is named with its servers, but not when there is no network at all', (t) => {
  const failing = aReport({ dns: { ...measured('failing' as const, 'silence'), servers: ['192.168.1.1'] } })
  t.deepEqual(remedyIds(failing), ['dns'])
  t.true(drawVerdict(failing).remedies[0]?.why.includes('192.168.1.1'))
  t.false(remedyIds(offline()).includes('dns'))
})

test('proxy: a dead one is named with its variable', (t) => {
  const dead = { ...measured('dead' as const, 'refused'), address: 'proxy:3128', source: 'HTTPS_PROXY' }
  const { remedies } = drawVerdict(aReport({ proxy: dead }))
  t.deepEqual(
    remedies.map(({ id }) => id),
    ['proxy'],
  )
  t.true(remedies[0]?.action.includes('HTTPS_PROXY'))
  t.true(remedies[0]?.why.includes('proxy:3128'))
})

test('host-firewall: only when it is this host that blocks', (t) => {
  const blocked = udpBlocked()
  const own = { ...blocked, nat: { ...blocked.nat, boundaryHop: measured(0, 'TTL 0') } }
  t.deepEqual(remedyIds(own), ['host-firewall', 'allow-udp', 'use-relay'])
  t.false(remedyIds({ ...own, ...easyHome() }).includes('host-firewall'))
})

test('double-nat and carrier-nat take the place of a port mapping, which would not help', (t) => {
  const home = aReport({ portMapping: NO_MAPPER })
  t.deepEqual(remedyIds(home), ['port-mapping'])
  const double = aReport({ nat: aNat({ layers: measured<'2+'>('2+', 'x') }), portMapping: NO_MAPPER })
  t.deepEqual(remedyIds(double), ['double-nat'])
  const carrier = aReport({ nat: aNat({ cgn: measured(true, 'x') }), portMapping: NO_MAPPER })
  t.deepEqual(remedyIds(carrier), ['carrier-nat'])
})

test('ipv6 is no advice where it works, static-port none where the carrier translates', (t) => {
  const base = hardHome()
  const works = { ipv4: measured(true, 'a'), ipv6: measured(true, 'b') }
  t.deepEqual(remedyIds({ ...base, udp: { ...base.udp, works } }), ['port-mapping', 'static-port'])
})

test('alg: something rewrites packets', (t) => {
  t.deepEqual(remedyIds(aReport({ nat: aNat({ alg: measured(true, 'rewritten') }) })), ['alg'])
})

test('clock: more than a minute off, in either direction', (t) => {
  const off = (ms: number) => drawVerdict(aReport({ clockSkewMs: measured(ms, 'Date header') })).remedies
  t.deepEqual(off(60_000), [])
  t.deepEqual(off(-60_000), [])
  t.is(off(90_000)[0]?.id, 'clock')
  t.regex(off(90_000)[0]?.why ?? '', /1\.5 min ahead/)
  t.regex(off(-5_400_000)[0]?.why ?? '', /90 min behind/)
})

test('tls-interception: a certificate that is not the relay’s', (t) => {
  const shown = anEgress('https://relay', 'tls', 443, false, {
    tlsTrusted: false,
    tlsIssuer: 'ACME Inspection',
  })
  const { remedies } = drawVerdict(aReport({ egress: [shown] }))
  t.deepEqual(
    remedies.map(({ id }) => id),
    ['tls-interception'],
  )
  t.true(remedies[0]?.why.includes('ACME Inspection'))
  t.deepEqual(
    remedyIds(aReport({ egress: [anEgress('https://relay', 'tls', 443, true, { tlsTrusted: true })] })),
    [],
  )
})

test('mtu: less than IPv6 and QUIC need (RFC 8200 §5, RFC 9000 §14)', (t) => {
  const withMtu = (value: number) => remedyIds(aReport({ mtu: { ...measured(value, 'x'), bothWays: true } }))
  t.deepEqual(withMtu(1279), ['mtu'])
  t.deepEqual(withMtu(1280), [])
})

test('more-servers: only where UDP works and something stayed open', (t) => {
  const unclear = aReport({ nat: aNat({ filtering: unknown<EndpointDependence>('one address') }) })
  t.deepEqual(remedyIds(unclear), ['more-servers'])
  t.false(remedyIds(udpBlocked()).includes('more-servers'))
})

test('the behaviour for predictions has ports only where they were measured', (t) => {
  t.deepEqual(peerNetworkOf(easyHome()).behavior, {
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
    portAllocation: 'preserving',
    ports: { min: 40_001, max: 40_016 },
  })
  t.deepEqual(peerNetworkOf(udpBlocked()).behavior.ports, {})
  t.false(peerNetworkOf(udpBlocked()).udpWorks)
  t.true(peerNetworkOf(easyHome()).udpWorks)
})
