import test from 'ava'
import { measured, unknown } from '../../../lib/base/fact.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import type { Gathered } from '../../../lib/probe/assemble-report.ts'
import { assembleReport } from '../../../lib/probe/assemble-report.ts'
import type { UdpDiagnosis } from '../../../lib/probe/udp-diagnosis.ts'
import type { ServerContact } from '../../../lib/protocol/stun/nat-behavior-discovery.ts'
import { aPortMapping, anEgress, easyHome } from '../../support/report-fixtures.ts'

const SERVER = transportAddress('198.51.100.7', 3478)
const RELAY_URL = 'https://relay.example.org'

function aContact(overrides: Partial<ServerContact> = {}): ServerContact {
  return {
    server: SERVER,
    answered: true,
    rttMs: 20,
    mapped: transportAddress('203.0.113.50', 40_001),
    other: undefined,
    refused: undefined,
    ...overrides,
  }
}

/** What an ordinary home's discovery says over IPv4. */
function aDiagnosis(...contacts: readonly ServerContact[]): UdpDiagnosis {
  const { mapping, filtering, portAllocation, addressPool, alg, boundaryHop } = easyHome().nat
  return {
    family: 'ipv4',
    localIp: '192.168.1.10',
    discovery: {
      family: 'ipv4',
      contacts,
      local: transportAddress('0.0.0.0', 40_001),
      publicAddress: contacts.find(({ mapped }) => mapped !== undefined)?.mapped,
      publicIps: ['203.0.113.50'],
      mapping,
      filtering,
      portAllocation,
      addressPool,
      alg,
      rttMs: 20,
      loss: { sent: 10, answered: 9 },
      server: undefined,
    },
    boundaryHop,
    mtu: { ...measured(1500, 'answered'), bothWays: true },
  }
}

function gathered(overrides: Partial<Gathered> = {}): Gathered {
  const home = easyHome()
  return {
    times: { ipv4: 400, ipv6: 10, hops: 300, portMapping: 200, egress: 600 },
    startedAt: '2026-11-23T21:50:04.120Z',
    durationMs: 1234,
    local: {
      interfaces: home.interfaces,
      gateways: [{ family: 'ipv4', ip: '192.168.1.1', interfaceName: 'wlan0', metric: 600 }],
      sourceIps: { ipv4: '192.168.1.10', ipv6: undefined },
    },
    stunTargets: [
      {
        label: RELAY_URL,
        isRelay: true,
        endpoint: { host: 'relay.example.org', port: 3478 },
        outcome: { kind: 'found', ips: [SERVER.ip] },
        addresses: [SERVER],
      },
    ],
    udp: { ipv4: aDiagnosis(aContact()), ipv6: undefined },
    hops: [],
    portMapping: home.portMapping,
    egress: {
      facts: [
        anEgress(RELAY_URL, 'websocket', 443, true, { ms: 60 }),
        anEgress(RELAY_URL, 'tls', 443, true, { ms: 15 }),
        anEgress(RELAY_URL, 'tcp', 443, false, { ms: 5 }),
      ],
      tcpWorks: home.tcp.works,
      overTcp: [],
      captivePortal: home.captivePortal,
      clockSkewMs: home.clockSkewMs,
      dns: home.dns,
      proxy: home.proxy,
    },
    relayUrls: [RELAY_URL],
    deep: undefined,
    ...overrides,
  }
}

test('puts NAT, public address, loss and verdict of the family that works into the report', (t) => {
  const report = assembleReport(gathered())
  t.is(report.schema, 'p2p-reach/diagnose/1')
  t.is(report.nat.family, 'ipv4')
  t.is(report.udp.works.ipv4.value, true)
  t.is(report.udp.works.ipv6.value, 'unknown')
  t.like(report.publicAddress.ipv4, { value: '203.0.113.50', port: 40_001 })
  t.is(report.udp.lossRate.value, 1 - 9 / 10)
  t.is(report.verdict.class, 'easy')
  t.true(report.prediction.length > 0)
  t.deepEqual(report.gateways, [{ ip: '192.168.1.1', interfaceName: 'wlan0' }])
  t.is(report.nat.layers.value, '1', 'the gateway reports the public address')
})

test('IPv6 is what the NAT facts are about where only it works', (t) => {
  const v6 = {
    ...aDiagnosis(aContact({ server: transportAddress('2001:db8::7', 3478) })),
    family: 'ipv6' as const,
  }
  const silent = aDiagnosis(aContact({ answered: false, mapped: undefined, rttMs: undefined }))
  t.is(assembleReport(gathered({ udp: { ipv4: silent, ipv6: v6 } })).nat.family, 'ipv6')
  t.is(assembleReport(gathered({ udp: { ipv4: aDiagnosis(aContact()), ipv6: v6 } })).nat.family, 'ipv4')
  t.is(assembleReport(gathered({ udp: { ipv4: silent, ipv6: undefined } })).nat.family, 'ipv4')
})

test('nothing asked is unknown throughout, never false', (t) => {
  const report = assembleReport(gathered({ udp: { ipv4: undefined, ipv6: undefined } }))
  const { mapping, filtering, layers, cgn, hairpin } = report.nat
  for (const fact of [
    mapping,
    filtering,
    layers,
    cgn,
    hairpin,
    report.mtu,
    report.udp.rttMs,
    report.icmp.works,
  ])
    t.is(fact.value, 'unknown')
  t.is(report.nat.mapping.variesByDestination, 'unknown')
  t.is(report.mtu.bothWays, 'unknown')
})

test('a relay’s latency is the lowest of the ways that work, and they stand in the order of use', (t) => {
  t.deepEqual(assembleReport(gathered()).relays, [
    {
      ...{ url: RELAY_URL, latencyMs: 15, reachableBy: ['udp-stun', 'tls', 'websocket'] },
      peerWay: {
        ...{ value: 'direct', confidence: 'measured', evidence: ['direct works'] },
      },
    },
  ])
  const none = gathered({ udp: { ipv4: undefined, ipv6: undefined } })
  t.deepEqual(assembleReport({ ...none, egress: { ...none.egress, facts: [] } }).relays, [
    { url: RELAY_URL, reachableBy: [], peerWay: { value: 'unknown', confidence: 'unknown', evidence: [] } },
  ])
})

test('STUN servers are ways out: answered, silent, refused by the system, not resolved, and of no family of ours', (t) => {
  const udpOf = (contact: ServerContact) =>
    assembleReport(gathered({ udp: { ipv4: aDiagnosis(contact), ipv6: undefined } })).egress[0]
  t.like(udpOf(aContact()), { transport: 'udp-stun', value: true, ip: SERVER.ip, port: 3478, ms: 20 })
  const silent = { answered: false, mapped: undefined, rttMs: undefined }
  t.like(udpOf(aContact(silent)), { value: false, confidence: 'inferred', error: 'no answer' })
  const refused = aContact({ ...silent, refused: 'EPERM' })
  t.like(udpOf(refused), { value: false, confidence: 'measured', error: 'EPERM' })
  const [target] = gathered().stunTargets
  if (target === undefined) throw new Error('there is one')
  const unresolved = { ...target, outcome: { kind: 'failed', code: 'ETIMEOUT' } as const, addresses: [] }
  const { egress } = assembleReport(gathered({ stunTargets: [unresolved] }))
  t.like(egress[0], { value: 'unknown', error: 'ETIMEOUT', port: 3478 })
  const v6 = { ...target, addresses: [transportAddress('2001:db8::7', 3478)] }
  t.is(assembleReport(gathered({ stunTargets: [v6] })).egress[0]?.transport, 'websocket')
})

test('a public address that only TCP showed is the public address', (t) => {
  const { egress } = gathered()
  const mapped = transportAddress('203.0.113.77', 50_000, 'tcp')
  const local = transportAddress('192.168.1.10', 50_000, 'tcp')
  const overTcp = [{ server: transportAddress('198.51.100.7', 443, 'tcp'), local, mapped }]
  const udp = { ipv4: undefined, ipv6: undefined }
  const report = assembleReport(gathered({ udp, egress: { ...egress, overTcp } }))
  t.like(report.publicAddress.ipv4, { value: '203.0.113.77', port: 50_000 })
  t.is(report.publicAddress.ipv6.value, 'unknown')
})

test('hops tell whether ping works, and what kind of addresses routers have', (t) => {
  const router = { ttl: 1, ip: '192.168.1.1', reached: false }
  const silent = { ttl: 2, ip: undefined, reached: false }
  const server = { ttl: 3, ip: '198.51.100.7', reached: true }
  const some = assembleReport(gathered({ hops: [router, silent] }))
  t.like(some.icmp.works, { value: true, confidence: 'inferred' })
  t.deepEqual(some.hops, [
    { ttl: 1, reached: false, ip: '192.168.1.1', scope: 'private' },
    { ttl: 2, reached: false },
  ])
  t.like(assembleReport(gathered({ hops: [router, server] })).icmp.works, {
    value: true,
    confidence: 'measured',
  })
})

test('deep facts are said where they were measured, and why not where they were not', (t) => {
  const deep = { hairpin: measured(true, 'came back'), bindingLifetimeMs: unknown<number>('no binding') }
  t.is(assembleReport(gathered({ deep })).nat.hairpin.value, true)
  t.deepEqual(assembleReport(gathered()).nat.hairpin.evidence, ['measured with --deep only'])
})

test('a gateway that reports a carrier address makes it a carrier’s NAT', (t) => {
  const upnp = aPortMapping('available', 'answered', { externalAddress: '100.64.3.7' })
  const absent = aPortMapping('absent', 'no answer')
  const { nat } = assembleReport(gathered({ portMapping: { pcp: absent, natPmp: absent, upnp } }))
  t.is(nat.layers.value, '2+')
  t.is(nat.cgn.value, true)
})
