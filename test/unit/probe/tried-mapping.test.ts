import test from 'ava'
import { inferred, measured } from '../../../lib/base/fact.ts'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { ReachError } from '../../../lib/base/errors.ts'
import { withTrial } from '../../../lib/probe/tried-mapping.ts'
import type { PortMappingPresence } from '../../../lib/probe/port-mapping-presence.ts'
import type { PortMappingFact, PortMappingValue } from '../../../lib/probe/report.ts'
import type { MappingProof } from '../../../lib/protocol/port-mapping/mapping-proof.ts'

const absent: PortMappingFact = { ...inferred<PortMappingValue>('absent', 'silence'), proven: 'unknown' }
const presence: PortMappingPresence = {
  pcp: absent,
  natPmp: {
    ...measured<PortMappingValue>('available', 'it answers'),
    gateway: '192.168.1.1',
    externalAddress: '203.0.113.5',
    proven: 'unknown',
  },
  upnp: absent,
}
const relay = 'relay.example.org:443'
const grant = {
  protocol: 'nat-pmp',
  gatewayIp: '192.168.1.1',
  internal: transportAddress('192.168.1.10', 40_000),
  externalIp: '100.64.0.9',
  externalPort: 40_000,
  lifetimeS: 120,
  keep: {},
} as const

function tried(proof: MappingProof | undefined): PortMappingPresence {
  return withTrial(presence, { kind: 'granted', grant, proof })
}

test('a mapping that a relay’s packet came in through makes its service proven, and leaves the others', (t) => {
  const { natPmp, pcp, upnp } = tried({
    proof: 'proven',
    kind: 'received',
    external: transportAddress('198.51.100.7', 40_000),
    relay,
  })
  t.like(natPmp, { value: 'available', confidence: 'measured', proven: true, externalAddress: '100.64.0.9' })
  t.regex(natPmp.evidence.join(), /relay\.example\.org:443 sent to it came in/)
  t.is(pcp, absent)
  t.is(upnp, absent)
})

test('one that nothing comes in through is unreachable from outside, with cause and address', (t) => {
  const facts = { relayHeard: 'timed-out', externalIp: '100.64.0.9', seenAs: '198.51.100.7' } as const
  const { natPmp } = tried({ proof: 'failed', cause: 'carrier-nat', facts, relay })
  t.like(natPmp, { value: 'unreachable-from-outside', proven: false, externalAddress: '100.64.0.9' })
  t.regex(natPmp.evidence.join(), /carrier-nat/)
})

test('what nobody could try stays unknown, never false', (t) => {
  for (const proof of [undefined, { proof: 'unproven', why: 'no-relay' }] as const) {
    t.like(tried(proof).natPmp, { value: 'available', proven: 'unknown' })
  }
})

test('without a trial, or with one that was refused, nothing changes', (t) => {
  t.is(withTrial(presence, undefined), presence)
  const error = new ReachError('ERR_REACH_MAPPING_REFUSED', 'no')
  t.is(withTrial(presence, { kind: 'refused', error }), presence)
})
