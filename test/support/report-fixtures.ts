import type { Fact } from '../../lib/base/fact.ts'
import { inferred, measured, unknown } from '../../lib/base/fact.ts'
import type { EndpointDependence, PortAllocation, PortAllocationDetail } from '../../lib/base/nat-behavior.ts'
import { predictTypicalPairs } from '../../lib/protocol/ice/pair-prediction.ts'
import type { AllocationFact, MappingFact } from '../../lib/protocol/stun/nat-inference.ts'
import type {
  DiagnoseReport,
  EgressFact,
  EgressTransport,
  Ipv6Report,
  NatReport,
  PortMappingFact,
  PortMappingValue,
  Remedy,
  Verdict,
  VerdictClass,
} from '../../lib/probe/report.ts'

/** Reports of typical networks, for everything that shows or judges one. Built from parts; nothing is shared mutably. */

export const RELAY_URL = 'p2p-reach://relay.example.org'
const STUN_ONE = 'stun.example.net:3478'
const STUN_TWO = 'stun.example.com:3478'

/** The same fact, known `ms` after the start. */
export function at<F extends Fact<unknown>>(ms: number, fact: F): F {
  return { ...fact, ms }
}

export function aMapping(value: EndpointDependence, ...evidence: readonly string[]): MappingFact {
  const variesByDestination = value === 'address-dependent' || value === 'address-and-port-dependent'
  return { ...measured(value, ...evidence), variesByDestination, ms: 212 }
}

export function anAllocation(
  value: PortAllocation,
  detail: PortAllocationDetail,
  ...evidence: readonly string[]
): AllocationFact {
  return { ...measured(value, ...evidence), ...detail, ms: 431 }
}

/** A mapping that nobody could measure. */
export function unknownMapping(why: string): MappingFact {
  return { ...unknown(why), variesByDestination: 'unknown' }
}

export function aPortMapping(
  value: PortMappingValue | 'unknown',
  evidence: string,
  extra: Partial<PortMappingFact> = {},
): PortMappingFact {
  const fact = value === 'unknown' ? unknown<PortMappingValue>(evidence) : measured(value, evidence)
  return { ...fact, ms: 88, proven: 'unknown', ...extra }
}

export function anEgress(
  relay: string,
  transport: EgressTransport,
  port: number,
  value: boolean | 'unknown',
  extra: Partial<EgressFact> = {},
): EgressFact {
  const evidence =
    value === true ? 'answered' : value === false ? 'three tries without an answer' : 'not tried'
  const fact = value === 'unknown' ? unknown<boolean>(evidence) : measured(value, evidence)
  return { ...fact, ms: 140, relay, transport, port, ...extra }
}

/** Every transport to the relay and two STUN servers; `broken` says what fails, with its error. */
export function egressTo(broken: Partial<Record<EgressTransport, string>> = {}): readonly EgressFact[] {
  const one = (relay: string, transport: EgressTransport, port: number) => {
    const error = broken[transport]
    return anEgress(relay, transport, port, error === undefined, {
      ip: '198.51.100.7',
      ...(error === undefined ? {} : { error }),
      ...(error === undefined && transport === 'tls'
        ? { tlsIssuer: 'Example Trust R3', tlsTrusted: true }
        : {}),
    })
  }
  return [
    one(RELAY_URL, 'udp-stun', 3478),
    one(RELAY_URL, 'tcp', 443),
    one(RELAY_URL, 'tls', 443),
    one(RELAY_URL, 'websocket', 443),
    one(RELAY_URL, 'ssh', 22),
    one(STUN_ONE, 'udp-stun', 3478),
    one(STUN_TWO, 'udp-stun', 3478),
  ]
}

const notDeep = 'only measured with --deep'

export function aNat(overrides: Partial<NatReport> = {}): NatReport {
  return {
    family: 'ipv4',
    mapping: aMapping(
      'endpoint-independent',
      'all destinations saw one public port',
      '198.51.100.7:3478 saw 203.0.113.50:40001',
      '198.51.100.8:3478 saw 203.0.113.50:40001',
    ),
    filtering: at(
      1210,
      measured<EndpointDependence>(
        'address-and-port-dependent',
        'only the address and port sent to can answer',
      ),
    ),
    portAllocation: anAllocation(
      'preserving',
      { min: 40_001, max: 40_016 },
      '16 of 16 sockets kept their port',
    ),
    hairpin: unknown(notDeep),
    bindingLifetimeMs: unknown(notDeep),
    layers: at(240, measured<'1'>('1', "the gateway's public side is 203.0.113.50, as servers see us")),
    cgn: at(240, measured(false, "the gateway's public side is 203.0.113.50, as servers see us")),
    boundaryHop: at(900, measured(1, 'a mapping refreshed with TTL 1 stays open')),
    addressPool: at(431, measured(false, '16 sockets were seen as 203.0.113.50')),
    publicIps: ['203.0.113.50'],
    alg: at(212, measured(false, 'XOR-MAPPED-ADDRESS and MAPPED-ADDRESS agree')),
    ...overrides,
  }
}

const NO_IPV6 = 'this host has no global IPv6 address'

export function anIpv6(overrides: Partial<Ipv6Report> = {}): Ipv6Report {
  return {
    mapping: unknownMapping(NO_IPV6),
    filtering: unknown(NO_IPV6),
    boundaryHop: unknown(NO_IPV6),
    ...overrides,
  }
}

export function aVerdict(verdict: VerdictClass, summary: string, ...remedies: readonly Remedy[]): Verdict {
  return { class: verdict, summary, remedies }
}

export function aRemedy(id: string, action: string, why: string): Remedy {
  return { id, action, why }
}

/** A home with an ordinary router: the base of all others. What is not overridden stays as it is there. */
export function aReport(overrides: Partial<DiagnoseReport> = {}): DiagnoseReport {
  const base = homeReport()
  const report = { ...base, ...overrides }
  if (overrides.prediction !== undefined) return report
  const { mapping, filtering, portAllocation } = report.nat
  const { step, min, max } = portAllocation
  const ports = {
    ...(step === undefined ? {} : { step }),
    ...(min === undefined || max === undefined ? {} : { min, max }),
  }
  const behavior = {
    mapping: mapping.value,
    filtering: filtering.value,
    portAllocation: portAllocation.value,
    ports,
  }
  const udpWorks = report.udp.works.ipv4.value !== false || report.udp.works.ipv6.value === true
  return { ...report, prediction: predictTypicalPairs({ behavior, udpWorks }) }
}

function homeReport(): DiagnoseReport {
  return {
    schema: 'p2p-reach/diagnose/1',
    startedAt: '2026-11-23T21:50:04.120Z',
    durationMs: 3411.27,
    nat: aNat(),
    ipv6: anIpv6(),
    udp: {
      works: {
        ipv4: at(31.4, measured(true, '3 of 3 servers answered')),
        ipv6: at(2, measured(false, NO_IPV6)),
      },
      lossRate: at(1300, measured(0, '61 of 61 probes were answered')),
      rttMs: at(31.4, measured(18.437, 'lowest of 61 answers')),
    },
    tcp: {
      works: {
        ipv4: at(44, measured(true, 'connected to 198.51.100.7:443')),
        ipv6: at(2, measured(false, NO_IPV6)),
      },
    },
    icmp: { works: at(60, measured(true, '198.51.100.7 answered a ping')) },
    publicAddress: {
      ipv4: { ...measured('203.0.113.50', '3 servers agree'), port: 40_001, ms: 31.4 },
      ipv6: { ...measured('none', NO_IPV6), ms: 2 },
    },
    portMapping: {
      pcp: aPortMapping('available', '192.168.1.1 answered ANNOUNCE', { gateway: '192.168.1.1' }),
      natPmp: aPortMapping('available', '192.168.1.1 reports its public side', {
        gateway: '192.168.1.1',
        externalAddress: '203.0.113.50',
      }),
      upnp: aPortMapping('absent', 'nobody answered five searches in 1 s'),
    },
    egress: egressTo(),
    relays: [
      { url: RELAY_URL, latencyMs: 18.437, reachableBy: ['udp-stun', 'tls', 'websocket', 'tcp', 'ssh'] },
    ],
    captivePortal: at(120, measured(false, 'the test page came as it should')),
    clockSkewMs: at(150, measured(-340.2, 'by the Date header of relay.example.org')),
    dns: {
      ...measured('ok' as const, 'a name that exists was found, one that does not was not'),
      ms: 40,
      servers: ['192.168.1.1'],
      latencyMs: 9.2,
      ipv6: true,
    },
    proxy: { ...measured('none' as const, 'no proxy variable is set'), ms: 0 },
    mtu: {
      ...measured(1500, '1500-byte packets were answered, larger ones are not sent'),
      ms: 800,
      bothWays: true,
    },
    interfaces: [
      { name: 'lo', kind: 'loopback', addresses: ['127.0.0.1/8', '::1/128'], carries: [] },
      {
        name: 'wlan0',
        kind: 'ethernet-or-wifi',
        addresses: ['192.168.1.10/24', 'fe80::10/64'],
        carries: ['ipv4'],
      },
      { name: 'docker0', kind: 'container', addresses: ['172.17.0.1/16'], carries: [] },
    ],
    gateways: [{ ip: '192.168.1.1', interfaceName: 'wlan0' }],
    hops: [
      { ttl: 1, ip: '192.168.1.1', scope: 'private', reached: false },
      { ttl: 2, ip: '203.0.113.1', scope: 'global', reached: false },
      { ttl: 3, reached: false },
      { ttl: 4, ip: '198.51.100.7', scope: 'global', reached: true },
    ],
    prediction: [],
    verdict: aVerdict(
      'easy',
      'peers can connect to you directly, once a relay has told both sides where to send. Your router keeps one public port for all destinations.',
    ),
  }
}

/** An ordinary home router: EIM, APDF, ports preserved, PCP offered. */
export function easyHome(): DiagnoseReport {
  return aReport()
}

/** A server with a public address and no firewall. */
export function openServer(): DiagnoseReport {
  const own = "203.0.113.80 is this host's own address and the one that servers see"
  return aReport({
    nat: aNat({
      mapping: aMapping('none', `the public address is this host's own, 203.0.113.80:40001`),
      filtering: at(
        340,
        measured<EndpointDependence>('none', 'an answer came in from an address that was never sent to'),
      ),
      layers: measured<'0'>('0', own),
      cgn: measured(false, own),
      boundaryHop: unknown('nothing filters, so there is no hop to find'),
      addressPool: measured(false, '16 sockets were seen as 203.0.113.80'),
      publicIps: ['203.0.113.80'],
      hairpin: at(4100, measured(true, 'a packet to the public address came back')),
      bindingLifetimeMs: unknown('there is no NAT whose mappings could end'),
    }),
    publicAddress: {
      ipv4: { ...measured('203.0.113.80', '3 servers agree'), port: 40_001, ms: 12 },
      ipv6: { ...measured('none', NO_IPV6), ms: 2 },
    },
    portMapping: {
      pcp: aPortMapping('absent', 'no answer'),
      natPmp: aPortMapping('absent', 'no answer'),
      upnp: aPortMapping('absent', 'no answer'),
    },
    interfaces: [
      { name: 'eth0', kind: 'ethernet-or-wifi', addresses: ['203.0.113.80/24'], carries: ['ipv4'] },
    ],
    gateways: [{ ip: '203.0.113.1', interfaceName: 'eth0' }],
    hops: [{ ttl: 1, ip: '203.0.113.1', scope: 'global', reached: false }],
    verdict: aVerdict(
      'open',
      'anybody can connect to you directly: this host has a public address and nothing filters.',
    ),
  })
}

/** A home behind a carrier NAT that gives every destination another random port. */
export function symmetricBehindCgn(): DiagnoseReport {
  const why = "the gateway's public side is 100.64.3.7, but servers see 203.0.113.50"
  return aReport({
    nat: aNat({
      mapping: aMapping(
        'address-and-port-dependent',
        'two ports of one server saw different public ports',
        '198.51.100.7:3478 saw 203.0.113.50:40001',
        '198.51.100.7:3479 saw 203.0.113.51:61377',
      ),
      portAllocation: anAllocation(
        'random',
        { min: 1044, max: 64_901 },
        '32 sockets got ports spread over 63858',
        '40000→1044 40001→61377 40002→18222',
      ),
      layers: measured<'2+'>('2+', why),
      cgn: measured(true, `${why}; 100.64.0.0/10 is for carriers (RFC 6598)`),
      boundaryHop: inferred(2, 'a mapping refreshed with TTL 2 stays open, with TTL 1 it closes'),
      addressPool: measured(true, '32 sockets were seen as 2 addresses'),
      publicIps: ['203.0.113.50', '203.0.113.51'],
      hairpin: at(5200, measured(false, 'no packet to the public address came back')),
      bindingLifetimeMs: at(
        190_000,
        measured(118_000, 'answered after 118 s of silence, silent after 121 s'),
      ),
    }),
    portMapping: {
      pcp: aPortMapping('absent', '192.168.1.1 does not answer on port 5351'),
      natPmp: aPortMapping('absent', '192.168.1.1 does not answer on port 5351'),
      upnp: aPortMapping('available', '192.168.1.1 describes a WANIPConnection', {
        gateway: '192.168.1.1',
        externalAddress: '100.64.3.7',
      }),
    },
    hops: [
      { ttl: 1, ip: '192.168.1.1', scope: 'private', reached: false },
      { ttl: 2, ip: '100.64.0.1', scope: 'shared', reached: false },
      { ttl: 3, ip: '203.0.113.1', scope: 'global', reached: false },
      { ttl: 4, ip: '198.51.100.7', scope: 'global', reached: true },
    ],
    verdict: aVerdict(
      'hard',
      'your provider shares its public addresses and gives every destination another port. Peers with ordinary routers are reached after a search of some seconds, others through a relay.',
      aRemedy(
        'ask-for-public-address',
        'Ask your provider for a public IPv4 address of your own, or for IPv6.',
        'Then peers reach you directly and at once.',
      ),
      aRemedy(
        'use-tcp-relay',
        'Until then, run a relay near you: p2p-reach relay up.',
        'What cannot be direct is then at least fast.',
      ),
    ),
  })
}

const SILENT = 'no server answered any of 24 packets, while TCP works'

function withoutUdp(): Partial<DiagnoseReport> {
  const unheard = unknown<never>('UDP does not get through, so no server could say')
  return {
    nat: aNat({
      mapping: { ...unheard, variesByDestination: 'unknown' },
      filtering: unheard,
      portAllocation: unheard,
      layers: unheard,
      cgn: unheard,
      boundaryHop: unheard,
      addressPool: unheard,
      publicIps: [],
      alg: unheard,
    }),
    udp: {
      works: { ipv4: at(3000, measured(false, SILENT)), ipv6: measured(false, NO_IPV6) },
      lossRate: unheard,
      rttMs: unheard,
    },
    mtu: { ...unheard, bothWays: 'unknown' },
  }
}

/** An office that lets TCP out and drops UDP. */
export function udpBlocked(): DiagnoseReport {
  return aReport({
    ...withoutUdp(),
    publicAddress: {
      ipv4: { ...measured('203.0.113.50', 'the relay saw it over TCP'), ms: 90 },
      ipv6: { ...measured('none', NO_IPV6) },
    },
    egress: egressTo({ 'udp-stun': 'ETIMEDOUT' }),
    relays: [{ url: RELAY_URL, latencyMs: 22.9, reachableBy: ['tls', 'websocket', 'tcp', 'ssh'] }],
    verdict: aVerdict(
      'blocked',
      'this network drops UDP, so connections go through a relay, over TCP.',
      aRemedy(
        'allow-udp',
        'Ask whoever runs this network to let UDP out, at least to port 3478 and from port 40000 up.',
        'Then direct connections become possible.',
      ),
    ),
  })
}

/** Only TLS to port 443 leaves, through a proxy that the environment names. */
export function onlyTcp443(): DiagnoseReport {
  return aReport({
    ...withoutUdp(),
    icmp: { works: measured(false, 'no answer to 3 pings') },
    publicAddress: {
      ipv4: { ...measured('203.0.113.50', 'the relay saw it over TLS'), ms: 190 },
      ipv6: { ...measured('none', NO_IPV6) },
    },
    egress: [
      ...egressTo({ 'udp-stun': 'ETIMEDOUT', tcp: 'ETIMEDOUT', ssh: 'ECONNREFUSED' }),
      anEgress(RELAY_URL, 'connect-proxy', 3128, true),
      anEgress('p2p-reach://relay2.example.org:8443', 'tls', 8443, 'unknown'),
    ],
    relays: [
      { url: RELAY_URL, latencyMs: 48.1, reachableBy: ['tls', 'websocket', 'connect-proxy'] },
      { url: 'p2p-reach://relay2.example.org:8443', reachableBy: [] },
    ],
    proxy: {
      ...measured('works' as const, 'CONNECT relay.example.org:443 was answered with 200'),
      address: 'proxy.corp.example:3128',
      source: 'HTTPS_PROXY',
    },
    hops: [],
    verdict: aVerdict(
      'blocked',
      'only TLS to port 443 leaves this network, so every connection goes through a relay on that port.',
      aRemedy(
        'allow-udp',
        'Ask whoever runs this network to let UDP out.',
        'Then direct connections become possible.',
      ),
      aRemedy(
        'relay-443',
        'Use a relay that listens on port 443.',
        'It is the only kind that is reached from here.',
      ),
    ),
  })
}

/** No way out at all. */
export function offline(): DiagnoseReport {
  const none = 'the system has no route to the internet'
  return aReport({
    ...withoutUdp(),
    udp: {
      works: { ipv4: measured(false, none), ipv6: measured(false, none) },
      lossRate: unknown('nothing was sent'),
      rttMs: unknown('nothing was sent'),
    },
    tcp: { works: { ipv4: measured(false, none), ipv6: measured(false, none) } },
    icmp: { works: measured(false, none) },
    publicAddress: { ipv4: measured('none', none), ipv6: measured('none', none) },
    portMapping: {
      pcp: aPortMapping('unknown', 'this host has no IPv4 default gateway to ask'),
      natPmp: aPortMapping('unknown', 'this host has no IPv4 default gateway to ask'),
      upnp: aPortMapping('unknown', 'this host has no IPv4 default gateway to ask'),
    },
    egress: egressTo({
      'udp-stun': 'ENETUNREACH',
      tcp: 'ENETUNREACH',
      tls: 'ENETUNREACH',
      websocket: 'ENETUNREACH',
      ssh: 'ENETUNREACH',
    }),
    relays: [{ url: RELAY_URL, reachableBy: [] }],
    captivePortal: unknown('no test page could be asked for'),
    clockSkewMs: unknown('no relay was reached'),
    dns: { ...measured('failing' as const, 'no DNS server is configured'), servers: [] },
    interfaces: [{ name: 'wlan0', kind: 'ethernet-or-wifi', addresses: [], carries: [] }],
    gateways: [],
    hops: [],
    verdict: aVerdict(
      'offline',
      'this host has no connection to the internet.',
      aRemedy('connect', 'Connect a cable or join a Wi-Fi network.', 'Nothing else can be measured before.'),
    ),
  })
}

/** A hotel that answers everything with its sign-in page. */
export function captivePortal(): DiagnoseReport {
  return aReport({
    ...withoutUdp(),
    tcp: {
      works: {
        ipv4: measured(false, 'connections are answered by the sign-in page'),
        ipv6: measured(false, NO_IPV6),
      },
    },
    publicAddress: { ipv4: unknown('no server answered'), ipv6: measured('none', NO_IPV6) },
    egress: egressTo({
      'udp-stun': 'ETIMEDOUT',
      tcp: 'ECONNREFUSED',
      tls: 'certificate of wifi.hotel.example',
      websocket: 'HTTP 302',
      ssh: 'ETIMEDOUT',
    }),
    relays: [{ url: RELAY_URL, reachableBy: [] }],
    captivePortal: {
      ...measured(true, 'the test page was redirected'),
      ms: 130,
      location: 'https://wifi.hotel.example/login?mac=02-00-00-00-00-01&next=http%3A%2F%2Fexample.org%2F',
    },
    dns: {
      ...measured('hijacked' as const, 'a name that does not exist got 10.0.0.1'),
      servers: ['10.0.0.1'],
    },
    verdict: aVerdict(
      'blocked',
      'this network wants you to sign in before it lets anything out.',
      aRemedy(
        'sign-in',
        'Open a browser, sign in at https://wifi.hotel.example/login, then run this again.',
        'Nothing gets out before.',
      ),
    ),
  })
}

/** A middlebox opens TLS, and the clock of this host is wrong. */
export function tlsInterception(): DiagnoseReport {
  return aReport({
    egress: egressTo().map((fact) =>
      fact.transport === 'tls' || fact.transport === 'websocket'
        ? {
            ...fact,
            ...measured(false, 'the certificate does not have the pinned fingerprint'),
            error: 'TLS is intercepted: certificate signed by ACME Corp Web Inspection CA 2',
            tlsIssuer: 'ACME Corp Web Inspection CA 2',
            tlsTrusted: false,
          }
        : fact,
    ),
    clockSkewMs: at(
      150,
      measured(5_400_000, 'by the Date header of relay.example.org, half the round trip is 20 ms'),
    ),
    verdict: aVerdict(
      'easy',
      'peers can connect to you directly; but something on this network opens TLS connections and reads them.',
      aRemedy(
        'set-clock',
        'Set the clock of this host: it is 90 minutes ahead.',
        'Certificates look expired otherwise.',
      ),
      aRemedy(
        'trust-inspection',
        'Ask whoever runs “ACME Corp Web Inspection CA 2” to exempt your relay.',
        'Between peers nothing can be read either way; the connection to the relay can.',
      ),
    ),
  })
}

/** Both families work; IPv6 has no NAT, but a firewall at the router. */
export function dualStackFirewall(): DiagnoseReport {
  const own = '2001:db8:77:1::10'
  return aReport({
    ipv6: {
      mapping: aMapping('none', `the public address is this host's own, [${own}]:40002`),
      filtering: at(
        1300,
        measured<EndpointDependence>(
          'address-and-port-dependent',
          'only the address and port sent to can answer',
        ),
      ),
      boundaryHop: at(1000, measured(1, 'a state refreshed with hop limit 1 stays open')),
    },
    udp: {
      works: {
        ipv4: measured(true, '3 of 3 servers answered'),
        ipv6: measured(true, '2 of 2 servers answered'),
      },
      lossRate: measured(0.004, '1 of 250 probes was lost'),
      rttMs: measured(17.2, 'lowest of 90 answers'),
    },
    tcp: {
      works: {
        ipv4: measured(true, 'connected to 198.51.100.7:443'),
        ipv6: measured(true, 'connected to [2001:db8::7]:443'),
      },
    },
    publicAddress: {
      ipv4: { ...measured('203.0.113.50', '3 servers agree'), port: 40_001 },
      ipv6: { ...measured(own, '2 servers agree'), port: 40_002 },
    },
    interfaces: [
      {
        name: 'enp3s0',
        kind: 'ethernet-or-wifi',
        addresses: ['192.168.1.10/24', `${own}/64`, 'fe80::10/64'],
        carries: ['ipv4', 'ipv6'],
      },
      { name: 'wg0', kind: 'vpn', addresses: ['10.8.0.3/24'], carries: [] },
    ],
    gateways: [
      { ip: '192.168.1.1', interfaceName: 'enp3s0' },
      { ip: 'fe80::1%enp3s0', interfaceName: 'enp3s0' },
    ],
    mtu: { ...measured(1492, '1492-byte packets were answered, 1493-byte ones were not'), bothWays: true },
    verdict: aVerdict(
      'easy',
      'peers can connect to you directly, over IPv4 and over IPv6.',
      aRemedy(
        'ipv6-pinhole',
        'Open UDP to this host in the IPv6 firewall of your router.',
        'Then peers with IPv6 reach you without being introduced.',
      ),
    ),
  })
}

/** A third of all packets is lost, so much stays open. */
export function lossyNetwork(): DiagnoseReport {
  const few = 'too few answers to tell'
  return aReport({
    nat: aNat({
      mapping: {
        ...inferred<EndpointDependence>(
          'address-and-port-dependent',
          'the public port varies between servers; none offers a second port, so it may also be address-dependent',
        ),
        variesByDestination: true,
      },
      filtering: unknown(few, '3 of 12 shots were answered'),
      portAllocation: { ...unknown('5 of at least 8 sockets were answered'), min: 40_001, max: 52_110 },
      layers: unknown(
        'there is a NAT, but nothing tells how many: the gateway does not report its public side',
        'no router on the way answered',
      ),
      cgn: unknown('no router on the way answered'),
      boundaryHop: unknown(few),
      addressPool: inferred(false, '5 sockets were seen as 203.0.113.50'),
      alg: unknown('no server sends both forms of the address'),
    }),
    udp: {
      works: { ipv4: measured(true, '2 of 3 servers answered'), ipv6: measured(false, NO_IPV6) },
      lossRate: measured(0.337, '30 of 89 probes were lost'),
      rttMs: measured(412.6, 'lowest of 59 answers'),
    },
    icmp: { works: unknown('this host has no usable ping') },
    portMapping: {
      pcp: aPortMapping('refused', '192.168.1.1 answered NOT_AUTHORIZED', { gateway: '192.168.1.1' }),
      natPmp: aPortMapping('unreachable-from-outside', 'a mapping was made, no packet came in', {
        gateway: '192.168.1.1',
        proven: false,
      }),
      upnp: aPortMapping('unknown', 'the description of the router could not be read'),
    },
    egress: [
      ...egressTo({ ssh: 'ETIMEDOUT' }),
      anEgress('stun3.example.net:3478', 'udp-stun', 3478, 'unknown'),
    ],
    mtu: { ...unknown(few), bothWays: 'unknown' },
    dns: {
      ...inferred('ok' as const, 'one of three questions was answered'),
      servers: ['192.168.1.1', '192.168.1.2'],
    },
    hops: [],
    verdict: aVerdict(
      'hard',
      'a third of all packets is lost here, so direct connections are slow to come about and some facts are not known.',
      aRemedy(
        'better-link',
        'Move closer to the access point, or use a cable.',
        'Then this can be measured again.',
      ),
    ),
  })
}

/** Every fixture by name. */
export const ALL_REPORTS: Readonly<Record<string, () => DiagnoseReport>> = {
  easyHome,
  openServer,
  symmetricBehindCgn,
  udpBlocked,
  onlyTcp443,
  offline,
  captivePortal,
  tlsInterception,
  dualStackFirewall,
  lossyNetwork,
}
