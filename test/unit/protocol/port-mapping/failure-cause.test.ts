import test from 'ava'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import {
  layerOf,
  likelyCause,
  proofHint,
  unreachableMapping,
} from '../../../../lib/protocol/port-mapping/failure-cause.ts'
import type { FailureCause, ProofFacts } from '../../../../lib/protocol/port-mapping/mapping-proof.ts'

const SEEN_AS = '198.51.100.7'

for (const [what, facts, cause] of [
  ['an outer address of 100.64/10 is a carrier’s NAT', { externalIp: '100.64.0.9' }, 'carrier-nat'],
  ['the last address of 100.64/10, too', { externalIp: '100.127.255.255' }, 'carrier-nat'],
  ['100.128.0.0 is none of it', { externalIp: '100.128.0.0' }, 'other-address'],
  ['a private outer address is a second NAT', { externalIp: '192.168.1.3' }, 'second-nat'],
  [
    'no outer address (0.0.0.0) is a second NAT, or a line that is down',
    { externalIp: '0.0.0.0' },
    'second-nat',
  ],
  ['another public address is another NAT or uplink', { externalIp: '203.0.113.5' }, 'other-address'],
  [
    'the layer counts more than what the relay heard',
    { externalIp: '10.0.0.2', relayHeard: 'refused' },
    'second-nat',
  ],
  ['the same address and a refusal', { externalIp: SEEN_AS, relayHeard: 'refused' }, 'refused'],
  ['the same address and silence', { externalIp: SEEN_AS, relayHeard: 'sent' }, 'silence'],
  ['the same address and no answer', { externalIp: SEEN_AS, relayHeard: 'timed-out' }, 'silence'],
  ['somebody else takes the connection', { externalIp: SEEN_AS, relayHeard: 'accepted' }, 'other-host'],
  ['a gateway that does not say its address', { externalIp: undefined, relayHeard: 'refused' }, 'refused'],
  [
    'a private address that the relay sees, too, is no second NAT',
    { externalIp: '10.0.0.2', seenAs: '10.0.0.2', relayHeard: 'sent' },
    'silence',
  ],
] as readonly (readonly [string, Partial<ProofFacts>, FailureCause])[]) {
  test(`cause: ${what}`, (t) => {
    const all: ProofFacts = { relayHeard: 'timed-out', externalIp: undefined, seenAs: SEEN_AS, ...facts }
    t.is(likelyCause(all), cause)
  })
}

test('the error of a failed proof names layer, addresses and remedy', (t) => {
  const internal = transportAddress('192.168.1.10', 25565, 'tcp')
  const facts = { relayHeard: 'timed-out', externalIp: '100.64.0.9', seenAs: SEEN_AS } as const
  const relay = 'relay.example.org:443'
  const error = unreachableMapping(
    { proof: 'failed', cause: 'carrier-nat', facts, relay },
    { internal, externalPort: 25565 },
  )
  t.is(error.code, 'ERR_REACH_MAPPING_UNREACHABLE')
  t.regex(error.message, /198\.51\.100\.7:25565.*100\.64\.0\.9.*carrier/)
  t.regex(error.hint ?? '', /public IPv4 address/)
  t.deepEqual(error.details, { cause: 'carrier-nat', relay, externalPort: 25565, ...facts })
})

test('each way of not knowing has a hint of its own', (t) => {
  const reasons = [
    'no-relay',
    'relay-too-old',
    'relay-inside',
    'rate-limited',
    'relay-failed',
    'port-in-use',
  ] as const
  t.is(new Set(reasons.map(proofHint)).size, reasons.length)
})

test('an outer address that is public tells of no layer', (t) => {
  t.is(layerOf('203.0.113.5'), undefined)
  t.is(layerOf('169.254.1.1'), 'second-nat')
})
