import test from 'ava'
import { inferred, measured, unknown } from '../../../lib/base/fact.ts'
import type { DiagnoseReport } from '../../../lib/probe/report.ts'
import type { Family } from '../../../cli/render/families.ts'
import { familiesToDraw } from '../../../cli/render/families.ts'
import { pathSteps } from '../../../cli/render/path-picture.ts'
import {
  aMapping,
  aNat,
  aReport,
  anIpv6,
  captivePortal,
  dualStackFirewall,
  easyHome,
  lossyNetwork,
  offline,
  openServer,
  symmetricBehindCgn,
  udpBlocked,
} from '../../support/report-fixtures.ts'

function picture(report: DiagnoseReport, family: Family = 'ipv4'): readonly string[] {
  return pathSteps(report, family).map(({ kind, address }) =>
    address === undefined ? kind : `${kind} ${address}`,
  )
}

test('one NAT stands at the gateway', (t) => {
  t.deepEqual(picture(easyHome()), ['host 192.168.1.10', 'nat 192.168.1.1', 'internet 203.0.113.50'])
})

test('a carrier NAT stands behind the own one, at the hop with a carrier address', (t) => {
  t.deepEqual(picture(symmetricBehindCgn()), [
    'host 192.168.1.10',
    'nat 192.168.1.1',
    'carrier-nat 100.64.0.1',
    'internet 203.0.113.50',
  ])
  t.deepEqual(pathSteps(symmetricBehindCgn(), 'ipv4')[1]?.notes, ['outside 100.64.3.7'])
})

test('a host with a carrier address has the carrier NAT only', (t) => {
  const report = aReport({
    nat: aNat({ layers: inferred<'1'>('1', 'own address'), cgn: measured(true, 'own address') }),
    interfaces: [
      { name: 'wwan0', kind: 'ethernet-or-wifi', addresses: ['100.70.1.2/30'], carries: ['ipv4'] },
    ],
    gateways: [{ ip: '100.70.1.1', interfaceName: 'wwan0' }],
  })
  t.deepEqual(picture(report), ['host 100.70.1.2', 'carrier-nat 100.70.1.1', 'internet 203.0.113.50'])
})

test('a second NAT of unknown owner is not called the carrier', (t) => {
  const report = aReport({
    nat: aNat({ layers: measured<'2+'>('2+', 'x'), cgn: unknown('x') }),
    hops: [
      { ttl: 1, ip: '192.168.1.1', scope: 'private', reached: false },
      { ttl: 2, ip: '10.0.0.1', scope: 'private', reached: false },
    ],
  })
  t.deepEqual(picture(report), [
    'host 192.168.1.10',
    'nat 192.168.1.1',
    'nat 10.0.0.1',
    'internet 203.0.113.50',
  ])
  t.is(pathSteps(report, 'ipv4')[2]?.title, 'second NAT (a router or the carrier)')
})

test('without translation a router is a router, or a firewall where it filters', (t) => {
  t.deepEqual(picture(openServer()), ['host 203.0.113.80', 'router 203.0.113.1', 'internet 203.0.113.80'])
  t.deepEqual(picture(dualStackFirewall(), 'ipv6'), [
    'host 2001:db8:77:1::10',
    'firewall fe80::1',
    'internet 2001:db8:77:1::10',
  ])
})

test('a filter of the host itself is told at the host', (t) => {
  const { ipv6 } = dualStackFirewall()
  const report = { ...dualStackFirewall(), ipv6: { ...ipv6, boundaryHop: measured(0, 'x') } }
  const [host, next] = pathSteps(report, 'ipv6')
  t.deepEqual(host?.notes, ['enp3s0', 'its own firewall filters'])
  t.is(next?.kind, 'router')
})

test('a firewall further away stands behind the router', (t) => {
  const { ipv6 } = dualStackFirewall()
  const report = { ...dualStackFirewall(), ipv6: { ...ipv6, boundaryHop: measured(3, 'x') } }
  t.deepEqual(picture(report, 'ipv6'), [
    'host 2001:db8:77:1::10',
    'router fe80::1',
    'firewall',
    'internet 2001:db8:77:1::10',
  ])
  t.deepEqual(pathSteps(report, 'ipv6')[2]?.notes, ['hop 3'])
})

test('an unknown count of NATs is said to be unknown', (t) => {
  t.deepEqual(pathSteps(lossyNetwork(), 'ipv4')[1]?.notes, ['how many in a row is not known'])
})

test('a translated address proves a NAT where its behaviour could not be measured', (t) => {
  t.deepEqual(picture(udpBlocked()), ['host 192.168.1.10', 'nat 192.168.1.1', 'internet 203.0.113.50'])
})

test('nothing is drawn that is not known', (t) => {
  const report = aReport({
    nat: aNat({ mapping: { ...unknown('x'), variesByDestination: 'unknown' }, layers: unknown('x') }),
    publicAddress: { ipv4: unknown('x'), ipv6: unknown('x') },
    interfaces: [],
    gateways: [],
    hops: [],
  })
  t.deepEqual(picture(report), ['host', 'internet'])
})

test('no way out and a sign-in page end the path', (t) => {
  t.deepEqual(picture(offline()), ['host', 'dead-end'])
  t.deepEqual(picture(captivePortal()).at(-1), 'portal wifi.hotel.example')
})

test('an offline host has no way out, also where its addresses are merely unknown', (t) => {
  const report = aReport({
    ...offline(),
    publicAddress: { ipv4: unknown('x'), ipv6: unknown('x') },
    udp: { ...offline().udp, works: { ipv4: unknown('x'), ipv6: unknown('x') } },
  })
  t.deepEqual(picture(report), ['host', 'dead-end'])
})

test('the interface that carries the family names the source, not the first one', (t) => {
  const report = aReport({
    interfaces: [
      { name: 'docker0', kind: 'container', addresses: ['172.17.0.1/16'], carries: [] },
      { name: 'wg0', kind: 'vpn', addresses: ['fe80::5/64', '10.8.0.3/24'], carries: ['ipv4'] },
    ],
    gateways: [
      { ip: '192.168.1.1', interfaceName: 'wlan0' },
      { ip: '10.8.0.1', interfaceName: 'wg0' },
    ],
  })
  t.deepEqual(picture(report).slice(0, 2), ['host 10.8.0.3', 'nat 10.8.0.1'])
  t.deepEqual(pathSteps(report, 'ipv4')[0]?.notes, ['VPN wg0'])
})

test('facts about IPv6 NAT are not drawn for IPv4', (t) => {
  const report = aReport({
    nat: aNat({
      family: 'ipv6',
      mapping: aMapping('endpoint-independent', 'x'),
      layers: measured<'2+'>('2+', 'x'),
    }),
    ipv6: anIpv6(),
    publicAddress: { ipv4: unknown('x'), ipv6: measured('2001:db8::5', 'x') },
  })
  t.deepEqual(familiesToDraw(report), ['ipv4', 'ipv6'])
  t.deepEqual(picture(report, 'ipv4'), ['host 192.168.1.10', 'router 192.168.1.1', 'internet'])
})
