import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import type { PortAllocation, PortAllocationDetail } from '../../../../lib/base/nat-behavior.ts'
import { ENDPOINT_DEPENDENCES, PORT_ALLOCATIONS } from '../../../../lib/base/nat-behavior.ts'
import { generateKeyPair } from '../../../../lib/identity/keys/key-pair.ts'
import { MAX_FRAME } from '../../../../lib/protocol/relay/control-frame.ts'
import { MAX_PEERS, decodeControlReply } from '../../../../lib/protocol/relay/control-reply.ts'
import { networkForOthers } from '../../../../lib/protocol/signaling/nat-summary.ts'
import { decodeControlRequest } from '../../../../lib/protocol/relay/control-request.ts'

const RUNS = { numRuns: Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 300) }
const { peerId } = generateKeyPair()
const NAT = {
  mapping: 'address-and-port-dependent',
  filtering: 'endpoint-independent',
  portAllocation: 'sequential',
  ports: { step: -2, min: 1024, max: 65_535 },
  udpWorks: true,
} as const

const registered = (nat: unknown) => {
  const request = decodeControlRequest(JSON.stringify({ type: 'register', id: 1, nat }))
  return request.type === 'register' ? request.nat : undefined
}
const listed = (nat: unknown) => {
  const reply = decodeControlReply(
    JSON.stringify({ type: 'peers', id: 1, peers: [{ peerId, name: 'bob', sinceMs: 5, nat }] }),
  )
  return reply.type === 'peers' ? reply.peers[0] : undefined
}

test('what a member says of its network comes out as it went in, on both ways', (t) => {
  const dependence = fc.constantFrom(...ENDPOINT_DEPENDENCES, 'unknown')
  const port = fc.integer({ min: 1, max: 65_535 })
  const ports = fc.record({ step: fc.integer({ min: -1024, max: 1024 }), min: port }, { requiredKeys: [] })
  const nat = fc.record(
    {
      mapping: dependence,
      filtering: dependence,
      portAllocation: fc.constantFrom(...PORT_ALLOCATIONS, 'unknown'),
      ports,
      udpWorks: fc.boolean(),
    },
    { requiredKeys: ['mapping', 'filtering', 'portAllocation', 'udpWorks'] },
  )
  fc.assert(
    fc.property(nat, (said) => {
      const { udpWorks, ...behavior } = said
      t.deepEqual<unknown, unknown>(registered(said), { behavior, udpWorks })
      t.deepEqual<unknown, unknown>(listed(said)?.nat, { behavior, udpWorks })
    }),
    RUNS,
  )
})

test('it may be left out', (t) => {
  t.is(registered(undefined), undefined)
  t.is(registered(null), undefined)
  t.is(listed(undefined)?.nat, undefined)
})

const WRONG: readonly (readonly [string, unknown])[] = [
  ['no object', 'endpoint-independent'],
  ['a word that is none', { ...NAT, mapping: 'symmetric' }],
  ['a word of another field', { ...NAT, portAllocation: 'endpoint-independent' }],
  ['a word that is a number', { ...NAT, filtering: 1 }],
  ['a name that objects have by birth', { ...NAT, filtering: 'constructor' }],
  ['a field that is missing', { ...NAT, udpWorks: undefined }],
  ['true for a word', { ...NAT, mapping: true }],
  ['ports that are none', { ...NAT, ports: { min: -1 } }],
  ['ports beyond the last', { ...NAT, ports: { max: 65_536 } }],
  ['a step that leads nowhere', { ...NAT, ports: { step: 1025 } }],
  ['a step with a fraction', { ...NAT, ports: { step: 0.5 } }],
]

for (const [what, nat] of WRONG) {
  test(`refused of a member, and no word to those who ask who is there: ${what}`, (t) => {
    const error = t.throws(() => registered(nat))
    t.true(ReachError.is(error, 'ERR_REACH_DECODE'), String(error))
    const peer = listed(nat)
    t.deepEqual([peer?.peerId, peer?.name, peer?.sinceMs, peer?.nat], [peerId, 'bob', 5, undefined])
  })
}

test('a list of as many members as there may be fits a frame, whatever they say', (t) => {
  const nat = {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    portAllocation: 'preserving',
    ports: { step: -1024, min: 65_535, max: 65_535 },
    udpWorks: false,
  }
  t.truthy(registered(nat))
  const item = JSON.stringify({ peerId, name: 'x'.repeat(63), sinceMs: 9_999_999_999_999, nat })
  t.true((item.length + 1) * MAX_PEERS + 100 < MAX_FRAME, `${item.length}`)
})

test('others learn no address, of a sequence its step, and of a block how large it is', (t) => {
  const words = { mapping: 'address-and-port-dependent', filtering: 'unknown' } as const
  const told = (portAllocation: PortAllocation, ports: PortAllocationDetail) => {
    const nat = { behavior: { ...words, portAllocation, ports }, udpWorks: true, publicIps: ['203.0.113.7'] }
    const others = networkForOthers(nat)
    t.deepEqual(Object.keys(others), ['behavior', 'udpWorks'])
    return others.behavior.ports
  }
  t.deepEqual(told('sequential', { step: 2, min: 1024, max: 2000 }), { step: 2 })
  t.deepEqual(told('block', { min: 20_000, max: 20_511 }), { min: 1, max: 512 })
  t.is(told('random', { min: 1024, max: 65_535 }), undefined)
  t.is(told('block', {}), undefined)
})
