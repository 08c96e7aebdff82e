import test from 'ava'
import fc from 'fast-check'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type {
  AllocationSample,
  FilteringEvidence,
  Observation,
} from '../../../../lib/protocol/stun/nat-inference.ts'
import {
  MAX_CHANCE_OF_SILENCE,
  chanceOfSilence,
  inferAllocation,
  inferFiltering,
  inferMapping,
  shotsToProveSilence,
} from '../../../../lib/protocol/stun/nat-inference.ts'

const LOCAL = transportAddress('192.168.1.10', 40_000)

/** `203.0.113.2:3478>5000` : that server saw port 5000 (of 198.51.100.7). */
function saw(...texts: readonly string[]): readonly Observation[] {
  return texts.map((text) => {
    const [, ip = '', port, publicIp = '198.51.100.7', publicPort] =
      /^(.+):(\d+)>(?:(.+):)?(\d+)$/.exec(text) ?? []
    return { to: transportAddress(ip, Number(port)), mapped: transportAddress(publicIp, Number(publicPort)) }
  })
}

test('no answer, or one, says nothing about the mapping', (t) => {
  t.is(inferMapping([], LOCAL, false).value, 'unknown')
  t.is(inferMapping(saw('203.0.113.2:3478>5000'), LOCAL, false).value, 'unknown')
})

test('the own address seen by all is no NAT', (t) => {
  const observations = saw('203.0.113.2:3478>192.168.1.10:40000', '203.0.113.3:3478>192.168.1.10:40000')
  t.like(inferMapping(observations, LOCAL, false), {
    value: 'none',
    confidence: 'measured',
    variesByDestination: false,
  })
  t.is(
    inferMapping(observations, undefined, false).value,
    'endpoint-independent',
    'without the own address nobody can tell',
  )
})

test('one port for two addresses is endpoint-independent, for two ports of one address not yet', (t) => {
  t.is(
    inferMapping(saw('203.0.113.2:3478>5000', '203.0.113.3:3478>5000'), LOCAL, false).value,
    'endpoint-independent',
  )
  t.like(inferMapping(saw('203.0.113.2:3478>5000', '203.0.113.2:3479>5000'), LOCAL, false), {
    value: 'unknown',
    variesByDestination: 'unknown',
  })
})

test('another port for another port of one address is address-and-port-dependent', (t) => {
  t.is(
    inferMapping(saw('203.0.113.2:3478>5000', '203.0.113.2:3479>5001'), LOCAL, true).value,
    'address-and-port-dependent',
  )
})

test('one port per address is address-dependent', (t) => {
  const four = saw(
    '203.0.113.2:3478>5000',
    '203.0.113.2:3479>5000',
    '203.0.113.3:3478>5001',
    '203.0.113.3:3479>5001',
  )
  t.is(inferMapping(four, LOCAL, false).value, 'address-dependent')
})

test('a port that varies between addresses stays unknown while a second port may answer, else the commoner kind is inferred', (t) => {
  const two = saw('203.0.113.2:3478>5000', '203.0.113.3:3478>5001')
  t.like(inferMapping(two, LOCAL, true), { value: 'unknown', variesByDestination: true })
  t.like(inferMapping(two, LOCAL, false), {
    value: 'address-and-port-dependent',
    confidence: 'inferred',
    variesByDestination: true,
  })
})

test('differing public IPs with one port are a pool, not a hard mapping', (t) => {
  const pooled = saw('203.0.113.2:3478>198.51.100.7:5000', '203.0.113.3:3478>198.51.100.8:5000')
  t.is(inferMapping(pooled, LOCAL, false).value, 'endpoint-independent')
})

test('one server that disagrees with two others lies', (t) => {
  const liar = saw('203.0.113.2:3478>5000', '203.0.113.3:3478>5000', '198.51.100.9:3478>7777')
  t.like(inferMapping(liar, LOCAL, false), { value: 'endpoint-independent', confidence: 'inferred' })
  t.true(inferMapping(liar, LOCAL, false).evidence[0]?.includes('198.51.100.9'))
})

test('three servers that all disagree are no liars', (t) => {
  const all = saw('203.0.113.2:3478>5000', '203.0.113.3:3478>5001', '198.51.100.9:3478>5002')
  t.true(inferMapping(all, LOCAL, false).variesByDestination)
})

test('the chance of silence is the posterior of a Bernoulli channel', (t) => {
  // With a uniform prior and nothing seen, n shots are all lost with probability 1/(n+1).
  t.is(chanceOfSilence(0, { sent: 0, answered: 0 }), 1)
  t.is(chanceOfSilence(3, { sent: 0, answered: 0 }), 0.25)
  // Laplace's rule of succession: one more loss after `lost` of `sent`.
  t.is(chanceOfSilence(1, { sent: 10, answered: 8 }), 3 / 12)
})

test('silence takes more shots to prove where more is lost', (t) => {
  const perfect = shotsToProveSilence({ sent: 30, answered: 30 })
  const lossy = shotsToProveSilence({ sent: 30, answered: 19 })
  t.true(perfect >= 4 && perfect <= 6, String(perfect))
  t.true(lossy > perfect)
})

test('silence is never proven by loss alone: at 20 % each way it needs enough shots', (t) => {
  // The share of answered round trips is 0.64; the proof must hold for that rate, not only on average.
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 200 }), (sent) => {
      const answered = Math.round(sent * 0.64)
      const shots = shotsToProveSilence({ sent, answered })
      t.true(0.36 ** shots < MAX_CHANCE_OF_SILENCE * 10)
    }),
  )
})

const filtering = (
  fromOtherAddress: FilteringEvidence['fromOtherAddress'],
  fromOtherPort: FilteringEvidence['fromOtherPort'],
) => inferFiltering({ fromOtherAddress, fromOtherPort, mappingIsNone: false, detail: [] }).value

test('filtering follows from which sources get through', (t) => {
  t.is(filtering('answered', 'answered'), 'endpoint-independent')
  t.is(filtering('silent', 'answered'), 'address-dependent')
  t.is(filtering('silent', 'silent'), 'address-and-port-dependent')
  t.is(filtering('unsupported', 'silent'), 'address-and-port-dependent', 'the stricter test suffices')
})

test('filtering stays unknown where a test was not decided', (t) => {
  for (const [address, port] of [
    ['open', 'open'],
    ['open', 'answered'],
    ['silent', 'open'],
    ['unsupported', 'answered'],
    ['unsupported', 'unsupported'],
  ] as const) {
    t.is(filtering(address, port), 'unknown', `${address} and ${port}`)
  }
})

test('without a NAT the absence of a filter is called none', (t) => {
  const evidence = {
    fromOtherAddress: 'answered',
    fromOtherPort: 'answered',
    mappingIsNone: true,
    detail: [],
  } as const
  t.is(inferFiltering(evidence).value, 'none')
})

function samples(
  ports: readonly number[],
  overrides: Partial<AllocationSample> = {},
): readonly AllocationSample[] {
  return ports.map((publicPort, i) => ({
    localPort: 50_000 + 7 * i,
    publicPort,
    sentMs: 3 * i,
    firstShot: true,
    ...overrides,
  }))
}

const range = (count: number, first: number, step: number) =>
  Array.from({ length: count }, (_, i) => first + i * step)

test('kept ports are preserving, also when a few were taken', (t) => {
  const kept = samples(range(16, 50_000, 7))
  t.is(inferAllocation(kept).value, 'preserving')
  const most = kept.map((sample, i) => (i < 3 ? { ...sample, publicPort: 1024 + i } : sample))
  t.is(inferAllocation(most).value, 'preserving')
})

test('half kept and half not is unknown', (t) => {
  const half = samples(range(16, 50_000, 7)).map((sample, i) =>
    i % 2 === 0 ? { ...sample, publicPort: 2000 + 911 * i } : sample,
  )
  t.is(inferAllocation(half).value, 'unknown')
})

for (const step of [1, 2, -1, 10]) {
  test(`ports that follow each other by ${step} are sequential`, (t) => {
    t.like(inferAllocation(samples(range(16, 30_000, step))), { value: 'sequential', step })
  })
}

test('a counter that wraps is still sequential', (t) => {
  const ports = range(16, 65_530, 1).map((port) => (port > 65_535 ? port - 65_536 + 0 : port))
  t.like(inferAllocation(samples(ports)), { value: 'sequential', step: 1 })
})

test('other customers’ ports between ours leave a sequence recognisable', (t) => {
  const ports = [100, 101, 102, 104, 105, 106, 107, 110, 111, 112, 113, 114, 116, 117, 118, 119].map(
    (p) => 20_000 + p,
  )
  t.like(inferAllocation(samples(ports)), { value: 'sequential', step: 1 })
})

test('regression: a sequence whose packets were repeated is not called a block', (t) => {
  const ports = [
    57517, 57515, 57514, 57507, 57506, 57501, 57513, 57505, 57504, 57512, 57511, 57503, 57510, 57509, 57508,
    57502,
  ]
  const list = samples(ports).map((sample, i) => ({
    ...sample,
    firstShot: [0, 1, 2, 4, 7, 8, 10, 14].includes(i),
  }))
  t.not(inferAllocation(list).value, 'block')
})

test('unordered ports close together are a block, spread ones random', (t) => {
  const block = [
    20_400, 20_033, 20_250, 20_101, 20_480, 20_007, 20_333, 20_290, 20_155, 20_222, 20_060, 20_444,
  ]
  t.like(inferAllocation(samples(block)), { value: 'block', min: 20_007, max: 20_480 })
  const spread = [
    61_000, 2_033, 20_250, 40_101, 33_480, 50_007, 12_333, 28_290, 8_155, 47_222, 55_060, 20_444,
  ]
  t.is(inferAllocation(samples(spread)).value, 'random')
})

test('too few sockets answered say nothing', (t) => {
  t.is(inferAllocation(samples(range(7, 30_000, 1))).value, 'unknown')
})

test('random ports are never called preserving, sequential or a block (10,000 draws)', (t) => {
  const port = fc.integer({ min: 1024, max: 65_535 })
  fc.assert(
    fc.property(fc.uniqueArray(port, { minLength: 16, maxLength: 16 }), (ports) => {
      // fast-check likes small spreads; a NAT that draws at random does not.
      fc.pre(Math.max(...ports) - Math.min(...ports) > 8192)
      const { value } = inferAllocation(samples(ports))
      return value === 'random' || value === 'unknown'
    }),
    { numRuns: 10_000 },
  )
  t.pass()
})
