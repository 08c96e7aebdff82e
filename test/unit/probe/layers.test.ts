import test from 'ava'
import type { Fact } from '../../../lib/base/fact.ts'
import { measured, unknown } from '../../../lib/base/fact.ts'
import type { Hop } from '../../../lib/base/runtime.ts'
import type { LayerEvidence } from '../../../lib/probe/layers.ts'
import { inferLayers } from '../../../lib/probe/layers.ts'

const PUBLIC_IP = '203.0.113.50'

function evidence(overrides: Partial<LayerEvidence> = {}): LayerEvidence {
  return {
    localIp: '192.168.1.10',
    publicIp: PUBLIC_IP,
    gatewayExternalIps: [],
    hops: [],
    boundaryHop: unknown('not measured'),
    ...overrides,
  }
}

/** Routers by distance, the destination last when it ends in `!`; `*` did not answer. */
function hops(...ips: readonly string[]): readonly Hop[] {
  return ips.map((text, index) => ({
    ttl: index + 1,
    ip: text === '*' ? undefined : text.replace('!', ''),
    reached: text.endsWith('!'),
  }))
}

function short({ value, confidence }: Fact<unknown>): string {
  return confidence === 'unknown' ? 'unknown' : `${String(value)} ${confidence}`
}

interface Row {
  readonly title: string
  readonly evidence: Partial<LayerEvidence>
  readonly layers: string
  readonly cgn: string
}

const ROWS: readonly Row[] = [
  {
    title: 'no public address: nothing is known',
    evidence: { publicIp: undefined },
    layers: 'unknown',
    cgn: 'unknown',
  },
  {
    title: 'no own address: nothing is known',
    evidence: { localIp: undefined },
    layers: 'unknown',
    cgn: 'unknown',
  },
  {
    title: 'servers see the host’s own address: no NAT',
    evidence: { localIp: PUBLIC_IP, gatewayExternalIps: ['100.64.0.9'] },
    layers: '0 measured',
    cgn: 'false measured',
  },
  {
    title: 'the gateway’s public side is what servers see: one NAT, whatever routers say',
    evidence: { gatewayExternalIps: [PUBLIC_IP], hops: hops('192.168.1.1', '100.64.0.1') },
    layers: '1 measured',
    cgn: 'false measured',
  },
  {
    title: 'the gateway’s public side is in the carrier range: carrier NAT, proven',
    evidence: { gatewayExternalIps: ['100.127.255.254'] },
    layers: '2+ measured',
    cgn: 'true measured',
  },
  {
    title: 'the gateway’s public side is private: two NATs, whose is unknown',
    evidence: { gatewayExternalIps: ['10.1.2.3'] },
    layers: '2+ measured',
    cgn: 'unknown',
  },
  {
    title: 'the gateway’s public side is another public address: probably two NATs',
    evidence: { gatewayExternalIps: ['198.51.100.77'] },
    layers: '2+ inferred',
    cgn: 'unknown',
  },
  {
    title: 'a gateway that does not know its public side says nothing; the next one may',
    evidence: { gatewayExternalIps: ['0.0.0.0', PUBLIC_IP] },
    layers: '1 measured',
    cgn: 'false measured',
  },
  {
    title: 'a gateway that does not know its public side alone leaves it open',
    evidence: { gatewayExternalIps: ['0.0.0.0'] },
    layers: 'unknown',
    cgn: 'unknown',
  },
  {
    title: 'an own address in the carrier range: the carrier’s NAT, proven',
    evidence: { localIp: '100.64.9.9' },
    layers: '1 inferred',
    cgn: 'true measured',
  },
  {
    title: 'a router in the carrier range on the way: carrier NAT behind one’s own',
    evidence: { hops: hops('192.168.1.1', '*', '100.100.0.1', '203.0.113.1') },
    layers: '2+ inferred',
    cgn: 'true inferred',
  },
  {
    title: 'a destination in the carrier range is no router',
    evidence: { hops: hops('192.168.1.1', '100.64.0.1!') },
    layers: '1 inferred',
    cgn: 'false inferred',
  },
  {
    title: 'the outermost filter behind the first router: two NATs, whose is unknown',
    evidence: { boundaryHop: measured(2, 'TTL 2') },
    layers: '2+ inferred',
    cgn: 'unknown',
  },
  {
    title: 'the filter beats a public second hop',
    evidence: { boundaryHop: measured(3, 'TTL 3'), hops: hops('192.168.1.1', '203.0.113.1') },
    layers: '2+ inferred',
    cgn: 'unknown',
  },
  {
    title: 'a public second hop: one NAT',
    evidence: { boundaryHop: measured(1, 'TTL 1'), hops: hops('192.168.1.1', '203.0.113.1') },
    layers: '1 inferred',
    cgn: 'false inferred',
  },
  {
    title: 'the server itself as the second hop: one NAT',
    evidence: { hops: hops('*', '198.51.100.7!') },
    layers: '1 inferred',
    cgn: 'false inferred',
  },
  {
    title: 'a private second hop tells nothing',
    evidence: { hops: hops('192.168.1.1', '10.0.0.1', '203.0.113.1') },
    layers: 'unknown',
    cgn: 'unknown',
  },
  {
    title: 'a first hop that shows the public address tells nothing',
    evidence: { hops: hops(PUBLIC_IP, '203.0.113.1') },
    layers: 'unknown',
    cgn: 'unknown',
  },
  { title: 'no sign at all: unknown, never none', evidence: {}, layers: 'unknown', cgn: 'unknown' },
]

for (const row of ROWS) {
  test(row.title, (t) => {
    const { layers, cgn } = inferLayers(evidence(row.evidence))
    t.is(short(layers), row.layers)
    t.is(short(cgn), row.cgn)
    for (const fact of [layers, cgn]) t.true(fact.evidence.length > 0)
  })
}

test('what stays open says which routers answered and what else was seen', (t) => {
  const { layers } = inferLayers(
    evidence({ hops: hops('*', '10.0.0.1'), boundaryHop: unknown('nothing filters') }),
  )
  t.true(layers.evidence.includes('routers that answered: 2: 10.0.0.1'))
  t.true(layers.evidence.includes('nothing filters'))
  t.true(inferLayers(evidence()).layers.evidence.includes('no router on the way answered'))
})
